package image_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/image"
)

// A cluster whose pause program had changed kept the archive of the old one, and no sandbox could start any more.
func TestWriteStatic_replacesAnArchiveWithAnotherTag(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("#!"), 0o600); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "image.tar")
	for _, reference := range []string{"docker.io/devcluster/pause:old", "docker.io/devcluster/pause:new"} {
		if err := image.WriteStatic(archive, reference, program); err != nil {
			t.Fatal(err)
		}
		tag, err := name.NewTag(reference)
		if err != nil {
			t.Fatal(err)
		}
		written, err := tarball.ImageFromPath(archive, &tag)
		if err != nil {
			t.Fatalf("%s is not in the archive: %v", reference, err)
		}
		config, err := written.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.OS != "linux" || config.Config.User == "" || len(config.Config.Entrypoint) != 1 {
			t.Errorf("got %+v", config)
		}
	}
}
