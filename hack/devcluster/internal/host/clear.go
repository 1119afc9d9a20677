package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// marker is the file that says that a directory is a cluster's, to be removed with all it holds.
const marker = ".devcluster"

// Leftovers says what belongs to a cluster and is to be cleared from the machine.
type Leftovers struct {
	// Dir holds the cluster's state. Its base name is the name of the cgroup of the cluster's pods.
	Dir string
	// Link is the node's bridge.
	Link string
	// Network is the name of the pods' network.
	Network string
	// Programs are the names of the programs that run with paths below Dir.
	Programs []string
	// Kernel holds the settings to put back.
	Kernel Kernel
}

// Claim makes the directory of a cluster. It refuses a directory that holds something else.
func Claim(dir string) error {
	// What an interrupted down did not come to remove.
	if err := os.RemoveAll(removing(dir)); err != nil {
		return fmt.Errorf("remove what is left of the last cluster: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("look into the state directory: %w", err)
	}
	if len(entries) > 0 && !claimed(dir) {
		return fmt.Errorf("%s holds something that is not a cluster; empty it, or set DEVCLUSTER_DIR to another directory", dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, marker), nil, 0o600)
}

// claimed reports whether a directory is a cluster's.
func claimed(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, marker))
	return err == nil
}

func removing(dir string) string { return dir + ".removing" }

func (l Leftovers) cgroup() string { return filepath.Base(l.Dir) }

// Clear ends every process and container, and takes mounts, links, packet filter rules and the state away. It works
// however the cluster ended, and may be interrupted and run again. Nothing to clear is no error.
func (l Leftovers) Clear(ctx context.Context) error {
	if err := l.endProcesses(ctx); err != nil {
		return err
	}
	if err := l.unmount(); err != nil {
		return err
	}
	if err := removeCgroup(cgroupMount, l.cgroup()); err != nil {
		return err
	}
	if err := l.clearNetwork(ctx); err != nil {
		return err
	}
	if err := l.removeTraces(); err != nil {
		return err
	}
	if err := l.Kernel.Restore(); err != nil {
		return err
	}
	return l.removeState()
}

func (l Leftovers) clearNetwork(ctx context.Context) error {
	for _, family := range []string{"ip", "ip6"} {
		if !succeeds(ctx, "nft", "list", "table", family, "kube-proxy") {
			continue
		}
		if err := Run(ctx, "nft", "delete", "table", family, "kube-proxy"); err != nil {
			return err
		}
	}
	if !succeeds(ctx, "ip", "link", "show", "dev", l.Link) {
		return nil
	}
	return Run(ctx, "ip", "link", "delete", l.Link)
}

func succeeds(ctx context.Context, name string, args ...string) bool {
	return Run(ctx, name, args...) == nil
}

// removeState renames first, so that a half removed directory is never taken for a cluster.
func (l Leftovers) removeState() error {
	if claimed(l.Dir) {
		if err := os.RemoveAll(removing(l.Dir)); err != nil {
			return fmt.Errorf("remove what is left of the last cluster: %w", err)
		}
		if err := os.Rename(l.Dir, removing(l.Dir)); err != nil {
			return fmt.Errorf("remove the state directory: %w", err)
		}
	}
	if err := os.RemoveAll(removing(l.Dir)); err != nil {
		return fmt.Errorf("remove the state directory: %w", err)
	}
	return nil
}
