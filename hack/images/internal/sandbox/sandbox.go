package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/dpi-operator/dpi-operator/hack/images/internal/command"
)

// stopWait is how long a program may take to end by itself after it was asked to, before it is killed.
const stopWait = 60 * time.Second

// Sandbox is a directory with the files of an image.
type Sandbox struct {
	root string
	uid  int
}

// Opener opens a layer's tar stream.
type Opener func() (io.ReadCloser, error)

// New unpacks the layers, the lowest first, into the directory, which must exist and be empty. Programs will run as the
// numeric user and group.
func New(ctx context.Context, dir string, uid int, layers []Opener) (*Sandbox, error) {
	for _, open := range layers {
		if err := unpack(ctx, dir, open); err != nil {
			return nil, err
		}
	}
	for _, mountPoint := range []string{"proc", "dev", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, mountPoint), 0o755); err != nil {
			return nil, err
		}
	}
	return &Sandbox{dir, uid}, nil
}

func unpack(ctx context.Context, dir string, open Opener) (err error) {
	stream, err := open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	cmd := exec.CommandContext(ctx, "tar", "--extract", "--numeric-owner", "--same-owner", "--same-permissions",
		"--keep-directory-symlink", "--directory", dir)
	cmd.Stdin = stream
	if err := command.Run(cmd); err != nil {
		return fmt.Errorf("cannot unpack a layer: %w", err)
	}
	return nil
}

// Root is the sandbox's directory, seen from outside.
func (s *Sandbox) Root() string { return s.root }

// GiveAway makes the directory inside the sandbox and makes the sandbox's user the owner of it and of everything in it.
func (s *Sandbox) GiveAway(path string) error {
	dir := filepath.Join(s.root, path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(name, s.uid, s.uid))
	})
}

// enter mounts what programs expect and changes the root. It ends in exec, so that signals reach the program itself.
// Standard input is a lifeline: it ends when the caller does, however that comes about, and then the program ends too.
const enter = `root=$1 user=$2; shift 2
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
exec 3<&0 </dev/null
{ cat <&3; kill -KILL $$; } >/dev/null 2>&1 &
exec 3<&-
exec /usr/sbin/chroot --userspec="$user:$user" --groups= "$root" "$@"`

// Command prepares a program inside the sandbox with exactly the given environment. When the context ends it is asked to stop, and killed if
// it does not.
func (s *Sandbox) Command(ctx context.Context, argv, env []string) (*exec.Cmd, error) {
	user := strconv.Itoa(s.uid)
	args := append([]string{"--mount", "sh", "-e", "-c", enter, "sandbox", s.root, user}, argv...)
	cmd := exec.CommandContext(ctx, "unshare", args...)
	cmd.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp"}, env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopWait
	// Nothing is ever written to the pipe; Wait closes it.
	_, err := cmd.StdinPipe()
	return cmd, err
}

// Run runs a program inside the sandbox to its end.
func (s *Sandbox) Run(ctx context.Context, argv, env []string) error {
	cmd, err := s.Command(ctx, argv, env)
	if err != nil {
		return err
	}
	return command.Run(cmd)
}
