package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/host"
)

// maxDir keeps the sockets below the cluster's folder within what the kernel allows for the path of a socket.
const maxDir = 64

// plainPath has nothing that one of the configuration languages would take for anything but a part of a path.
var plainPath = regexp.MustCompile(`^(/[A-Za-z0-9_-][A-Za-z0-9._-]*){2,}$`)

// check refuses what cannot work before anything is changed.
func (c *Cluster) check() error {
	if os.Geteuid() != 0 {
		return errors.New("a node needs root; run it as root, or use CLUSTER=existing")
	}
	if len(c.Dir) > maxDir || !plainPath.MatchString(c.Dir) {
		return fmt.Errorf("%q cannot be the state folder; set DEVCLUSTER_DIR to an absolute path of at most %d characters, "+
			"two levels deep or more, of letters, digits, '.', '_' and '-'", c.Dir, maxDir)
	}
	return nil
}

// prepare makes all that processes need before they start, and returns the configuration files.
func (c *Cluster) prepare(ctx context.Context) (map[string]string, error) {
	if err := host.Claim(c.Dir); err != nil {
		return nil, err
	}
	if err := c.folders(); err != nil {
		return nil, err
	}
	if err := c.forgetLastBoot(); err != nil {
		return nil, err
	}
	if err := c.kernel().Remember(); err != nil {
		return nil, err
	}
	if err := c.kernel().Forward(); err != nil {
		return nil, err
	}
	if err := host.Link(ctx, nodeLink, NodeAddress, serviceRange); err != nil {
		return nil, err
	}
	if err := host.MakeCgroup(c.cgroup()); err != nil {
		return nil, err
	}
	if err := c.certify(); err != nil {
		return nil, err
	}
	files, err := c.files()
	if err != nil {
		return nil, err
	}
	return files, c.writeFiles(files)
}

// folders are closed to other users: there are secrets in volumes and logs.
func (c *Cluster) folders() error {
	for _, dir := range []string{
		c.path("containerd"), c.path("volumes"), c.path("run"), c.path("logs"), c.path("volume-plugins"),
		filepath.Join(c.Builder.Cache, "registry"),
	} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the folder %s: %w", dir, err)
		}
	}
	return nil
}

func (c *Cluster) certify() error {
	if err := c.pki().Ensure(identities()); err != nil {
		return err
	}
	if err := c.pki().ServiceAccountKey(); err != nil {
		return err
	}
	if err := c.etcdPKI().Ensure(etcdIdentities()); err != nil {
		return err
	}
	for _, client := range clients() {
		if err := c.pki().WriteKubeconfig(c.kubeconfig(client.Name), server, client.Name); err != nil {
			return fmt.Errorf("write the kubeconfig of %s: %w", client.Name, err)
		}
	}
	return nil
}

// forgetLastBoot removes what containerd knows of running containers if the machine was started anew since: it expects
// that to be gone with the processes and mounts.
func (c *Cluster) forgetLastBoot() error {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return fmt.Errorf("tell one boot from another: %w", err)
	}
	current := strings.TrimSpace(string(data))
	record := c.path("boot")
	last, err := os.ReadFile(filepath.Clean(record))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("look up the last boot: %w", err)
	}
	if string(last) == current {
		return nil
	}
	if len(last) > 0 {
		if err := os.RemoveAll(c.path("containerd", "state")); err != nil {
			return fmt.Errorf("forget the containers of the last boot: %w", err)
		}
	}
	return os.WriteFile(record, []byte(current), 0o600)
}
