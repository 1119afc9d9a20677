package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// WriteStatic writes an archive with an image of that name, tag included, whose entry point is the program. An archive
// that exists is replaced: it may hold another image.
func WriteStatic(path, reference, program string) error {
	tag, err := name.NewTag(reference)
	if err != nil {
		return err
	}
	layer, err := layerWith(program)
	if err != nil {
		return err
	}
	opened, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer)), nil })
	if err != nil {
		return err
	}
	built, err := mutate.AppendLayers(empty.Image, opened)
	if err != nil {
		return err
	}
	config, err := built.ConfigFile()
	if err != nil {
		return err
	}
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config.Entrypoint, config.Config.User = []string{"/program"}, "65535"
	if built, err = mutate.ConfigFile(built, config); err != nil {
		return err
	}
	unfinished := path + ".unfinished"
	if err := tarball.WriteToFile(unfinished, tag, built); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(unfinished, path)
}

func layerWith(program string) ([]byte, error) {
	data, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	writer := tar.NewWriter(&out)
	if err := writer.WriteHeader(&tar.Header{Name: "program", Mode: 0o755, Size: int64(len(data)), Typeflag: tar.TypeReg}); err != nil {
		return nil, err
	}
	if _, err := writer.Write(data); err != nil {
		return nil, err
	}
	return out.Bytes(), writer.Close()
}
