package himtest

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/provision/servertest"
	"github.com/dpi-operator/dpi-operator/internal/provision/web"
)

const (
	// Username is the admin's.
	Username = "root@openhim.org"
	// Password is the admin's: the one that the product ships with. The server listens on the loopback interface for the length
	// of a test.
	Password = "openhim-password"

	homeVariable = "OPENHIM_HOME"
	startTimeout = 2 * time.Minute
	pollInterval = 200 * time.Millisecond
)

// Server is a running OpenHIM core.
type Server struct {
	// API is the address of its API, Router that for clients.
	API, Router string
	// CA is the authority of the API's certificate, in PEM.
	CA string

	dir     string
	running []*process
}

// process is one that ends with the test.
type process struct {
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

// Start starts the server on an empty store. The error says how to get what is missing.
func Start(ctx context.Context) (*Server, error) {
	home := os.Getenv(homeVariable)
	if _, err := os.Stat(filepath.Join(home, "prepared")); home == "" || err != nil { //nolint:gosec // who runs the tests says where it is
		return nil, fmt.Errorf("%s does not name an OpenHIM core: run `make test`, or set it to what internal/provision/httpupsert/himtest/home.sh prints", homeVariable)
	}
	dir, err := os.MkdirTemp("", "himtest-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for OpenHIM: %w", err)
	}
	s := &Server{dir: dir}
	if err := s.start(ctx, home); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close stops the server and its store.
func (s *Server) Close() error {
	var failures []error
	for _, each := range s.running {
		if err := each.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			failures = append(failures, fmt.Errorf("stop OpenHIM: %w", err))
		}
		<-each.ended
	}
	return errors.Join(append(failures, os.RemoveAll(s.dir))...)
}

func (s *Server) start(ctx context.Context, home string) error {
	ports, err := freePorts(7)
	if err != nil {
		return err
	}
	if s.CA, err = servertest.Certificate(s.dir); err != nil {
		return err
	}
	store, err := s.run(ctx, exec.Command("java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", //nolint:gosec // as above
		"-cp", filepath.Join(home, "store", "*"), filepath.Join(home, "Store.java"), ports[0]))
	if err != nil {
		return err
	}
	if err := store.await(ctx, func() bool { return strings.Contains(store.log.String(), "listening") }); err != nil {
		return err
	}
	core := exec.Command("node", filepath.Join(home, "node_modules", "openhim-core", "lib", "server.js")) //nolint:gosec // as above
	core.Dir = s.dir
	// A metric that it writes before the answer it measures makes it forget to catch an error. On the Node.js that it was written
	// for that is a warning; on later ones its worker ends, amid whatever test is running.
	core.Env = append(os.Environ(), "NODE_OPTIONS=--unhandled-rejections=warn",
		"mongo_url=mongodb://127.0.0.1:"+ports[0]+"/openhim", "mongo_atnaUrl=mongodb://127.0.0.1:"+ports[0]+"/openhim",
		"bindAddress=127.0.0.1", "api_httpsPort="+ports[1], "router_httpPort="+ports[2], "router_httpsPort="+ports[3],
		"rerun_httpPort="+ports[4], "tcpAdapter_httpReceiver_httpPort="+ports[5], "polling_pollingPort="+ports[6],
		"certificateManagement_watchFSForCert=true",
		"certificateManagement_certPath="+filepath.Join(s.dir, servertest.CertificateFile), "certificateManagement_keyPath="+filepath.Join(s.dir, servertest.KeyFile))
	s.API, s.Router = "https://127.0.0.1:"+ports[1], "http://127.0.0.1:"+ports[2]
	running, err := s.run(ctx, core)
	if err != nil {
		return err
	}
	return running.await(ctx, func() bool { return s.Do(ctx, http.MethodGet, "/roles", nil, nil) == nil })
}

// run starts a process that the kernel ends with the thread that started it, so that a test binary that dies leaves none behind.
func (s *Server) run(ctx context.Context, command *exec.Cmd) (*process, error) {
	p := &process{command: command, ended: make(chan struct{}), log: &lockedBuffer{}}
	command.Stdout, command.Stderr = p.log, p.log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	input, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", command.Path, err)
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.ended)
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait()
			_ = input.Close()
		}
	}()
	select {
	case err := <-started:
		if err != nil {
			return nil, fmt.Errorf("start %s: %w", command.Path, err)
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.running = append(s.running, p)
	return p, nil
}

func (p *process) await(ctx context.Context, ready func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for !ready() {
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended: %s", p.command.Path, p.log)
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %s: %s", p.command.Path, startTimeout, p.log)
		case <-ticker.C:
		}
	}
	return nil
}

// Do lets a test look at, or meddle with, the server as its admin. Bodies are JSON; nil means none, or that none is read.
func (s *Server) Do(ctx context.Context, method, path string, body, into any) error {
	client, err := web.NewClient(s.CA)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	var login struct {
		Salt string `json:"salt"`
		TS   string `json:"ts"`
	}
	if err := send(ctx, client, http.MethodGet, s.API+"/authenticate/"+Username, nil, nil, &login); err != nil {
		return err
	}
	headers := map[string]string{
		"auth-username": Username, "auth-ts": login.TS, "auth-salt": login.Salt,
		"auth-token": digest(digest(login.Salt+Password) + login.Salt + login.TS),
	}
	return send(ctx, client, method, s.API+path, headers, body, into)
}

func digest(text string) string {
	sum := sha512.Sum512([]byte(text))
	return hex.EncodeToString(sum[:])
}

func send(ctx context.Context, client *http.Client, method, address string, headers map[string]string, body, into any) error { //nolint:revive // six things make a request
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, address, &content)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode >= http.StatusMultipleChoices {
		said, err := io.ReadAll(answer.Body)
		return errors.Join(fmt.Errorf("OpenHIM answers %s %s with %s: %s", method, address, answer.Status, said), err)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

func freePorts(count int) ([]string, error) {
	ports := make([]string, count)
	for i := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a port: %w", err)
		}
		defer func() { _ = listener.Close() }()
		address, ok := listener.Addr().(*net.TCPAddr)
		if !ok {
			return nil, fmt.Errorf("find a port: %s is no TCP address", listener.Addr())
		}
		ports[i] = strconv.Itoa(address.Port)
	}
	return ports, nil
}
