package health_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/internal/health"
)

func message(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name, "want.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var v verdict
	if err := yaml.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v.Message
}

// TestMessageFlapsWhileAContainerCrashLoops holds the phases of one situation to one sentence.
func TestMessageFlapsWhileAContainerCrashLoops(t *testing.T) {
	for _, same := range [][]string{
		{"crash-loop", "crash-loop-between-crashes", "crash-loop-just-ended"},
		{"image-pull-backoff", "image-pull-error-reads-the-same"},
	} {
		for _, name := range same[1:] {
			if got, want := message(t, name), message(t, same[0]); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
}

// TestMessagesAreOneSentence looks through all golden files.
func TestMessagesAreOneSentence(t *testing.T) {
	generated := regexp.MustCompile(`-[a-z0-9]{8,10}-[a-z0-9]{5}\b|\d{2}:\d{2}:\d{2}`)
	wants, err := filepath.Glob("testdata/*/want.yaml")
	if err != nil || len(wants) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, path := range wants {
		name := filepath.Base(filepath.Dir(path))
		text := message(t, name)
		if strings.ContainsAny(text, "\n\t") || strings.HasSuffix(text, ".") || generated.MatchString(text) {
			t.Errorf("%s: %q", name, text)
		}
	}
}

func TestWithLog(t *testing.T) {
	const key = "c29tZXRoaW5nIHZlcnkgc2VjcmV0IGFuZCBsb25nIGVub3VnaA"
	for name, c := range map[string]struct{ log, want string }{
		"nothing":      {"\n \n", ""},
		"last lines":   {"one\ntwo\n\nthree\nfour\n", "two | three | four"},
		"times":        {"2026-03-01T11:55:01.221Z a\n[2026-03-01 11:55:01,221] b\nI0301 11:55:01.221000 c", "a | b | c"},
		"colours":      {"\x1b[31mred\x1b[0m\tand blue\r\n", "red and blue"},
		"password":     {"password=hunter2 user=web", "password=[hidden] user=web"},
		"json":         {`{"client_secret": "hunter2", "user": "web"}`, `{"client_secret": [hidden], "user": "web"}`},
		"option":       {"run --token hunter2 --verbose", "run --token [hidden] --verbose"},
		"address":      {"connect to postgresql://web:hunter2@db:5432/web", "connect to postgresql://web:[hidden]@db:5432/web"},
		"at sign":      {"amqp://web:hun@ter2@mq", "amqp://web:[hidden]@mq"},
		"header":       {"Authorization: Bearer hunter2hunter2hunter2", "Authorization: Bearer [hidden]"},
		"web token":    {"got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "got [hidden]"},
		"key":          {"key material " + key, "key material [hidden]"},
		"private key":  {"-----BEGIN RSA PRIVATE KEY-----abc", "[hidden]"},
		"harmless":     {`FATAL: password authentication failed for user "ehrbase"`, `FATAL: password authentication failed for user "ehrbase"`},
		"path":         {"open /usr/share/application/configuration/defaults: no such file", "open /usr/share/application/configuration/defaults: no such file"},
		"basic scheme": {"basic authentication failed", "basic authentication failed"},
	} {
		t.Run(name, func(t *testing.T) {
			blocker := health.Blocker{Message: "Deployment web: container app ends with exit code 1"}
			got := blocker.WithLog(c.log).Message
			want := blocker.Message
			if c.want != "" {
				want += "; its log ends with: " + c.want
			}
			if got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
	if long := (health.Blocker{}).WithLog(strings.Repeat("word ", 500)).Message; len([]rune(long)) > 450 {
		t.Errorf("%d characters", len([]rune(long)))
	}
}

func FuzzWithLog(f *testing.F) {
	f.Add("2026-03-01T11:55:01.221Z FATAL password=hunter2\n", "hunter2")
	f.Add("\x1b[31m\xff\xfe", "x")
	f.Fuzz(func(t *testing.T, log, word string) {
		told := health.Blocker{}.WithLog(log).Message
		if strings.ContainsAny(told, "\n\r\x1b") || len([]rune(told)) > 450 {
			t.Errorf("%q", told)
		}
		if !regexp.MustCompile(`^[a-z]{12}$`).MatchString(word) {
			return
		}
		if told := (health.Blocker{}).WithLog("password=" + word).Message; strings.Contains(told, word) {
			t.Errorf("%q", told)
		}
	})
}

func TestCompileRules(t *testing.T) {
	_, err := health.CompileRules([]health.Rule{
		{APIVersion: "example.org/v1", Kind: "Good", Current: "has(status.ready) && status.ready"},
		{APIVersion: "example.org/v1", Kind: "Number", Current: "1 + 1"},
		{APIVersion: "example.org/v1", Kind: "Unknown", Current: "object.ready", Failed: "status."},
		{APIVersion: "example.org/v1", Kind: "Empty"},
		{APIVersion: "example.org/v1", Kind: "Good", Current: "true"},
		{Kind: "Nowhere", Current: "true"},
	})
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || len(joined.Unwrap()) != 5 {
		t.Fatalf("want five problems, got: %v", err)
	}
	for _, part := range []string{
		`Number: current: "1 + 1" gives int, want true or false`,
		`Unknown: current: "object.ready" does not compile: undeclared reference to 'object'`,
		`failed: "status." does not compile`,
		`Empty: state when it is current`, `Good: there are two; merge them`, `state apiVersion and kind`,
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
}
