package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	endLimit = 15 * time.Second
	endPoll  = 100 * time.Millisecond
)

// endProcesses ends all that is left of the cluster: its programs whose records were lost, shims, and containers. What
// ends may start something at the last moment, hence the repetition.
func (l Leftovers) endProcesses(ctx context.Context) error {
	deadline := time.Now().Add(endLimit)
	for {
		pids := l.processes()
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v do not end; look at what holds them with ps, then run `down` again", pids)
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("end process %d: %w", pid, err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(endPoll):
		}
	}
}

// processes lists what belongs to the cluster, without the dead that wait for their parents.
func (l Leftovers) processes() []int {
	running := scan()
	pids := cgroupProcesses(cgroupMount, l.cgroup())
	for pid, each := range running {
		if l.owns(each.arguments) {
			pids = append(append(pids, pid), descendants(running, pid)...)
		}
	}
	slices.Sort(pids)
	pids = slices.Compact(pids)
	return slices.DeleteFunc(pids, func(pid int) bool {
		each, ok := running[pid]
		return !ok || each.zombie
	})
}

// owns reports whether a command line is that of one of the cluster's programs: its program is known, and one of its
// arguments is a path below the cluster's directory. Others, such as an editor with a file of the cluster, are not.
func (l Leftovers) owns(arguments []string) bool {
	if len(arguments) == 0 || !slices.Contains(l.Programs, filepath.Base(arguments[0])) {
		return false
	}
	return slices.ContainsFunc(arguments[1:], func(argument string) bool {
		if strings.HasPrefix(argument, "-") {
			_, argument, _ = strings.Cut(argument, "=")
		}
		return strings.HasPrefix(argument, l.Dir+"/")
	})
}

// running is a process as /proc shows it.
type running struct {
	parent    int
	zombie    bool
	arguments []string
}

// scan reads all processes. Those that end meanwhile are left out.
func scan() map[int]running {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	found := make(map[int]running, len(entries))
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		status, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "stat"))
		if err != nil {
			continue
		}
		commandLine, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		if err != nil {
			continue
		}
		if each, ok := parse(string(status), string(commandLine)); ok {
			found[pid] = each
		}
	}
	return found
}

// parse reads the state and the parent, fields 3 and 4 of a status; the name in field 2 may hold anything.
func parse(status, commandLine string) (running, bool) {
	fields := strings.Fields(status[strings.LastIndexByte(status, ')')+1:])
	if len(fields) < 2 {
		return running{}, false
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return running{}, false
	}
	arguments := strings.Split(strings.TrimSuffix(commandLine, "\x00"), "\x00")
	return running{parent: parent, zombie: fields[0] == "Z", arguments: arguments}, true
}

// descendants are the children of a process, and theirs. A container's first process is a child of its shim.
func descendants(running map[int]running, ancestor int) []int {
	var found []int
	for pid, each := range running {
		if each.parent == ancestor && pid != ancestor {
			found = append(append(found, pid), descendants(running, pid)...)
		}
	}
	return found
}
