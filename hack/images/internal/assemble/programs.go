package assemble

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/dpi-operator/dpi-operator/hack/images/internal/gobuild"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/recipe"
)

// compilePrograms returns the steps with the content of every Go program filled in, having compiled them.
func (a *Assembler) compilePrograms(ctx context.Context, steps []recipe.Step) ([]recipe.Step, error) {
	return eachProgram(steps, func(step recipe.GoPrograms) (recipe.GoPrograms, error) {
		dir, err := a.programs()
		if err != nil {
			return step, err
		}
		packages := slices.Sorted(maps.Values(step.Packages))
		module, err := gobuild.FindModule(a.WorkDir, packages)
		if err != nil {
			return step, err
		}
		unlock, err := a.Store.Lock(ctx, "programs")
		if err != nil {
			return step, err
		}
		a.Report("compiling")
		if err := errors.Join(gobuild.Build(ctx, module, dir, packages), unlock()); err != nil {
			return step, err
		}
		return withContent(step, dir)
	})
}

// compiledPrograms is compilePrograms without compiling: it returns nil when a program was not compiled yet.
func (a *Assembler) compiledPrograms(steps []recipe.Step) ([]recipe.Step, error) {
	steps, err := eachProgram(steps, func(step recipe.GoPrograms) (recipe.GoPrograms, error) {
		dir, err := a.programs()
		if err != nil {
			return step, err
		}
		return withContent(step, dir)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return steps, err
}

func eachProgram(steps []recipe.Step, fill func(recipe.GoPrograms) (recipe.GoPrograms, error)) ([]recipe.Step, error) {
	steps = slices.Clone(steps)
	for i, step := range steps {
		programs, ok := step.(recipe.GoPrograms)
		if !ok {
			continue
		}
		filled, err := fill(programs)
		if err != nil {
			return nil, err
		}
		steps[i] = filled
	}
	return steps, nil
}

func withContent(step recipe.GoPrograms, dir string) (recipe.GoPrograms, error) {
	digests, err := gobuild.Digests(dir, slices.Sorted(maps.Values(step.Packages)))
	if err != nil {
		return step, err
	}
	step.Content = map[string]string{}
	for path, pkg := range step.Packages {
		step.Content[path] = digests[pkg]
	}
	return step, nil
}

func (a *Assembler) copyPrograms(step recipe.GoPrograms, dir string) error {
	from, err := a.programs()
	if err != nil {
		return err
	}
	for path, pkg := range step.Packages {
		content, err := os.ReadFile(gobuild.Binary(from, pkg))
		if err != nil {
			return err
		}
		if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != step.Content[path] {
			return fmt.Errorf("%s was compiled again by another run meanwhile: run this again", pkg)
		}
		to := filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, content, 0o755)); err != nil {
			return err
		}
	}
	return nil
}

// programs is where compiled programs stay, so that the go command can see that they are current.
func (a *Assembler) programs() (string, error) { return a.Store.Dir("programs-" + runtime.GOARCH) }
