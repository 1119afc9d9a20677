package cluster

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"

	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/build"
	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/host"
	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/image"
	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/process"
)

const (
	logTail  = 15
	lockPoll = 200 * time.Millisecond
)

// objects are what a usable cluster has: the DNS Service, a default storage class, and the rights of those behind them.
//
//go:embed objects.yaml
var objects string

var errEnded = errors.New("it ended")

// Assets builds what tests against a real API server need and returns the folder that holds it.
func (c *Cluster) Assets(ctx context.Context) (string, error) {
	paths, err := c.Builder.All(ctx, controlBinaries())
	if err != nil {
		return "", err
	}
	version, err := build.Version(filepath.Join(c.Builder.Sources, kubernetesModule, "go.mod"), kubernetesLibrary)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(c.Builder.Cache, "envtest-"+version)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make a folder in the cache: %w", err)
	}
	for name, path := range paths {
		if err := link(path, filepath.Join(dir, name)); err != nil {
			return "", fmt.Errorf("put %s among the assets: %w", name, err)
		}
	}
	return dir, nil
}

// link points a name at a file, atomically.
func link(target, name string) error {
	if current, err := os.Readlink(name); err == nil && current == target {
		return nil
	}
	unfinished := fmt.Sprintf("%s.%d", name, os.Getpid())
	if err := os.Symlink(target, unfinished); err != nil {
		return err
	}
	return os.Rename(unfinished, name)
}

// Up brings the cluster up, or repairs it. What runs as it should is left alone.
func (c *Cluster) Up(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := host.Install(ctx, c.Builder.Log); err != nil {
		return err
	}
	if c.binaries, err = c.Builder.All(ctx, allBinaries()); err != nil {
		return err
	}
	began := time.Now()
	started, err := c.bringUp(ctx)
	if err != nil {
		return err
	}
	if started == 0 {
		c.sayf("up already")
		return nil
	}
	c.sayf("up: %d processes started in %s", started, time.Since(began).Round(100*time.Millisecond))
	return nil
}

// bringUp reports how many processes it started.
func (c *Cluster) bringUp(ctx context.Context) (int, error) {
	files, err := c.prepare(ctx)
	if err != nil {
		return 0, err
	}
	if err := c.stopFormerParts(ctx); err != nil {
		return 0, err
	}
	base, err := c.start(ctx, c.base(files))
	if err != nil {
		return 0, err
	}
	control, err := c.start(ctx, []part{c.apiServer()})
	if err != nil {
		return 0, err
	}
	if err := c.furnish(ctx); err != nil {
		return 0, err
	}
	node, err := c.start(ctx, c.node(files))
	return base + control + node, err
}

// stopFormerParts ends what an earlier version of this program started and this one does without.
func (c *Cluster) stopFormerParts(ctx context.Context) error {
	var names []string
	for _, each := range c.parts() {
		names = append(names, each.Name)
	}
	return c.processes().StopOthers(ctx, names)
}

// start starts what does not run of some parts, together, and waits for all of them.
func (c *Cluster) start(ctx context.Context, parts []part) (int, error) {
	started := 0
	for _, each := range parts {
		fresh, err := c.processes().Ensure(ctx, each.Spec)
		if err != nil {
			return 0, err
		}
		if fresh {
			c.sayf("started %s", each.Name)
			started++
		}
	}
	for _, each := range parts {
		if err := c.await(ctx, each); err != nil {
			return 0, err
		}
	}
	return started, nil
}

func (c *Cluster) await(ctx context.Context, each part) error {
	var last error
	err := process.Await(ctx, max(each.limit, time.Second), func() (bool, error) {
		if !c.processes().Alive(each.Name) {
			return false, errEnded
		}
		if each.up == nil {
			return true, nil
		}
		last = each.up(ctx)
		return last == nil, nil
	})
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s is not up: %w\nThe end of %s:\n%s\nMend what it complains of, then run `up` again; "+
		"`down` and `up` start afresh, without what the cluster held",
		each.Name, errors.Join(err, last), c.processes().LogPath(each.Name), c.processes().Tail(each.Name, logTail))
}

// furnish puts the image of sandboxes into containerd and the objects into the cluster. The
// parts of the node need both.
func (c *Cluster) furnish(ctx context.Context) error {
	if err := c.importPause(ctx); err != nil {
		return err
	}
	var last error
	err := process.Await(ctx, startLimit, func() (bool, error) {
		// A new API server makes the namespaces a moment after it is ready.
		_, last = c.kubectl(ctx, objects, "apply", "--server-side", "--force-conflicts", "-f", "-")
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("put the cluster's own objects into it: %w", errors.Join(err, last))
	}
	return nil
}

// importPause puts the image of pod sandboxes into containerd, unless it has it.
func (c *Cluster) importPause(ctx context.Context) error {
	if c.hasPause(ctx) == nil {
		return nil
	}
	archive := c.path("pause.tar")
	if err := image.WriteStatic(archive, c.pauseImage(), c.binaries["pause"]); err != nil {
		return fmt.Errorf("make the image of sandboxes: %w", err)
	}
	if err := c.ctr(ctx, "images", "import", archive); err != nil {
		return err
	}
	return c.hasPause(ctx)
}

// hasPause fails if containerd does not have the image; to label it is how ctr asks for exactly one.
func (c *Cluster) hasPause(ctx context.Context) error {
	return c.ctr(ctx, "images", "label", c.pauseImage(), "devcluster=pause")
}

// Down takes the cluster away, however it ended. Caches stay.
func (c *Cluster) Down(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for _, each := range slices.Backward(c.parts()) {
		if err := c.processes().Kill(ctx, each.Name); err != nil {
			return err
		}
	}
	leftovers := host.Leftovers{Dir: c.Dir, Link: nodeLink, Network: network, Programs: programs(), Kernel: c.kernel()}
	if err := leftovers.Clear(ctx); err != nil {
		return err
	}
	c.sayf("down; built programs and the registry's content stay in %s", c.Builder.Cache)
	return nil
}

// Status writes a line for each part and reports whether all are up.
func (c *Cluster) Status(ctx context.Context, to io.Writer) (bool, error) {
	var err error
	if c.binaries, err = c.Builder.Paths(allBinaries()); err != nil {
		return false, err
	}
	all := true
	for _, each := range c.parts() {
		state := "up"
		switch {
		case !c.processes().Alive(each.Name):
			state = "does not run"
		case each.up != nil:
			if err := each.up(ctx); err != nil {
				state = "runs, but is not up: " + err.Error()
			}
		}
		all = all && state == "up"
		if _, err := fmt.Fprintf(to, "%-24s %s\n", each.Name, state); err != nil {
			return false, err
		}
	}
	return all, nil
}

// lock makes sure that one process at a time brings the cluster up or takes it away.
func (c *Cluster) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(c.Builder.Cache, 0o755); err != nil {
		return nil, fmt.Errorf("make the cache: %w; DPI_CACHE names another place", err)
	}
	lock := flock.New(filepath.Join(c.Builder.Cache, "devcluster.lock"))
	if free, err := lock.TryLock(); err == nil && !free {
		c.sayf("another up or down is at work, waiting")
	}
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("wait for another up or down: %w", err)
	}
	return func() { _ = lock.Unlock() }, nil
}

func (c *Cluster) sayf(format string, args ...any) {
	_, _ = fmt.Fprintf(c.Builder.Log, "devcluster: "+format+"\n", args...)
}
