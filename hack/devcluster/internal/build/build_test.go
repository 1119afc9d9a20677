package build

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const program = `package main

func main() {}
`

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func builder(t *testing.T) (Builder, Binary) {
	t.Helper()
	sources := t.TempDir()
	write(t, filepath.Join(sources, "tools/x/go.mod"), "module example.org/x\n\ngo 1.26.0\n")
	write(t, filepath.Join(sources, "tools/x/main.go"), program)
	return Builder{Sources: sources, Cache: t.TempDir(), Log: &bytes.Buffer{}},
		Binary{Name: "x", Module: "tools/x", Package: ".", Sources: []string{"."}}
}

func path(t *testing.T, builder Builder, binary Binary) string {
	t.Helper()
	paths, err := builder.Paths([]Binary{binary})
	if err != nil {
		t.Fatal(err)
	}
	return paths[binary.Name]
}

func TestPaths_changeWithWhatDecidesTheBuild(t *testing.T) {
	made, binary := builder(t)
	before := path(t, made, binary)
	write(t, filepath.Join(made.Sources, "tools/x/main_test.go"), "package main\n")
	if after := path(t, made, binary); after != before {
		t.Error("a test file changed the build")
	}
	moved := made
	moved.Sources = filepath.Join(t.TempDir(), "elsewhere")
	if err := os.CopyFS(moved.Sources, os.DirFS(made.Sources)); err != nil {
		t.Fatal(err)
	}
	if after := path(t, moved, binary); after != before {
		t.Error("the place of the checkout changed the build")
	}
	stamped := binary
	stamped.Variables = func(string) map[string]string { return map[string]string{"main.version": "2"} }
	if path(t, made, stamped) == before {
		t.Error("linker variables did not change the build")
	}
	write(t, filepath.Join(made.Sources, "tools/x/main.go"), program+"// changed\n")
	if path(t, made, binary) == before {
		t.Error("a changed source did not change the build")
	}
}

func TestVersion_isTheOneThatIsPinned(t *testing.T) {
	file := filepath.Join(t.TempDir(), "go.mod")
	write(t, file, "module example.org/x\n\nrequire (\n\tgo.etcd.io/etcd/server/v3 v3.6.5 // indirect\n)\n")
	if got, err := Version(file, "go.etcd.io/etcd/server/v3"); err != nil || got != "v3.6.5" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := Version(file, "k8s.io/kubernetes"); err == nil || !strings.Contains(err.Error(), "go get") {
		t.Errorf("a module that is not required: %v", err)
	}
}

func TestAll_twoProcessesAtOnceBuildOnce(t *testing.T) {
	made, binary := builder(t)
	var wait sync.WaitGroup
	failures := make([]error, 2)
	for i := range failures {
		// The lock is held per open file, as between processes.
		wait.Go(func() {
			own := made
			own.Log = &bytes.Buffer{}
			_, failures[i] = own.All(t.Context(), []Binary{binary})
		})
	}
	wait.Wait()
	if err := errors.Join(failures...); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path(t, made, binary)); err != nil || info.Mode()&0o100 == 0 {
		t.Errorf("no program came out: %v, %v", info, err)
	}
	unfinished, err := filepath.Glob(filepath.Join(made.Cache, "bin", "*", "*.unfinished"))
	if err != nil || len(unfinished) > 0 {
		t.Errorf("left: %v, %v", unfinished, err)
	}
	said := &bytes.Buffer{}
	made.Log = said
	if _, err := made.All(t.Context(), []Binary{binary}); err != nil || said.Len() > 0 {
		t.Errorf("what is cached was built again: %v\n%s", err, said)
	}
}

func TestAll_failureSaysWhatTheCompilerSaid(t *testing.T) {
	made, binary := builder(t)
	write(t, filepath.Join(made.Sources, "tools/x/main.go"), "package main\n\nfunc main() { undefinedName() }\n")
	_, err := made.All(t.Context(), []Binary{binary})
	if err == nil || !strings.Contains(err.Error(), "undefinedName") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path(t, made, binary)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a failed build left a program: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := made.All(ended, []Binary{binary}); err == nil {
		t.Error("a cancelled build succeeded")
	}
}
