package httpupsert_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/httpupsert"
)

// standin is an API with one object, which can misbehave in every way. The other tests have real servers.
type standin struct {
	*httptest.Server

	// authorization is what it wants to see.
	authorization string
	// change is asked first; true means that it answered.
	change func(w http.ResponseWriter, r *http.Request) bool
	object map[string]any
	tokens atomic.Int32
}

func newStandin(t *testing.T, authorization string) *standin {
	t.Helper()
	s := &standin{authorization: authorization}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *standin) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/token" {
		s.tokens.Add(1)
		_, _ = fmt.Fprintf(w, `{"access_token": "token-number-%d", "token_type": "Bearer"}`, s.tokens.Load())
		return
	}
	if s.change != nil && s.change(w, r) {
		return
	}
	if r.Header.Get("Authorization") != s.authorization {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch {
	case r.Method == http.MethodGet && s.object == nil:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodGet:
		_ = json.NewEncoder(w).Encode(s.object)
	case r.Method == http.MethodDelete:
		s.object = nil
	default:
		_ = json.NewDecoder(r.Body).Decode(&s.object)
		w.WriteHeader(http.StatusCreated)
	}
}

const thing = `
objects:
  - name: thing
    find: {pathExpr: "['things', outputs.name]"}
    ownedExpr: object.uid == binding.uid
    fields:
      - {path: uid, expr: binding.uid}
      - {path: hash, expr: sha256(secrets.password)}
      - {path: tags, expr: parameters.tags, compare: Set}
      - {path: count, value: 3}
      - {path: hidden, expr: secrets.password, compare: WriteOnly}
    create: {pathExpr: "['things']"}
    update: {pathExpr: "['things', outputs.name]"}
    delete: {pathExpr: "['things', outputs.name]"}
`

func (s *standin) task(t *testing.T, registration string) provision.Task {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(registration))
	if err != nil {
		t.Fatal(err)
	}
	return provision.Task{
		Request: provision.Request{
			Contract: "thing-v1", Binding: provision.Binding{UID: "u", Namespace: "n", Name: "b"}, HTTP: raw, Parameters: []byte(`{"tags": ["b", "a"]}`),
			Endpoint: provision.Endpoint{URL: s.URL, Host: "127.0.0.1"}, Outputs: map[string]string{"name": "it"},
		},
		Admin:       provision.Secrets{"username": "boss", "password": "secret of the boss", "token": "token of the boss", "client-id": "us", "client-secret": "secret of us"},
		Credentials: provision.Secrets{"password": "secret of the consumer"},
	}
}

func TestStandin_waysToShowTheAdminCredential(t *testing.T) {
	tests := map[string]struct{ authentication, want string }{
		"none":               {"", ""},
		"basic":              {"authentication: {basic: {}}", "Basic Ym9zczpzZWNyZXQgb2YgdGhlIGJvc3M="},
		"a token":            {"authentication: {bearer: {}}", "Bearer token of the boss"},
		"client credentials": {"authentication: {clientCredentials: {tokenURLExpr: api.url + '/token', scopes: [add]}}", "Bearer token-number-1"},
		"a login":            {"authentication: {login: {pathExpr: \"['token']\", bodyExpr: \"{'who': admin.username}\", headers: [{name: Authorization, expr: \"'Bearer ' + login.access_token\"}]}}", "Bearer token-number-1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStandin(t, test.want)
			task := s.task(t, test.authentication+thing)
			mustProvision(t, task)
			s.authorization = "something else"
			if s.tokens.Load() > 0 {
				s.authorization = "Bearer token-number-3"
				// The token of this session, the second, runs out before anything is done; the third is good.
				mustProvision(t, task)
				return
			}
			if test.want == "" {
				return
			}
			report, err := httpupsert.Provision(testContext(t), task)
			mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonAdminCredentialRejected)
		})
	}
}

func TestStandin_aServerThatMisbehaves(t *testing.T) {
	answering := func(method string, status int, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != method {
				return false
			}
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
			return true
		}
	}
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte("secret of the consumer")))
	const echo = "problemExpr: \"type(answer) == type({}) && has(answer.error) ? answer.error : ''\"\n"
	tests := map[string]struct {
		change func(http.ResponseWriter, *http.Request) bool
		phase  provision.Phase
		reason string
		saying string
	}{
		"sends elsewhere":            {answering(http.MethodGet, http.StatusFound, ""), provision.PhaseFailed, provision.ReasonProviderError, "not followed"},
		"forbids":                    {answering(http.MethodPost, http.StatusForbidden, "no secret of the consumer"), provision.PhaseFailed, "NotPermitted", "POST /things"},
		"is in a muddle":             {answering(http.MethodPost, http.StatusBadRequest, "no secret of the consumer"), provision.PhaseFailed, provision.ReasonProviderError, "with 400"},
		"is down":                    {answering(http.MethodPost, http.StatusBadGateway, ""), provision.PhaseRetry, provision.ReasonProviderUnavailable, "502"},
		"does not speak JSON":        {answering(http.MethodGet, http.StatusOK, "<html>"), provision.PhaseFailed, provision.ReasonProviderError, "something else than JSON"},
		"lists words":                {answering(http.MethodGet, http.StatusOK, `"word"`), provision.PhaseFailed, provision.ReasonInvalidRequest, "object thing"},
		"lists two":                  {answering(http.MethodGet, http.StatusOK, `[{}, {}]`), provision.PhaseFailed, provision.ReasonProviderError, "2 objects"},
		"takes it and forgets it":    {answering(http.MethodPost, http.StatusCreated, ""), provision.PhaseFailed, provision.ReasonCheckFailed, "does not have it"},
		"errs with a good status":    {answering(http.MethodPost, http.StatusOK, `{"error": "I know hash of secret"}`), provision.PhaseFailed, provision.ReasonProviderError, "I know hash of secret"},
		"repeats secrets":            {answering(http.MethodPost, http.StatusOK, `{"error": "not secret of the consumer or `+hash+`"}`), provision.PhaseFailed, provision.ReasonProviderError, "not [redacted] or [redacted]"},
		"made by another, meanwhile": {answering(http.MethodPost, http.StatusConflict, ""), provision.PhaseFailed, provision.ReasonCheckFailed, "does not have it"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStandin(t, "")
			s.change = test.change
			report, err := httpupsert.Provision(testContext(t), s.task(t, echo+thing))
			result := mustEnd(t, report, err, test.phase, test.reason)
			if !strings.Contains(result.Message, test.saying) || strings.Contains(result.Message, "of the consumer") {
				t.Errorf("says %q, want %q in it and no secret", result.Message, test.saying)
			}
		})
	}
}

func TestStandin_aServerThatKeepsSomethingElseIsNotDone(t *testing.T) {
	s := newStandin(t, "")
	s.change = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost && r.Method != http.MethodPut {
			return false
		}
		_ = json.NewDecoder(r.Body).Decode(&s.object)
		s.object["count"] = 4
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	report, err := httpupsert.Provision(testContext(t), s.task(t, thing))
	result := mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCheckFailed)
	if want := "thing: the API took it and still has other values of count"; result.Message != want {
		t.Errorf("says %q, want %q", result.Message, want)
	}
}

func TestStandin_whatCannotBeChangedIsRefused(t *testing.T) {
	s := newStandin(t, "")
	s.object = map[string]any{"uid": "u", "count": 9}
	report, err := httpupsert.Provision(testContext(t), s.task(t, strings.Replace(thing, "    update: {pathExpr: \"['things', outputs.name]\"}\n", "", 1)))
	result := mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCheckFailed)
	if !strings.Contains(result.Message, "cannot be changed") || s.object["count"] != 9 {
		t.Errorf("says %q of %v", result.Message, s.object)
	}
}

func TestStandin_aRevocationSeesThatItIsGone(t *testing.T) {
	s := newStandin(t, "")
	s.object = map[string]any{"uid": "u"}
	s.change = func(_ http.ResponseWriter, r *http.Request) bool { return r.Method == http.MethodDelete }
	report, err := httpupsert.Revoke(testContext(t), s.task(t, thing))
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCheckFailed)
	s.change = nil
	mustRevoke(t, s.task(t, thing))
	if s.object != nil {
		t.Error("it is still there")
	}
}

func TestCheck_namesTheExpression(t *testing.T) {
	tests := map[string]struct{ from, to, saying string }{
		"a path that sees a secret":       {"['things']", "[secrets.password]", "object thing: create: pathExpr"},
		"a search that sees a secret":     {"['things', outputs.name]", "[secrets.password]", "object thing: find: pathExpr"},
		"a mark that sees the admin":      {"object.uid == binding.uid", "admin.password == ''", "object thing: ownedExpr"},
		"a field that is not CEL":         {"sha256(secrets.password)", "sha256(", "object thing: field hash"},
		"a digest that nobody has":        {"sha256(secrets.password)", "md5(secrets.password)", "object thing: field hash"},
		"nothing":                         {"", "", ""},
		"a field without a value":         {", value: 3", "", "object thing: field count: give either"},
		"a field with two":                {", value: 3", ", value: 3, expr: '3'", "object thing: field count: give either"},
		"a field that sees the admin key": {"sha256(secrets.password)", "admin.password", "object thing: field hash"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var parsed v1alpha1.HTTPRegistration
			if err := yaml.UnmarshalStrict([]byte(strings.Replace(thing, test.from, test.to, 1)), &parsed); err != nil {
				t.Fatal(err)
			}
			err := httpupsert.Check(parsed)
			if test.saying == "" && err == nil {
				return
			}
			if test.saying == "" || err == nil || !strings.Contains(err.Error(), test.saying) {
				t.Errorf("got %v, want %q", err, test.saying)
			}
		})
	}
}
