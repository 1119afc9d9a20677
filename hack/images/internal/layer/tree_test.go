package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFilter(t *testing.T) {
	filter := Filter{Drop: []string{"usr/share/doc/*/*", "!usr/share/doc/*/copyright", "usr/lib/*/libLLVM*", "dev"}}
	cases := map[string]bool{
		"usr/share/doc/bash":           true,
		"usr/share/doc/bash/copyright": true,
		"usr/share/doc/bash/changelog": false,
		"usr/share/doc/bash/more/file": false,
		"usr/lib/x86/libLLVM-14.so.1":  false,
		"usr/lib/x86/libc.so.6":        true,
		"dev":                          false,
		"dev/null":                     false,
		"device":                       true,
	}
	for name, want := range cases {
		if got := filter.Contains(name); got != want {
			t.Errorf("Contains(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestFilterKeepsOnlyWhatIsNamed(t *testing.T) {
	filter := Filter{Keep: []string{"opt/app/lib"}}
	cases := map[string]bool{"opt": false, "opt/app/lib": true, "opt/app/lib/a.jar": true, "opt/app/library": false}
	for name, want := range cases {
		if got := filter.Contains(name); got != want {
			t.Errorf("Contains(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestTheSameTreeGivesTheSameBytes(t *testing.T) {
	first := pack(t, tree(t, "b", "a", "c"), Filter{}, nil)
	second := tree(t, "c", "b", "a")
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(second, "etc", "a"), long, long); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, pack(t, second, Filter{}, nil)) {
		t.Error("the layer depends on the order or the time in which files were made")
	}
}

func TestEntriesAreNormalised(t *testing.T) {
	root := tree(t, "a")
	makeEntries := errors.Join(
		os.Symlink("a", filepath.Join(root, "etc", "link")),
		os.Mkdir(filepath.Join(root, "tmp"), 0o755),
		os.Chmod(filepath.Join(root, "tmp"), 0o777|os.ModeSticky),
		os.Chmod(filepath.Join(root, "etc", "a"), 0o755|os.ModeSetuid),
		os.MkdirAll(filepath.Join(root, "data"), 0o755),
	)
	if makeEntries != nil {
		t.Fatal(makeEntries)
	}
	type entry struct {
		Name, Link string
		Mode       int64
		Uid        int
		Time       time.Time
	}
	var got []entry
	for _, header := range headers(t, pack(t, root, Filter{}, Owners{"data": 10001})) {
		got = append(got, entry{header.Name, header.Linkname, header.Mode, header.Uid, header.ModTime.UTC()})
	}
	want := []entry{
		{"data/", "", 0o755, 10001, Modified},
		{"etc/", "", 0o755, 0, Modified},
		{"etc/a", "", 0o755, 0, Modified},
		{"etc/link", "a", 0o777, 0, Modified},
		{"tmp/", "", 0o1777, 0, Modified},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestParentsOfKeptFilesAreKept(t *testing.T) {
	root := tree(t, "a", "b")
	var names []string
	for _, header := range headers(t, pack(t, root, Filter{Keep: []string{"etc/b"}}, nil)) {
		names = append(names, header.Name)
	}
	if diff := cmp.Diff([]string{"etc/", "etc/b"}, names); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func tree(t *testing.T, names ...string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(root, "etc", name), []byte("content of "+name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func pack(t *testing.T, root string, filter Filter, owners Owners) []byte {
	t.Helper()
	var packed bytes.Buffer
	if err := WriteTree(&packed, root, filter, owners); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func headers(t *testing.T, packed []byte) []*tar.Header {
	t.Helper()
	var all []*tar.Header
	archive := tar.NewReader(bytes.NewReader(packed))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, header)
	}
}
