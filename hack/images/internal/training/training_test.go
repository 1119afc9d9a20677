package training

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// behaviour is the environment variable by which this test binary is told to play a server instead of running tests.
const behaviour = "TRAINING_TEST_BEHAVIOUR"

func TestMain(m *testing.M) {
	if played := os.Getenv(behaviour); played != "" {
		os.Exit(play(played))
	}
	os.Exit(m.Run())
}

// play is a server that gets ready, and writes its archive when it is stopped, or fails to in one way or another.
func play(played string) int {
	if played == "ends early" {
		_, _ = os.Stderr.WriteString("no such database\n")
		return 3
	}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	if port := os.Getenv("SERVER_PORT"); port != "" {
		listener, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			return 4
		}
		server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/ready" || os.Getenv("SPRING_DATASOURCE_PASSWORD") == "" {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})}
		go func() { _ = server.Serve(listener) }()
	}
	<-stop.Done()
	if played == "waits" {
		return 0
	}
	if archive := os.Getenv("ARCHIVE"); archive != "" && played == "learns" {
		if err := os.WriteFile(archive, []byte("classes"), 0o600); err != nil {
			return 5
		}
	}
	// Java ends like this on a signal.
	return 128 + int(syscall.SIGTERM)
}

// directory runs programs as they are, with a directory in the place of an image's root.
type directory struct{ path string }

func (d directory) Root() string { return d.path }

func (d directory) GiveAway(path string) error {
	return os.MkdirAll(filepath.Join(d.path, path), 0o755)
}

func (d directory) Command(ctx context.Context, argv, env []string) (*exec.Cmd, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = env
	return cmd, nil
}

func TestTheArchiveIsThereAfterTheTraining(t *testing.T) {
	box := directory{t.TempDir()}
	if err := train(t, box, "learns"); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(filepath.Join(box.path, "app/classes.jsa")); err != nil || string(content) != "classes" {
		t.Errorf("content %q, %v", content, err)
	}
}

func TestATrainingWithoutAnArchiveFails(t *testing.T) {
	err := train(t, directory{t.TempDir()}, "forgets")
	if err == nil || !strings.Contains(err.Error(), "no class archive") {
		t.Errorf("got %v", err)
	}
}

func TestAServerThatEndsEarlyIsQuoted(t *testing.T) {
	err := train(t, directory{t.TempDir()}, "ends early")
	if err == nil || !strings.Contains(err.Error(), "no such database") {
		t.Errorf("got %v, expected what the server said", err)
	}
}

func train(t *testing.T, box directory, played string) error {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The database's flags come after its own arguments, where this binary takes them for names of tests.
	database := Database{Program: Program{Argv: []string{self}, Env: []string{behaviour + "=waits"}}, Data: "data"}
	server := Server{
		Program: Program{Argv: []string{self}, Env: []string{behaviour + "=" + played, "ARCHIVE=" + filepath.Join(box.path, "app/classes.jsa")}},
		Ready:   "/ready", Archive: "app/classes.jsa",
	}
	return Run(t.Context(), directory{t.TempDir()}, database, box, server)
}
