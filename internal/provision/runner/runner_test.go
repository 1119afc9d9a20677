package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/runner"
)

// job is what a Job mounts, in a directory of the test's own.
type job struct {
	dir    string
	runner runner.Runner
}

func newJob(t *testing.T, handle provision.HandlerFunc) job {
	t.Helper()
	dir := t.TempDir()
	j := job{dir: dir, runner: runner.Runner{
		RequestFile: filepath.Join(dir, "request.json"), AdminDir: filepath.Join(dir, "admin"), CredentialsDir: filepath.Join(dir, "credentials"),
		ResultFile: filepath.Join(dir, "result", "result.json"), TerminationFile: filepath.Join(dir, "termination"), Timeout: time.Minute,
		Handlers: func(action provision.Action, name string) (provision.Handler, bool) {
			return handle, action == provision.ActionProvision && name == "test"
		},
	}}
	j.write(t, "request.json", `{"apiVersion":"provision.dpi-operator.io/v1","id":"7","action":"provision","handler":"test","contract":"test-v1",
		"binding":{"uid":"u","namespace":"n","name":"b"},"endpoint":{"host":"h","port":1},"outputs":{"username":"app"}}`)
	j.write(t, "termination", "")
	return j
}

func (j job) write(t *testing.T, name, content string) {
	t.Helper()
	path := filepath.Join(j.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (j job) result(t *testing.T) provision.Result {
	t.Helper()
	data, err := os.ReadFile(j.runner.ResultFile)
	if err != nil {
		t.Fatal(err)
	}
	result, err := provision.ParseResult(data, "7")
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestRun_handsOverTheMountedFilesAndLeavesTheResult(t *testing.T) {
	var got provision.Task
	j := newJob(t, func(_ context.Context, task provision.Task) (provision.Report, error) {
		got = task
		return provision.Report{Message: "made", Outputs: map[string]string{"key": "minted"}}, nil
	})
	// As the kubelet lays a Secret out: the keys are links into a directory that is exchanged as a whole.
	j.write(t, "credentials/..2024/password", "of the app")
	if err := os.Symlink("..2024", filepath.Join(j.dir, "credentials", "..data")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join("..data", "password"), filepath.Join(j.dir, "credentials", "password")); err != nil {
		t.Fatal(err)
	}
	j.write(t, "admin/password", "of the admin")
	returned, err := j.runner.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	result := j.result(t)
	if result.Phase != provision.PhaseDone || returned.Phase != provision.PhaseDone || result.Outputs["key"] != "minted" || result.Reason != "Provisioned" {
		t.Errorf("got %+v", result)
	}
	if len(got.Credentials) != 1 || got.Credentials["password"] != "of the app" || got.Admin["password"] != "of the admin" || got.Value("username") != "app" {
		t.Errorf("the handler got %d credentials and %d admin keys", len(got.Credentials), len(got.Admin))
	}
	termination, err := os.ReadFile(j.runner.TerminationFile)
	if err != nil || string(termination) != "Provisioned: made" {
		t.Errorf("the termination message is %q, %v", termination, err)
	}
}

func TestRun_keepsSecretsOutOfWords(t *testing.T) {
	j := newJob(t, func(_ context.Context, task provision.Task) (provision.Report, error) {
		var report provision.Report
		report.Check("login", errors.New("as app with "+task.Credentials["password"]))
		return report, provision.Failed("Refused", "password %q for user app, not %q", task.Credentials["password"], task.Admin["password"])
	})
	j.write(t, "credentials/password", "swordfish")
	j.write(t, "credentials/username", "app")
	j.write(t, "admin/password", "swordfish-and-more")
	if _, err := j.runner.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(j.result(t))
	if err != nil {
		t.Fatal(err)
	}
	termination, err := os.ReadFile(j.runner.TerminationFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(data), string(termination)} {
		if strings.Contains(text, "swordfish") || strings.Contains(text, "-and-more") || !strings.Contains(text, "user app") {
			t.Errorf("got %s", text)
		}
	}
}

func TestRun_withoutARequestSaysSo(t *testing.T) {
	never := func(context.Context, provision.Task) (provision.Report, error) {
		return provision.Report{}, errors.New("the handler was called")
	}
	tests := map[string]struct {
		request, want string
	}{
		"broken":             {"{", "not JSON"},
		"of another version": {`{"apiVersion":"v9"}`, "apiVersion"},
		"for no one we have": {`{"apiVersion":"provision.dpi-operator.io/v1","id":"7","action":"revoke","handler":"test","binding":{"uid":"u","namespace":"n","name":"b"}}`, `no built-in handler "test" for revoke`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			j := newJob(t, never)
			j.write(t, "request.json", test.request)
			result, err := j.runner.Run(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if result.Phase != provision.PhaseFailed || result.Reason != provision.ReasonInvalidRequest || !strings.Contains(result.Message, test.want) {
				t.Errorf("got %+v", result)
			}
		})
	}
}

func TestRun_thatIsStoppedStillPublishes(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	j := newJob(t, func(ctx context.Context, _ provision.Task) (provision.Report, error) {
		stop()
		<-ctx.Done()
		return provision.Report{}, ctx.Err()
	})
	published := &memory{}
	j.runner.Publisher = published
	if _, err := j.runner.Run(ctx); err != nil {
		t.Fatal(err)
	}
	result, err := provision.ParseResult(published.data, "7")
	if err != nil || result.Phase != provision.PhaseRetry || result.Reason != provision.ReasonTimedOut {
		t.Errorf("published %+v, %v", result, err)
	}
}

func TestRun_thatCannotPublishFails(t *testing.T) {
	j := newJob(t, func(context.Context, provision.Task) (provision.Report, error) { return provision.Report{}, nil })
	j.runner.Publisher = &memory{err: errors.New("no such Secret")}
	if _, err := j.runner.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "no such Secret") {
		t.Errorf("got %v", err)
	}
	if result := j.result(t); result.Phase != provision.PhaseDone {
		t.Errorf("the file says %s", result.Phase)
	}
}

// memory is a Publisher that keeps what it gets.
type memory struct {
	data []byte
	err  error
}

func (m *memory) Publish(ctx context.Context, result []byte) error {
	m.data = result
	return errors.Join(m.err, ctx.Err())
}
