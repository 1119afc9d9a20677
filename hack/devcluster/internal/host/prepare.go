package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// packages the node needs from the distribution, by the program each brings.
var packages = []struct{ program, name string }{
	{"/usr/bin/containerd", "containerd"},
	{"/usr/sbin/runc", "runc"},
	{"/usr/lib/cni/ptp", "containernetworking-plugins"},
	{"/usr/sbin/nft", "nftables"},
	{"/usr/sbin/iptables", "iptables"},
	{"/usr/sbin/conntrack", "conntrack"},
	{"/usr/sbin/ip", "iproute2"},
	{"/usr/bin/mount", "mount"},
}

// Install brings in what is missing from the distribution.
func Install(ctx context.Context, log io.Writer) error {
	if os.Geteuid() != 0 {
		return errors.New("a node needs root; run as root, or use CLUSTER=existing")
	}
	var missing []string
	for _, each := range packages {
		if _, err := os.Stat(each.program); err != nil {
			missing = append(missing, each.name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, _ = fmt.Fprintf(log, "devcluster: installing %s\n", strings.Join(missing, ", "))
	if err := Run(ctx, "apt-get", "update", "-qq"); err != nil {
		return err
	}
	return Run(ctx, "apt-get", append([]string{"install", "-y", "-qq", "--no-install-recommends"}, missing...)...)
}

// Run runs a program; what it says is part of the error.
func Run(ctx context.Context, name string, args ...string) error {
	command := exec.CommandContext(ctx, name, args...)
	command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Link makes sure the bridge with the node's address exists, is up, and leads to the services. Packets to services are
// redirected before they leave the machine, but only if there is a route at all: a machine without a network has none.
func Link(ctx context.Context, name, address, services string) error {
	if !succeeds(ctx, "ip", "link", "show", "dev", name) {
		if err := Run(ctx, "ip", "link", "add", name, "type", "bridge"); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"addr", "replace", address + "/32", "dev", name},
		{"link", "set", name, "up"},
		{"route", "replace", services, "dev", name, "src", address},
	} {
		if err := Run(ctx, "ip", args...); err != nil {
			return err
		}
	}
	return nil
}
