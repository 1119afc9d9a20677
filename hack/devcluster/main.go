// Command devcluster runs a real single-node Kubernetes on this machine, for the demo and the tests.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/build"
	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/cluster"
)

const usage = `usage: devcluster up|down|status|assets|kubeconfig

  up          bring the cluster up, or repair it
  down        take it away; what was built stays in the cache
  status      list its processes; exits 1 if one does not run
  assets      build etcd, kube-apiserver and kubectl and print their folder, for KUBEBUILDER_ASSETS
  kubeconfig  print the path of the administrator's kubeconfig

environment: DEVCLUSTER_DIR (state, default /var/lib/dpi-devcluster), DPI_CACHE (default <user cache>/dpi-operator)`

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, usage)
		return 2
	}
	c, err := newCluster()
	if err == nil {
		err = command(ctx, c, os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "devcluster:", err)
		return 1
	}
	return 0
}

func command(ctx context.Context, c *cluster.Cluster, name string) error {
	switch name {
	case "up":
		return c.Up(ctx)
	case "down":
		return c.Down(ctx)
	case "status":
		up, err := c.Status(ctx, os.Stdout)
		if err == nil && !up {
			err = errors.New("not up; run `up`")
		}
		return err
	case "assets":
		dir, err := c.Assets(ctx)
		if err == nil {
			_, err = fmt.Fprintln(os.Stdout, dir)
		}
		return err
	case "kubeconfig":
		_, err := fmt.Fprintln(os.Stdout, c.Kubeconfig())
		return err
	default:
		return fmt.Errorf("%q is not known\n%s", name, usage)
	}
}

func newCluster() (*cluster.Cluster, error) {
	_, source, _, ok := runtime.Caller(0)
	if !ok {
		return nil, errors.New("run it with `go run .` in its folder")
	}
	cache := os.Getenv("DPI_CACHE")
	if cache == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil, err
		}
		cache = filepath.Join(base, "dpi-operator")
	}
	dir := os.Getenv("DEVCLUSTER_DIR")
	if dir == "" {
		dir = "/var/lib/dpi-devcluster"
	}
	return &cluster.Cluster{
		Dir:     dir,
		Builder: build.Builder{Sources: filepath.Dir(source), Cache: cache, Log: os.Stderr},
	}, nil
}
