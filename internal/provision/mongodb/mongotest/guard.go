package mongotest

import (
	"context"
	"crypto/tls"
	_ "embed" // the program of the store
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/dpi-operator/dpi-operator/internal/provision/servertest"
)

// homeVariable names where the library is: with the OpenHIM of the tests, which keeps its data in one as well.
const homeVariable = "OPENHIM_HOME"

//go:embed Store.java
var program []byte

// AnyDatabase stands for all databases among the rights of a login.
const AnyDatabase = "*"

// Right is what a login may do with a database.
type Right int

// Rights.
const (
	Read Right = iota + 1
	ReadWrite
)

// Login is somebody who is let in.
type Login struct {
	// Source is the database that knows the login.
	Source string
	// Password of the login.
	Password string
	// Rights by database.
	Rights map[string]Right
}

// Server is a running stand-in.
type Server struct {
	// Port for clients without TLS, SecurePort for those with.
	Port, SecurePort int32
	// CA is the authority of the server's certificate, in PEM.
	CA string

	store     *servertest.Server
	documents string
	listeners []net.Listener
	served    sync.WaitGroup
	mu        sync.Mutex
	logins    map[string]Login
	open      map[net.Conn]struct{}
}

// Start starts an empty stand-in without logins. Its files are left in dir. The error says how to get what is missing.
func Start(ctx context.Context, dir string) (*Server, error) {
	s := &Server{logins: map[string]Login{}, open: map[net.Conn]struct{}{}}
	err := s.startStore(ctx, dir)
	if err != nil {
		return nil, err
	}
	if s.CA, err = servertest.Certificate(dir); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, servertest.CertificateFile), filepath.Join(dir, servertest.KeyFile))
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	for port, secure := range map[*int32]*tls.Config{&s.Port: nil, &s.SecurePort: {MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}} {
		if *port, err = s.listen(ctx, secure); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

func (s *Server) startStore(ctx context.Context, dir string) error {
	home := filepath.Join(os.Getenv(homeVariable), "store")
	if _, err := os.Stat(home); os.Getenv(homeVariable) == "" || err != nil { //nolint:gosec // who runs the tests says where it is
		return fmt.Errorf("%s does not name an OpenHIM core with its store: run `make test`, or set it to what internal/provision/httpupsert/himtest/home.sh prints", homeVariable)
	}
	port, err := servertest.Port()
	if err != nil {
		return err
	}
	source := filepath.Join(dir, "Store.java")
	if err := os.WriteFile(source, program, 0o600); err != nil {
		return fmt.Errorf("leave the program of the store: %w", err)
	}
	s.documents = servertest.Address(port)
	s.store, err = servertest.Start(ctx, servertest.Spec{
		Name: "the stand-in for MongoDB", Dir: dir, Ready: servertest.Accepts(port),
		Command: []string{
			"java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", filepath.Join(home, "*"), source, strconv.Itoa(int(port)),
		},
	})
	return err
}

// Know lets somebody in from now on.
func (s *Server) Know(username string, login Login) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins[username] = login
}

func (s *Server) login(username string) (Login, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	login, ok := s.logins[username]
	return login, ok
}

// Store is the address of what keeps the documents, for tests that look behind the guard.
func (s *Server) Store() string { return s.documents }

// Close ends every connection and the store.
func (s *Server) Close() error {
	var failures []error
	for _, listener := range s.listeners {
		failures = append(failures, listener.Close())
	}
	s.mu.Lock()
	for conn := range s.open {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.served.Wait()
	return errors.Join(append(failures, s.store.Stop())...)
}

func (s *Server) listen(ctx context.Context, secure *tls.Config) (int32, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("listen: %w", err)
	}
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("listen: %s is no TCP address", listener.Addr())
	}
	if secure != nil {
		listener = tls.NewListener(listener, secure)
	}
	s.listeners = append(s.listeners, listener)
	s.served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.served.Go(func() { s.serve(context.WithoutCancel(ctx), conn) })
		}
	})
	return int32(address.Port), nil //nolint:gosec // ports are below 65536
}

func (s *Server) serve(ctx context.Context, client net.Conn) {
	behind, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.documents)
	if err != nil {
		_ = client.Close()
		return
	}
	s.mu.Lock()
	s.open[client], s.open[behind] = struct{}{}, struct{}{}
	s.mu.Unlock()
	session := &session{server: s, client: client, behind: behind}
	for err == nil {
		err = session.answer()
	}
	s.mu.Lock()
	delete(s.open, client)
	delete(s.open, behind)
	s.mu.Unlock()
	_, _ = client.Close(), behind.Close()
}
