package build

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

const (
	sayPeriod = 15 * time.Second
	lockPoll  = 200 * time.Millisecond
)

// Binary is one program.
type Binary struct {
	// Name of the file.
	Name string
	// Module is the folder of the Go module that pins it, relative to the sources.
	Module string
	// Package to build, as seen from the module.
	Package string
	// Library is the required module whose version is the program's; empty for a program that has none.
	Library string
	// Variables are set by the linker, for a program that does not know its version by itself; nil for none.
	Variables func(version string) map[string]string
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

// Paths tells where the binaries are, or will be once All built them, by name.
func (b Builder) Paths(binaries []Binary) (map[string]string, error) {
	paths := make(map[string]string, len(binaries))
	for _, binary := range binaries {
		made, err := b.recipe(binary)
		if err != nil {
			return nil, err
		}
		paths[binary.Name] = made.path
	}
	return paths, nil
}

// All makes sure every binary exists and returns their paths by name. What is cached is not built again; two processes
// that build at once wait for each other, and a build that is killed leaves nothing that looks complete.
func (b Builder) All(ctx context.Context, binaries []Binary) (map[string]string, error) {
	paths := make(map[string]string, len(binaries))
	var missing []recipe
	for _, binary := range binaries {
		made, err := b.recipe(binary)
		if err != nil {
			return nil, err
		}
		paths[binary.Name] = made.path
		if !exists(made.path) {
			missing = append(missing, made)
		}
	}
	started := time.Now()
	for i, made := range missing {
		step := fmt.Sprintf("%d of %d, %s", i+1, len(missing), strings.TrimSpace(made.Name+" "+made.version))
		if err := b.ensure(ctx, made, progress{to: b.Log, step: step, started: started}); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

func (b Builder) ensure(ctx context.Context, made recipe, progress progress) error {
	if err := os.MkdirAll(filepath.Dir(made.path), 0o755); err != nil {
		return fmt.Errorf("make room in the cache: %w; DPI_CACHE names another place", err)
	}
	lock := flock.New(filepath.Dir(made.path) + ".lock")
	if free, err := lock.TryLock(); err == nil && !free {
		progress.say("another process builds it, waiting")
	}
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return fmt.Errorf("wait for the build of %s: %w", made.Name, err)
	}
	defer func() { _ = lock.Unlock() }()
	if exists(made.path) {
		return nil
	}
	progress.say("building; the first time takes minutes, then it is cached")
	stop := progress.keepSaying("still building")
	defer stop()
	unfinished := made.path + ".unfinished"
	if err := compile(ctx, made, unfinished); err != nil {
		return err
	}
	return os.Rename(unfinished, made.path)
}

func compile(ctx context.Context, made recipe, output string) error {
	args := append([]string{"build"}, made.flags...)
	command := exec.CommandContext(ctx, "go", append(args, "-o", output, made.Package)...)
	command.Dir = made.dir
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	var complaint strings.Builder
	command.Stderr = &complaint
	if err := command.Run(); err != nil {
		return fmt.Errorf("build %s: %w: %s\nif a download failed, check GOPROXY and the network, then run it again",
			made.Name, err, tail(complaint.String(), 10))
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
