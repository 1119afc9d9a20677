package demo

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Settings say where the demo runs.
type Settings struct {
	// Out receives what people read.
	Out io.Writer
	// Existing uses the cluster of Kubeconfig and builds none.
	Existing bool
	// Kubeconfig of the cluster; set by the first step where the demo makes its own.
	Kubeconfig string
	// PushRegistry is where images and charts are pushed from this machine.
	PushRegistry string
	// PullRegistry is the name of the same registry in the cluster.
	PullRegistry string
	// Root is the project's folder.
	Root string
	// Cache holds tools and images between runs.
	Cache string
}

// SettingsFromEnvironment reads CLUSTER, KUBECONFIG, REGISTRY, PULL_REGISTRY and DPI_CACHE.
func SettingsFromEnvironment(out io.Writer) (Settings, error) {
	root, err := projectRoot()
	if err != nil {
		return Settings{}, err
	}
	settings := Settings{
		Out: out, Root: root, Cache: cacheRoot(),
		PushRegistry: "127.0.0.1:5000", PullRegistry: "registry.devcluster:5000",
	}
	switch choice := os.Getenv("CLUSTER"); choice {
	case "":
		return settings, nil
	case "existing":
	default:
		return Settings{}, fmt.Errorf("CLUSTER=%s is not known; leave it out, or say CLUSTER=existing", choice)
	}
	settings.Existing = true
	settings.Kubeconfig = os.Getenv("KUBECONFIG")
	settings.PushRegistry = os.Getenv("REGISTRY")
	settings.PullRegistry = os.Getenv("PULL_REGISTRY")
	if settings.PullRegistry == "" {
		settings.PullRegistry = settings.PushRegistry
	}
	if settings.Kubeconfig == "" || settings.PushRegistry == "" {
		return Settings{}, errors.New("CLUSTER=existing needs KUBECONFIG (the cluster) and REGISTRY (host:port that you can push to and the cluster can pull from)")
	}
	return settings, nil
}

func projectRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "hack", "devcluster")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("run this inside the project's folder")
		}
		dir = parent
	}
}

func cacheRoot() string {
	if dir := os.Getenv("DPI_CACHE"); dir != "" {
		return dir
	}
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	return filepath.Join(base, "dpi-operator")
}
