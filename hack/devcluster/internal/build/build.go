package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Binary is one programme.
type Binary struct {
	// Name of the file.
	Name string
	// Module is the folder of the Go module that pins it, relative to the sources.
	Module string
	// Package to build, as seen from the module.
	Package string
	// LinkerFlags besides -s -w.
	LinkerFlags string
	// Sources are folders whose content decides the build besides go.mod and go.sum, relative to the module.
	Sources []string
}

// Builder builds binaries into a cache.
type Builder struct {
	// Sources is the folder of this project's development cluster.
	Sources string
	// Cache is the root of the cache.
	Cache string
	// Log receives progress.
	Log io.Writer
}

// All makes sure every binary exists and returns their paths by name. What is cached is not built again; two processes
// that build at once wait for each other.
func (b Builder) All(ctx context.Context, binaries []Binary) (map[string]string, error) {
	paths := make(map[string]string, len(binaries))
	var missing []Binary
	for _, binary := range binaries {
		path, err := b.path(binary)
		if err != nil {
			return nil, err
		}
		paths[binary.Name] = path
		if _, err := os.Stat(path); err != nil {
			missing = append(missing, binary)
		}
	}
	started := time.Now()
	for i, binary := range missing {
		b.say("building %s (%d of %d, %s so far; once, then cached)", binary.Name, i+1, len(missing), time.Since(started).Round(time.Second))
		if err := b.locked(paths[binary.Name], func(path string) error { return b.build(ctx, binary, path) }); err != nil {
			return nil, fmt.Errorf("build %s: %w", binary.Name, err)
		}
	}
	return paths, nil
}

// path is where the binary is kept: its name and a digest of all that decides it.
func (b Builder) path(binary Binary) (string, error) {
	sum := sha256.New()
	_, _ = fmt.Fprintln(sum, runtime.Version(), runtime.GOARCH, binary.Package, binary.LinkerFlags)
	files := []string{"go.mod", "go.sum"}
	for _, folder := range binary.Sources {
		found, err := filepath.Glob(filepath.Join(b.Sources, binary.Module, folder, "*.go"))
		if err != nil {
			return "", err
		}
		for _, file := range found {
			relative, err := filepath.Rel(filepath.Join(b.Sources, binary.Module), file)
			if err != nil {
				return "", err
			}
			files = append(files, relative)
		}
	}
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(b.Sources, binary.Module, file))
		if err != nil {
			return "", fmt.Errorf("read what %s is built from: %w", binary.Name, err)
		}
		_, _ = fmt.Fprintln(sum, file, len(data))
		_, _ = sum.Write(data)
	}
	return filepath.Join(b.Cache, "bin", binary.Name+"-"+hex.EncodeToString(sum.Sum(nil))[:12], binary.Name), nil
}

func (b Builder) locked(path string, build func(string) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Dir(path)+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	unfinished := path + ".unfinished"
	if err := build(unfinished); err != nil {
		return err
	}
	return os.Rename(unfinished, path)
}

func (b Builder) build(ctx context.Context, binary Binary, path string) error {
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", strings.TrimSpace("-s -w "+binary.LinkerFlags), "-o", path, binary.Package)
	command.Dir = filepath.Join(b.Sources, binary.Module)
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOWORK=off")
	var complaint strings.Builder
	command.Stderr = &complaint
	if err := command.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, tail(complaint.String(), 10))
	}
	return nil
}

func (b Builder) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.Log, "devcluster: "+format+"\n", args...)
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
