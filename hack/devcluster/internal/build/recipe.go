package build

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// recipe is a binary with all that decides what comes out of its build.
type recipe struct {
	Binary

	dir     string
	version string
	flags   []string
	// path is where the result is kept; equal paths mean equal inputs.
	path string
}

func (b Builder) recipe(binary Binary) (recipe, error) {
	dir := filepath.Join(b.Sources, binary.Module)
	version, err := Version(filepath.Join(dir, "go.mod"), binary.Library)
	if err != nil {
		return recipe{}, err
	}
	linker := []string{"-s", "-w"}
	if binary.Variables != nil {
		variables := binary.Variables(version)
		for _, name := range slices.Sorted(maps.Keys(variables)) {
			linker = append(linker, "-X", name+"="+variables[name])
		}
	}
	flags := []string{"-trimpath", "-mod=readonly", "-buildvcs=false", "-ldflags", strings.Join(linker, " ")}
	digest, err := digestInputs(dir, binary, append(flags, binary.Package, runtime.Version(), runtime.GOARCH))
	if err != nil {
		return recipe{}, fmt.Errorf("read what %s is built from: %w", binary.Name, err)
	}
	folder := strings.Join(slices.DeleteFunc([]string{binary.Name, version, digest[:12]}, isEmpty), "-")
	return recipe{
		Binary: binary, dir: dir, version: version, flags: flags,
		path: filepath.Join(b.Cache, "bin", folder, binary.Name),
	}, nil
}

func isEmpty(text string) bool { return text == "" }

// Version is the version of a module that a go.mod file requires. Without a module there is none.
func Version(file, module string) (string, error) {
	if module == "" {
		return "", nil
	}
	data, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return "", fmt.Errorf("read the pinned versions: %w", err)
	}
	parsed, err := modfile.Parse(file, data, nil)
	if err != nil {
		return "", fmt.Errorf("read the pinned versions: %w", err)
	}
	for _, required := range parsed.Require {
		if required.Mod.Path == module {
			return required.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("%s does not require %s; add it with `go get`", file, module)
}

// digestInputs covers settings and the files that a build reads. Tests are not among them.
func digestInputs(dir string, binary Binary, settings []string) (string, error) {
	files := []string{filepath.Join(dir, "go.mod")}
	if sums := filepath.Join(dir, "go.sum"); exists(sums) {
		files = append(files, sums)
	}
	for _, folder := range binary.Sources {
		found, err := filepath.Glob(filepath.Join(dir, folder, "*.go"))
		if err != nil {
			return "", err
		}
		files = append(files, slices.DeleteFunc(found, func(file string) bool { return strings.HasSuffix(file, "_test.go") })...)
	}
	sum := sha256.New()
	for _, setting := range settings {
		_, _ = fmt.Fprintln(sum, len(setting), setting)
	}
	for _, file := range files {
		if err := addFile(sum, dir, file); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// addFile adds a file under its name within the module: where a checkout lies does not matter.
func addFile(sum io.Writer, dir, file string) error {
	data, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return err
	}
	name, err := filepath.Rel(dir, file)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(sum, name, len(data))
	_, _ = sum.Write(data)
	return nil
}
