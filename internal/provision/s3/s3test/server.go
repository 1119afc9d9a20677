package s3test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dpi-operator/dpi-operator/internal/provision/servertest"
)

const (
	// AccessKeyID is the admin's.
	AccessKeyID = "operator-admin"
	// SecretAccessKey is the admin's. The server listens on the loopback interface for the length of a test.
	SecretAccessKey = "of-a-store-that-lives-for-one-test"
	// Region that the server says it is in.
	Region = "test-1"

	homeVariable = "VERSITYGW_HOME"
)

// Server is a running S3 server with TLS. It keeps versions of objects in the buckets where that is turned on.
type Server struct {
	// URL of the server; buckets are named by the path.
	URL string
	// CA is the authority of the server's certificate, in PEM.
	CA string

	dir     string
	program string
	server  *servertest.Server
}

// Start starts a server without buckets.
func Start(ctx context.Context) (*Server, error) {
	s := &Server{program: filepath.Join(os.Getenv(homeVariable), "versitygw")}
	if _, err := os.Stat(s.program); os.Getenv(homeVariable) == "" || err != nil { //nolint:gosec // who runs the tests says where it is
		return nil, fmt.Errorf("%s does not name the program of an S3 server: run `make test`, or set it to what internal/provision/s3/s3test/home.sh prints", homeVariable)
	}
	var err error
	if s.dir, err = servertest.Dir("s3"); err != nil {
		return nil, err
	}
	if err := s.run(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) run(ctx context.Context) error {
	port, err := servertest.Port()
	if err != nil {
		return err
	}
	if s.CA, err = servertest.Certificate(s.dir); err != nil {
		return err
	}
	for _, part := range []string{"objects", "facts", "versions", "logins"} {
		if err := os.Mkdir(filepath.Join(s.dir, part), 0o700); err != nil {
			return err
		}
	}
	s.URL = "https://" + servertest.Address(port)
	s.server, err = servertest.Start(ctx, servertest.Spec{
		Name: "versitygw", Dir: s.dir, Ready: servertest.Accepts(port),
		Command: []string{
			s.program, "--quiet", "--port", servertest.Address(port), "--region", Region,
			"--access", AccessKeyID, "--secret", SecretAccessKey, "--iam-dir", filepath.Join(s.dir, "logins"),
			"--cert", filepath.Join(s.dir, servertest.CertificateFile), "--key", filepath.Join(s.dir, servertest.KeyFile),
			// Facts about objects are kept beside them: not every file system has attributes.
			"posix", "--sidecar", filepath.Join(s.dir, "facts"), "--versioning-dir", filepath.Join(s.dir, "versions"), filepath.Join(s.dir, "objects"),
		},
	})
	return err
}

// Login makes a login without any rights.
func (s *Server) Login(ctx context.Context, accessKeyID, secretAccessKey string) error {
	_, err := servertest.Run(ctx, servertest.Spec{Name: "versitygw admin", Dir: s.dir, Command: []string{
		s.program, "admin", "--access", AccessKeyID, "--secret", SecretAccessKey, "--region", Region, "--endpoint-url", s.URL,
		"--allow-insecure", "create-user", "--access", accessKeyID, "--secret", secretAccessKey, "--role", "user",
	}})
	return err
}

// Close stops the server and removes its data.
func (s *Server) Close() error {
	var stopped error
	if s.server != nil {
		stopped = s.server.Stop()
	}
	return errors.Join(stopped, os.RemoveAll(s.dir))
}
