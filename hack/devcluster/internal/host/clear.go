package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Leftovers says what belongs to a cluster and is to be cleared from the machine.
type Leftovers struct {
	// Dir holds the cluster's state; mounts below it and shims that name it are the cluster's.
	Dir string
	// Link is the node's bridge.
	Link string
}

// Clear ends every container and shim, and takes mounts, links, packet filter rules and the state away. It works however
// the cluster ended. Nothing to clear is no error.
func (l Leftovers) Clear(ctx context.Context) error {
	if err := l.killContainers(ctx); err != nil {
		return err
	}
	if err := l.unmount(); err != nil {
		return err
	}
	removeCgroups()
	for _, table := range []string{"ip", "ip6"} {
		if Run(ctx, "nft", "list", "table", table, "kube-proxy") == nil {
			if err := Run(ctx, "nft", "delete", "table", table, "kube-proxy"); err != nil {
				return err
			}
		}
	}
	if Run(ctx, "ip", "link", "show", "dev", l.Link) == nil {
		if err := Run(ctx, "ip", "link", "delete", l.Link); err != nil {
			return err
		}
	}
	return os.RemoveAll(l.Dir)
}

// killContainers ends the shims of this cluster's containerd and everything that runs in the node's pod cgroups.
func (l Leftovers) killContainers(ctx context.Context) error {
	deadline := time.Now().Add(15 * time.Second)
	for {
		pids := append(podProcesses(), l.shims()...)
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes of pods do not end", len(pids))
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("end process %d: %w", pid, err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// podCgroups are the folders of the kubelet's pods in every hierarchy, deepest first.
func podCgroups() []string {
	roots, _ := filepath.Glob("/sys/fs/cgroup/*/kubepods")
	roots = append(roots, "/sys/fs/cgroup/kubepods")
	var dirs []string
	for _, root := range roots {
		_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
	}
	slices.SortFunc(dirs, func(a, b string) int { return len(b) - len(a) })
	return dirs
}

func podProcesses() []int {
	seen := map[int]bool{}
	var pids []int
	for _, dir := range podCgroups() {
		data, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(data)) {
			pid, err := strconv.Atoi(field)
			if err == nil && !seen[pid] && !isZombie(pid) {
				seen[pid] = true
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func removeCgroups() {
	for _, dir := range podCgroups() {
		_ = os.Remove(dir)
	}
}

// shims are the processes that containerd leaves in charge of containers; each names its containerd's socket.
func (l Leftovers) shims() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		data, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		if err == nil && isShimOf(string(data), l.Dir) && !isZombie(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func isShimOf(commandLine, dir string) bool {
	arguments := strings.Split(commandLine, "\x00")
	if !strings.HasPrefix(filepath.Base(arguments[0]), "containerd-shim") {
		return false
	}
	return slices.ContainsFunc(arguments, func(argument string) bool { return strings.HasPrefix(argument, dir+"/") })
}

func isZombie(pid int) bool {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	return strings.HasPrefix(rest, "Z")
}

func (l Leftovers) unmount() error {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for _, point := range mountsBelow(string(data), l.Dir) {
		if err := syscall.Unmount(point, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOENT) {
			return fmt.Errorf("unmount %s: %w", point, err)
		}
	}
	return nil
}

// mountsBelow lists the mount points below a folder, the newest first.
func mountsBelow(mountinfo, dir string) []string {
	var points []string
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		// The kernel writes a space in a path as \040.
		point := strings.ReplaceAll(fields[4], `\040`, " ")
		if strings.HasPrefix(point, dir+"/") {
			points = append(points, point)
		}
	}
	slices.Reverse(points)
	return points
}
