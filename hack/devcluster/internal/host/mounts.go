package host

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/moby/sys/mountinfo"
)

// unmount takes away all mounts below the cluster's directory, and fails if one stays: to remove a directory is to
// remove what is mounted there, which may be anyone's.
func (l Leftovers) unmount() error {
	mounts, err := l.mounts()
	if err != nil {
		return err
	}
	for _, point := range mounts {
		if err := syscall.Unmount(point, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOENT) {
			return fmt.Errorf("unmount %s: %w", point, err)
		}
	}
	if mounts, err = l.mounts(); err != nil {
		return err
	}
	if len(mounts) > 0 {
		return fmt.Errorf("%s is still mounted; end what uses it (fuser -m shows it), then run `down` again", mounts[0])
	}
	return nil
}

func (l Leftovers) mounts() ([]string, error) {
	table, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list the mounts: %w", err)
	}
	defer func() { _ = table.Close() }()
	return mountsBelow(table, l.Dir)
}

// mountsBelow lists the mount points below a directory in the text of a mountinfo file, the newest first.
func mountsBelow(text io.Reader, dir string) ([]string, error) {
	mounts, err := mountinfo.GetMountsFromReader(text, func(mount *mountinfo.Info) (skip, stop bool) {
		return !strings.HasPrefix(mount.Mountpoint, dir+"/"), false
	})
	if err != nil {
		return nil, fmt.Errorf("list the mounts: %w", err)
	}
	points := make([]string, 0, len(mounts))
	for _, mount := range slices.Backward(mounts) {
		points = append(points, mount.Mountpoint)
	}
	return points, nil
}
