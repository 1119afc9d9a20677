package redis_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	driver "github.com/redis/go-redis/v9"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/redis"
	"github.com/dpi-operator/dpi-operator/internal/provision/servertest"
)

const adminPassword = "of-a-server-that-lives-for-one-test"

var port int32

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	server, dir, err := start(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := errors.Join(server.Stop(), os.RemoveAll(dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// start runs the distribution's Redis.
func start(ctx context.Context) (*servertest.Server, string, error) {
	dir, err := servertest.Dir("redis")
	if err != nil {
		return nil, dir, err
	}
	if port, err = servertest.Port(); err != nil {
		return nil, dir, err
	}
	server, err := servertest.Start(ctx, servertest.Spec{
		Name: "Redis", Dir: dir, Ready: servertest.Accepts(port),
		Command: []string{"redis-server", "--bind", "127.0.0.1", "--port", strconv.Itoa(int(port)), "--save", "", "--requirepass", adminPassword},
	})
	return server, dir, err
}

func admin(t *testing.T) *driver.Client {
	t.Helper()
	client := driver.NewClient(&driver.Options{Addr: servertest.Address(port), Password: adminPassword})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// user makes a login with the given rules, and returns the task of whoever has it.
func user(t *testing.T, name, prefix string, rules ...string) provision.Task {
	t.Helper()
	if len(rules) > 0 {
		if err := admin(t).Do(t.Context(), append([]any{"ACL", "SETUSER", name, "reset", "on"}, words(rules)...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	return provision.Task{
		Request: provision.Request{
			Action: provision.ActionVerify, Parameters: fmt.Appendf(nil, `{"keyPrefix": %q, "database": 0}`, prefix),
			Outputs: map[string]string{"host": "127.0.0.1", "port": strconv.Itoa(int(port)), "username": name, "key-prefix": prefix},
		},
		Credentials: provision.Secrets{"password": "of " + name},
	}
}

func words(rules []string) []any {
	out := make([]any, len(rules))
	for i, rule := range rules {
		out[i] = rule
	}
	return out
}

func TestVerify(t *testing.T) {
	wrong := user(t, "wrong", "", ">another", "~*", "+@all")
	away := user(t, "away", "")
	away.Request.Outputs["port"] = "1"
	tests := map[string]struct {
		task           provision.Task
		phase          provision.Phase
		reason, saying string
	}{
		"all keys":            {user(t, "all", "", ">of all", "~*", "+@all"), provision.PhaseDone, provision.ReasonVerified, "as all"},
		"keys of its own":     {user(t, "own", "lab:", ">of own", "~lab:*", "+@read", "+@write"), provision.PhaseDone, provision.ReasonVerified, "as own"},
		"keys of others":      {user(t, "others", "shop:", ">of others", "~lab:*", "+@all"), provision.PhaseFailed, provision.ReasonCheckFailed, "write a key"},
		"reading only":        {user(t, "reader", "", ">of reader", "~*", "+@read"), provision.PhaseFailed, provision.ReasonCheckFailed, "write a key"},
		"no login":            {user(t, "nobody", ""), provision.PhaseFailed, provision.ReasonCredentialsRejected, "WRONGPASS"},
		"another password":    {wrong, provision.PhaseFailed, provision.ReasonCredentialsRejected, "WRONGPASS"},
		"any password":        {user(t, "open", "", "nopass", "~*", "+@all"), provision.PhaseFailed, provision.ReasonCheckFailed, "takes any password for open"},
		"nobody listens":      {away, provision.PhaseRetry, provision.ReasonProviderUnavailable, "connection refused"},
		"nothing in a Secret": {provision.Task{Request: away.Request}, provision.PhaseFailed, provision.ReasonInvalidRequest, "username and password"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			report, err := redis.Verify(t.Context(), test.task)
			result := provision.Conclude(test.task.Request, report, err)
			if result.Phase != test.phase || result.Reason != test.reason || !strings.Contains(result.Message, test.saying) {
				t.Errorf("ended %s (%s): %q; want %s (%s) saying %q", result.Phase, result.Reason, result.Message, test.phase, test.reason, test.saying)
			}
			if text := fmt.Sprint(result); strings.Contains(text, test.task.Credentials["password"]) && test.task.Credentials["password"] != "" {
				t.Error("the result holds the password")
			}
		})
	}
	if keys := admin(t).Keys(t.Context(), "*").Val(); len(keys) > 0 {
		t.Errorf("the proofs left %s", keys)
	}
}
