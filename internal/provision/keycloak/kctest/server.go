package kctest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/postgresql"
	"github.com/dpi-operator/dpi-operator/internal/provision/postgresql/pgtest"
)

const (
	// Username is the admin's.
	Username = "operator-admin"
	// Password is the admin's. The server listens on the loopback interface for the length of a test.
	Password = "of-a-keycloak-that-lives-for-one-test" //nolint:gosec // see above

	homeVariable = "KEYCLOAK_HOME"
	database     = "identity"
	startTimeout = 5 * time.Minute
	pollInterval = 250 * time.Millisecond
)

// Server is a running Keycloak.
type Server struct {
	// URL is where it listens and what it calls itself.
	URL string

	store   *pgtest.Server
	dir     string
	command *exec.Cmd
	ended   chan struct{}
	log     *lockedBuffer
}

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

// Start starts the server on a database that the PostgreSQL provisioner makes. The error says how to get what is missing.
func Start(ctx context.Context) (*Server, error) {
	home := os.Getenv(homeVariable)
	if _, err := os.Stat(filepath.Join(home, "bin", "kc.sh")); home == "" || err != nil { //nolint:gosec // who runs the tests says where it is
		return nil, fmt.Errorf("%s does not name a Keycloak distribution: run `make test`, or set it to what internal/provision/keycloak/kctest/home.sh prints", homeVariable)
	}
	store, err := pgtest.Start(ctx)
	if err != nil {
		return nil, err
	}
	s := &Server{store: store, log: &lockedBuffer{}}
	if err := s.start(ctx, home); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close stops the server and its database.
func (s *Server) Close() error {
	var failures []error
	if s.ended != nil {
		if err := s.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			failures = append(failures, fmt.Errorf("stop Keycloak: %w", err))
		}
		<-s.ended
	}
	return errors.Join(append(failures, s.store.Close(), os.RemoveAll(s.dir))...)
}

func (s *Server) start(ctx context.Context, home string) error {
	login, err := makeDatabase(ctx, s.store)
	if err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "kctest-"); err != nil {
		return fmt.Errorf("make a directory for Keycloak: %w", err)
	}
	ports, err := freePorts()
	if err != nil {
		return err
	}
	s.URL = fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	// The server outlives the context it was started in; Close ends it.
	s.command = exec.CommandContext(context.WithoutCancel(ctx), "java", //nolint:gosec // as above
		"-Xms64m", "-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Djava.io.tmpdir="+s.dir, "-Djava.util.logging.manager=org.jboss.logmanager.LogManager", "-Dkc.home.dir="+home,
		"-cp", filepath.Join(home, "lib", "quarkus-run.jar"), "io.quarkus.bootstrap.runner.QuarkusEntryPoint", "start", "--optimized")
	s.command.Dir, s.command.Stdout, s.command.Stderr = s.dir, s.log, s.log
	s.command.Env = append(os.Environ(),
		fmt.Sprintf("KC_DB_URL=jdbc:postgresql://127.0.0.1:%d/%s", s.store.Port, database),
		"KC_DB_USERNAME="+login.Request.Outputs["username"], "KC_DB_PASSWORD="+login.Credentials["password"],
		"KC_BOOTSTRAP_ADMIN_USERNAME="+Username, "KC_BOOTSTRAP_ADMIN_PASSWORD="+Password,
		"KC_HTTP_ENABLED=true", "KC_HTTP_HOST=127.0.0.1", fmt.Sprintf("KC_HTTP_PORT=%d", ports[0]),
		fmt.Sprintf("KC_HTTP_MANAGEMENT_PORT=%d", ports[1]), "KC_HOSTNAME="+s.URL, "KC_DB_POOL_MAX_SIZE=10")
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.launch(); err != nil {
		return err
	}
	return s.awaitReady(ctx, fmt.Sprintf("http://127.0.0.1:%d/health/ready", ports[1]))
}

func (s *Server) launch() error {
	started, ended := make(chan error), make(chan struct{})
	go func() {
		// The kernel ends the server with the thread that started it, so that a test binary that dies leaves none behind.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := s.command.Start()
		started <- err
		if err == nil {
			_ = s.command.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start Keycloak: %w", err)
	}
	s.ended = ended
	return nil
}

func (s *Server) awaitReady(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
		if err != nil {
			return fmt.Errorf("ask whether Keycloak is ready: %w", err)
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.ended:
			return fmt.Errorf("start Keycloak: it ended: %s", s.log)
		case <-ctx.Done():
			return fmt.Errorf("start Keycloak: it is not ready after %s: %s", startTimeout, s.log)
		case <-ticker.C:
		}
	}
}

// makeDatabase asks for what Keycloak's catalogue entry asks for.
func makeDatabase(ctx context.Context, store *pgtest.Server) (provision.Task, error) {
	task := provision.Task{
		Request: provision.Request{
			APIVersion: provision.APIVersion, Contract: "postgresql-v1", Endpoint: provision.Endpoint{Host: "127.0.0.1", Port: store.Port},
			Binding: provision.Binding{UID: "uid-of-identity", Namespace: "health", Name: "identity-database"},
			Outputs: map[string]string{"database": database, "username": database + "_a"},
		},
		Admin:       provision.Secrets{"username": pgtest.Username, "password": pgtest.Password},
		Credentials: provision.Secrets{"password": "of-its-database"},
	}
	if _, err := (postgresql.Server{}).Provision(ctx, task); err != nil {
		return task, fmt.Errorf("make Keycloak's database: %w", err)
	}
	if _, err := (postgresql.Server{}).Verify(ctx, task); err != nil {
		return task, fmt.Errorf("prove Keycloak's database: %w", err)
	}
	return task, nil
}

// freePorts returns one for users and one for health.
func freePorts() ([2]int, error) {
	var ports [2]int
	for i := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return ports, fmt.Errorf("find a port: %w", err)
		}
		defer func() { _ = listener.Close() }()
		address, ok := listener.Addr().(*net.TCPAddr)
		if !ok {
			return ports, fmt.Errorf("find a port: %s is no TCP address", listener.Addr())
		}
		ports[i] = address.Port
	}
	return ports, nil
}
