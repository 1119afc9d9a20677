package servertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	startTimeout = 3 * time.Minute
	pollInterval = 50 * time.Millisecond
	// unprivileged is `nobody`.
	unprivileged = 65534
)

// Spec says how to run a server.
type Spec struct {
	// Name for people.
	Name string
	// Command with its arguments.
	Command []string
	// Env is added to the environment of the test.
	Env []string
	// Dir is the working directory.
	Dir string
	// Unprivileged runs it as `nobody` where the tests are root: some servers refuse to run as root. It cannot read what is
	// root's then, such as the cache.
	Unprivileged bool
	// Stop is the signal that ends it in an orderly way; 0 means SIGTERM.
	Stop syscall.Signal
	// Ready returns nil once the server can be used.
	Ready func(ctx context.Context) error
}

// Server is a running server.
type Server struct {
	spec    Spec
	process *os.Process
	ended   chan struct{}
	log     *lockedBuffer
}

// lockedBuffer is written by the process's copier and read when something failed.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Start starts the server and returns once it is ready.
func Start(ctx context.Context, spec Spec) (*Server, error) {
	s := &Server{spec: spec, log: &lockedBuffer{}, ended: make(chan struct{})}
	// The server outlives the context it was started in; Stop ends it.
	command := s.command(context.WithoutCancel(ctx))
	started := make(chan error)
	go func() {
		// The kernel ends the server with the thread that started it, so that a test binary that dies leaves none behind.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(s.ended)
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w; run `make prerequisites`", spec.Name, err)
	}
	s.process = command.Process
	if err := s.awaitReady(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// Run runs a program to its end, and returns what it wrote.
func Run(ctx context.Context, spec Spec) (string, error) {
	s := &Server{spec: spec, log: &lockedBuffer{}}
	if err := s.command(ctx).Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", spec.Name, err, s.log)
	}
	return s.log.String(), nil
}

// Log is what the server wrote so far.
func (s *Server) Log() string { return s.log.String() }

// Stop ends the server. Its directory stays.
func (s *Server) Stop() error {
	signal := s.spec.Stop
	if signal == 0 {
		signal = syscall.SIGTERM
	}
	if err := s.process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", s.spec.Name, err)
	}
	<-s.ended
	return nil
}

func (s *Server) command(ctx context.Context) *exec.Cmd {
	command := exec.CommandContext(ctx, s.spec.Command[0], s.spec.Command[1:]...) //nolint:gosec // tests name their servers themselves
	command.Dir, command.Stdout, command.Stderr = s.spec.Dir, s.log, s.log
	command.Env = append(os.Environ(), s.spec.Env...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if s.spec.Unprivileged && os.Geteuid() == 0 {
		command.SysProcAttr.Credential = &syscall.Credential{Uid: unprivileged, Gid: unprivileged}
	}
	return command
}

func (s *Server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := s.spec.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("%s ended while it started: %s", s.spec.Name, s.Log())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %s: %w: %s", s.spec.Name, startTimeout, err, s.Log())
		case <-ticker.C:
		}
	}
}

// Dir makes a directory that every server may write to. The caller removes it.
func Dir(name string) (string, error) {
	dir, err := os.MkdirTemp("", name+"-")
	if err != nil {
		return "", fmt.Errorf("make a directory for %s: %w", name, err)
	}
	return dir, own(dir)
}

// own gives a file or directory to `nobody`, for servers that run as such.
func own(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(path, unprivileged, unprivileged)
}

// Port returns one of the loopback interface that is free.
func Port() (int32, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a port: %w", err)
	}
	defer func() { _ = listener.Close() }()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("find a port: %s is no TCP address", listener.Addr())
	}
	return int32(address.Port), nil //nolint:gosec // ports are below 65536
}

// Address is that of a port.
func Address(port int32) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))) }

// Accepts returns a condition for Spec.Ready: the port takes connections.
func Accepts(port int32) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", Address(port))
		if err != nil {
			return err
		}
		return conn.Close()
	}
}
