package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// Username is the superuser's.
	Username = "postgres"
	// Password is the superuser's. The server listens on the loopback interface for the length of a test.
	Password = "of-a-server-that-lives-for-one-test"

	startTimeout = 60 * time.Second
	pollInterval = 20 * time.Millisecond
)

// Server is a running server.
type Server struct {
	// Port on 127.0.0.1.
	Port int32

	dir     string
	bin     string
	as      *syscall.Credential
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

// Start makes a new cluster and starts its server. The error says how to install what is missing.
func Start(ctx context.Context) (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	as, err := account()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for PostgreSQL: %w", err)
	}
	s := &Server{dir: dir, bin: bin, as: as, log: &lockedBuffer{}}
	if err := s.initialise(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.Restart(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// Log is what the server and its tools wrote so far.
func (s *Server) Log() string { return s.log.String() }

// Close stops the server and removes its data.
func (s *Server) Close() error {
	return errors.Join(s.Stop(), os.RemoveAll(s.dir))
}

// Stop ends the server and keeps its data.
func (s *Server) Stop() error {
	if s.process == nil {
		return nil
	}
	// SIGINT is PostgreSQL's fast shutdown.
	if err := s.process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	<-s.ended
	s.process = nil
	return nil
}

// Restart starts the server, on the same port after the first time, and returns once it takes connections.
func (s *Server) Restart(ctx context.Context) error {
	if s.Port == 0 {
		port, err := freePort()
		if err != nil {
			return err
		}
		s.Port = port
	}
	// The server outlives the context it was started in; Close ends it.
	command := s.command(context.WithoutCancel(ctx), "postgres", "-D", s.data(), "-p", strconv.Itoa(int(s.Port)),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "full_page_writes=off",
		"-c", "synchronous_commit=off", "-c", "shared_buffers=32MB", "-c", "max_connections=40", "-c", "log_statement=ddl")
	started := make(chan error)
	ended := make(chan struct{})
	go func() {
		// The kernel ends the server with the thread that started it, so that a test binary that dies leaves none behind.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	s.process, s.ended = command.Process, ended
	return s.awaitReady(ctx)
}

func (s *Server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		ready := exec.CommandContext(ctx, filepath.Join(s.bin, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", strconv.Itoa(int(s.Port))) //nolint:gosec // the distribution's own program
		if ready.Run() == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("PostgreSQL ended while it started: %s", s.Log())
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("PostgreSQL did not start within %s: %s", startTimeout, s.Log()), s.Stop())
		case <-ticker.C:
		}
	}
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) initialise(ctx context.Context) error {
	passwordFile := filepath.Join(s.dir, "password")
	if err := os.WriteFile(passwordFile, []byte(Password), 0o600); err != nil {
		return fmt.Errorf("prepare PostgreSQL: %w", err)
	}
	if s.as != nil {
		for _, path := range []string{s.dir, passwordFile} {
			if err := os.Chown(path, int(s.as.Uid), int(s.as.Gid)); err != nil {
				return fmt.Errorf("prepare PostgreSQL: %w", err)
			}
		}
	}
	command := s.command(ctx, "initdb", "-D", s.data(), "-U", Username, "--pwfile="+passwordFile, "--auth-host=scram-sha-256",
		"--auth-local=reject", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")
	if err := command.Run(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, s.Log())
	}
	return nil
}

func (s *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, filepath.Join(s.bin, program), args...) //nolint:gosec // the distribution's own programs
	command.Dir, command.Stdout, command.Stderr = s.dir, s.log, s.log
	command.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Pdeathsig: syscall.SIGQUIT}
	return command
}

// programs finds the newest server the distribution has installed.
func programs() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		return "", errors.New("PostgreSQL is not installed: run `make test`, which installs the package postgresql-15")
	}
	return filepath.Dir(found[len(found)-1]), nil
}

// account is whom the server runs as: it refuses to run as root.
func account() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	found, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root and there is no user for it: run `make test`, which installs the package postgresql-15: %w", err)
	}
	uid, err := strconv.ParseUint(found.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("the user postgres has a strange id: %w", err)
	}
	gid, err := strconv.ParseUint(found.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("the group of the user postgres has a strange id: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func freePort() (int32, error) {
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
