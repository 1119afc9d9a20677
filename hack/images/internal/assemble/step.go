package assemble

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dpi-operator/dpi-operator/hack/images/internal/debian"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/jre"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/layer"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/maven"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/recipe"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/store"
)

// packing says how a step's directory becomes a layer.
type packing struct {
	filter layer.Filter
	owners layer.Owners
}

// carryOut does what the step says in the directory, as if the directory were the image's root.
func (a *Assembler) carryOut(ctx context.Context, step recipe.Step, dir string, below []*store.Layer) (packing, error) {
	switch step := step.(type) {
	case recipe.Debian:
		return packing{filter: layer.Filter{Keep: step.Keep, Drop: step.Drop}}, debian.Unpack(ctx, step.Suite, step.Packages, dir)
	case recipe.JavaRuntime:
		return packing{}, jre.Unpack(ctx, step.Requirement, filepath.Join(dir, step.Dest))
	case recipe.MavenLibraries:
		return packing{}, maven.Libraries(ctx, step.POM, filepath.Join(dir, step.Dest))
	case recipe.MavenProgram:
		return packing{}, maven.Program(ctx, step.Sources, filepath.Join(dir, step.Dest))
	case recipe.MavenArchive:
		return packing{}, maven.Archive(ctx, step.Coordinate, filepath.Join(dir, step.Dest))
	case recipe.Files:
		return writeFiles(step, dir)
	case recipe.GoPrograms:
		return packing{}, a.copyPrograms(step, dir)
	case recipe.Run:
		return packing{filter: layer.Filter{Keep: step.Keep}}, a.run(ctx, step, dir, below)
	case recipe.ClassArchive:
		return packing{filter: layer.Filter{Keep: []string{step.Archive}}}, a.train(ctx, step, dir, below)
	default:
		return packing{}, fmt.Errorf("no way to carry out a step of type %T", step)
	}
}

func writeFiles(step recipe.Files, dir string) (packing, error) {
	owners := layer.Owners{}
	for _, entry := range step.Entries {
		path := filepath.Join(dir, filepath.FromSlash(entry.Path))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), writeEntry(entry, path)); err != nil {
			return packing{}, fmt.Errorf("cannot write %s: %w", entry.Path, err)
		}
		owners[entry.Path] = entry.Owner
	}
	return packing{owners: owners}, nil
}

func writeEntry(entry recipe.File, path string) error {
	mode := fs.FileMode(entry.Mode & 0o777)
	if entry.Mode&0o1000 != 0 {
		mode |= fs.ModeSticky
	}
	switch {
	case entry.Link != "":
		return os.Symlink(entry.Link, path)
	case entry.Dir:
		return errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, mode))
	default:
		return errors.Join(os.WriteFile(path, []byte(entry.Content), mode), os.Chmod(path, mode))
	}
}
