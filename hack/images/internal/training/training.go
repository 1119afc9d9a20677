package training

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/dpi-operator/dpi-operator/hack/images/internal/command"
)

const (
	// patience is how long the server may take to get ready, on a machine that is busy with other things.
	patience = 10 * time.Minute
	poll     = 250 * time.Millisecond
)

// Program is a program of an image and its environment, NAME=value.
type Program struct {
	Argv, Env []string
}

// Server is the server to train.
type Server struct {
	Program
	// Ready is the path that answers 200 once the server works.
	Ready string
	// Archive is the file inside the box that the JVM writes when the server stops.
	Archive string
}

// Database is the PostgreSQL the server is trained on.
type Database struct {
	Program
	// Data is its data directory inside its box.
	Data string
}

// Box is where a program runs, with the files of an image as its root.
type Box interface {
	// Root is the box's directory, seen from outside.
	Root() string
	// GiveAway makes a directory inside the box that the box's user owns.
	GiveAway(path string) error
	// Command prepares a program inside the box with exactly the given environment.
	Command(ctx context.Context, argv, env []string) (*exec.Cmd, error)
}

// Run starts the database and the server, each in its box, waits until the server is ready and stops it in order. It is an error when the
// archive is not there afterwards. Both listen on free ports of the loopback address.
func Run(ctx context.Context, databaseBox Box, database Database, serverBox Box, server Server) (err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	login, err := prepare(databaseBox, database)
	if err != nil {
		return err
	}
	running, err := start(ctx, databaseBox, Program{
		Argv: append(database.Argv, "-c", "listen_addresses=127.0.0.1", "-c", "port="+login.port),
		Env:  append(database.Env, "POSTGRES_PASSWORD_FILE="+passwordFile),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, running.stop(syscall.SIGINT)) }()
	port, err := freePort()
	if err != nil {
		return err
	}
	if err := serverBox.GiveAway(filepath.Dir(server.Archive)); err != nil {
		return err
	}
	learner, err := start(ctx, serverBox, Program{Argv: server.Argv, Env: append(server.Env, login.environment(port)...)})
	if err != nil {
		return err
	}
	err = learner.waitReady(ctx, "http://127.0.0.1:"+port+server.Ready)
	if err := errors.Join(err, learner.stop(syscall.SIGTERM)); err != nil {
		return fmt.Errorf("the server did not run for its training: %w", err)
	}
	if _, err := os.Stat(filepath.Join(serverBox.Root(), server.Archive)); err != nil {
		return fmt.Errorf("the JVM wrote no class archive: %w\n%s", err, learner.said())
	}
	return nil
}

// passwordFile is where the database's box has the superuser's password.
const passwordFile = "/run/password"

type login struct{ port, password string }

func (l login) environment(serverPort string) []string {
	return []string{
		"SPRING_DATASOURCE_URL=jdbc:postgresql://127.0.0.1:" + l.port + "/postgres",
		"SPRING_DATASOURCE_USERNAME=postgres", "SPRING_DATASOURCE_PASSWORD=" + l.password,
		"SERVER_PORT=" + serverPort,
	}
}

func prepare(box Box, database Database) (login, error) {
	if err := box.GiveAway(database.Data); err != nil {
		return login{}, err
	}
	port, err := freePort()
	if err != nil {
		return login{}, err
	}
	// The password lives for a minute on a machine that can read the box anyway.
	secret := login{port, rand.Text()}
	file := filepath.Join(box.Root(), passwordFile)
	err = errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(secret.password), 0o644))
	return secret, err
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("no free port: %w", err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, errors.Join(err, listener.Close())
}

// process is a started program whose end can be waited for more than once.
type process struct {
	cmd    *exec.Cmd
	output *bytes.Buffer
	ended  chan struct{}
	err    error
}

func start(ctx context.Context, box Box, program Program) (*process, error) {
	cmd, err := box.Command(ctx, program.Argv, program.Env)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, output: &bytes.Buffer{}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.output, p.output
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// waitReady returns when the URL answers 200, the process ends or the context does.
func (p *process) waitReady(ctx context.Context, url string) error {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		select {
		case <-p.ended:
			return fmt.Errorf("it ended: %w\n%s", p.err, p.said())
		case <-ctx.Done():
			return fmt.Errorf("it was not ready in time: %w", ctx.Err())
		case <-ticker.C:
			if answers(ctx, url) {
				return nil
			}
		}
	}
}

func answers(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	return response.Body.Close() == nil && response.StatusCode == http.StatusOK
}

// stop asks the process to end and waits for it. Ending on the signal is no error.
func (p *process) stop(signal syscall.Signal) error {
	select {
	case <-p.ended:
	default:
		if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		<-p.ended
	}
	const javaAfterSignal = 128
	var exit *exec.ExitError
	if errors.As(p.err, &exit) && exit.ExitCode() == javaAfterSignal+int(signal) {
		return nil
	}
	return p.err
}

// said is the end of what the process printed; it may only be called after the process ended.
func (p *process) said() string { return command.Tail(p.output.String()) }
