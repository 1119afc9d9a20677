package gobuild

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"

	"github.com/dpi-operator/dpi-operator/hack/images/internal/command"
)

// Build compiles the packages (relative to the module's directory) into dir, each as a static binary with the name of its folder. A binary
// that is already there and current is left alone by the go command, which is what makes a second call quick.
func Build(ctx context.Context, module, dir string, packages []string) error {
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", dir + string(filepath.Separator)}
	for _, pkg := range packages {
		args = append(args, "./"+pkg)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if err := command.Run(cmd); err != nil {
		return fmt.Errorf("cannot compile %v in %s: %w", packages, module, err)
	}
	return nil
}

// Binary is the file that Build makes of a package.
func Binary(dir, pkg string) string { return filepath.Join(dir, path.Base(pkg)) }

// Digests returns the SHA-256 of the binaries of the packages.
func Digests(dir string, packages []string) (map[string]string, error) {
	digests := map[string]string{}
	for _, pkg := range packages {
		file, err := os.Open(Binary(dir, pkg))
		if err != nil {
			return nil, err
		}
		sum := sha256.New()
		_, err = io.Copy(sum, file)
		if err := errors.Join(err, file.Close()); err != nil {
			return nil, err
		}
		digests[pkg] = hex.EncodeToString(sum.Sum(nil))
	}
	return digests, nil
}

// ErrNoModule is the cause when the repository's root module is not above the working directory.
var ErrNoModule = errors.New("run this inside the repository, or name it with --source")

// FindModule returns the nearest directory at or above dir that has a go.mod and a folder for each of the packages.
func FindModule(dir string, packages []string) (string, error) {
	isDir := func(name string) bool {
		info, err := os.Stat(name)
		return err == nil && info.IsDir()
	}
	for {
		missing := slices.ContainsFunc(packages, func(pkg string) bool { return !isDir(filepath.Join(dir, pkg)) })
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil && !missing {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no module with the packages %v: %w", packages, ErrNoModule)
		}
		dir = parent
	}
}
