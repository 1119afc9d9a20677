package host

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/cgroups"
	cgroupsv1 "github.com/opencontainers/cgroups/fs"
	cgroupsv2 "github.com/opencontainers/cgroups/fs2"
)

const cgroupMount = "/sys/fs/cgroup"

// MakeCgroup makes the cgroup below which a kubelet keeps its pods, in whichever hierarchies the machine has. With a
// cgroup of its own, a cluster can end what it started and nothing else. The name has no slash; a cgroup that exists is
// left as it is.
func MakeCgroup(name string) error {
	config := &cgroups.Cgroup{Path: "/" + name, Resources: &cgroups.Resources{SkipDevices: true}}
	manager, err := cgroupManager(config)
	if err != nil {
		return fmt.Errorf("find the cgroups of this machine: %w", err)
	}
	// -1 stands for no process: the cgroup is made, and nothing is moved into it.
	if err := manager.Apply(-1); err != nil {
		return fmt.Errorf("make the cgroup %s: %w; a container that may not make cgroups cannot be a node", config.Path, err)
	}
	return nil
}

func cgroupManager(config *cgroups.Cgroup) (cgroups.Manager, error) {
	if cgroups.IsCgroup2UnifiedMode() {
		return cgroupsv2.NewManager(config, filepath.Join(cgroupMount, config.Path))
	}
	return cgroupsv1.NewManager(config, nil)
}

// cgroupDirs are the directories of a cgroup and those below it in every hierarchy, deepest first.
func cgroupDirs(mount, name string) []string {
	roots, _ := filepath.Glob(filepath.Join(mount, "*", name))
	var dirs []string
	for _, root := range append(roots, filepath.Join(mount, name)) {
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

func cgroupProcesses(mount, name string) []int {
	var pids []int
	for _, dir := range cgroupDirs(mount, name) {
		data, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(data)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 1 {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func removeCgroup(mount, name string) error {
	for _, dir := range cgroupDirs(mount, name) {
		if err := os.Remove(dir); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("remove the cgroup %s: %w; run `down` again", dir, err)
		}
	}
	return nil
}
