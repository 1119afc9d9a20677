package httpapi_test

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/httpapi"
)

// answer is what a stand-in says at one path; every other path is 404.
type answer struct {
	path   string
	status int
	body   string
}

func standin(t *testing.T, a answer) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != a.path {
			http.NotFound(w, r)
			return
		}
		w.WriteHeader(a.status)
		_, _ = w.Write([]byte(a.body))
	}))
	t.Cleanup(server.Close)
	return server
}

func task(url, parameters string) provision.Task {
	return provision.Task{Request: provision.Request{Parameters: []byte(parameters), Outputs: map[string]string{"url": url}}}
}

func TestVerify_standinServers(t *testing.T) {
	const (
		templates = "/api/definition/template/adl1.4"
		statement = `{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1"}`
	)
	tests := map[string]struct {
		verify     provision.HandlerFunc
		answer     answer
		parameters string
		phase      provision.Phase
		saying     string
	}{
		"FHIR R4":                      {verify: httpapi.VerifyFHIR, answer: answer{"/api/metadata", 200, statement}, phase: provision.PhaseDone, saying: "FHIR 4.0.1"},
		"FHIR of another release":      {verify: httpapi.VerifyFHIR, answer: answer{"/api/metadata", 200, strings.Replace(statement, "4.0.1", "3.0.2", 1)}, phase: provision.PhaseFailed, saying: `"3.0.2"`},
		"FHIR that is none":            {verify: httpapi.VerifyFHIR, answer: answer{"/api/metadata", 200, `{"resourceType":"OperationOutcome"}`}, phase: provision.PhaseFailed, saying: "OperationOutcome"},
		"FHIR behind a page":           {verify: httpapi.VerifyFHIR, answer: answer{"/api/metadata", 200, "<html>"}, phase: provision.PhaseFailed, saying: "CapabilityStatement"},
		"FHIR elsewhere":               {verify: httpapi.VerifyFHIR, answer: answer{"/metadata", 200, statement}, phase: provision.PhaseFailed, saying: "answers 404"},
		"FHIR that moved":              {verify: httpapi.VerifyFHIR, answer: answer{"/api/metadata", 302, ""}, phase: provision.PhaseFailed, saying: "answers 302"},
		"FHIR that starts":             {verify: httpapi.VerifyFHIR, answer: answer{"/api/metadata", 503, ""}, phase: provision.PhaseRetry, saying: "503"},
		"openEHR that asks for tokens": {verify: httpapi.VerifyOpenEHR, answer: answer{templates, 401, ""}, phase: provision.PhaseDone, saying: "401"},
		"openEHR that is open":         {verify: httpapi.VerifyOpenEHR, answer: answer{templates, 200, "[]"}, phase: provision.PhaseDone, saying: "200"},
		"openEHR elsewhere":            {verify: httpapi.VerifyOpenEHR, answer: answer{"/else", 200, "[]"}, phase: provision.PhaseFailed, saying: "answers 404"},
		"any":                          {verify: httpapi.VerifyAny, answer: answer{"/api", 403, ""}, phase: provision.PhaseDone, saying: "403"},
		"any with a status":            {verify: httpapi.VerifyAny, answer: answer{"/api/ok", 204, ""}, parameters: `{"path":"/ok","status":204}`, phase: provision.PhaseDone, saying: "204"},
		"any with another status":      {verify: httpapi.VerifyAny, answer: answer{"/api/ok", 200, ""}, parameters: `{"path":"/ok","status":204}`, phase: provision.PhaseFailed, saying: "answers 200, want 204"},
		"any that is overloaded":       {verify: httpapi.VerifyAny, answer: answer{"/api", 429, ""}, phase: provision.PhaseRetry, saying: "429"},
		"wrong parameters":             {verify: httpapi.VerifyAny, answer: answer{"/api", 200, ""}, parameters: `[]`, phase: provision.PhaseFailed, saying: "parameters"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := standin(t, test.answer)
			report, err := test.verify(context.Background(), task(server.URL+"/api/", test.parameters))
			result := provision.Conclude(provision.Request{Action: provision.ActionVerify}, report, err)
			if result.Phase != test.phase || !strings.Contains(result.Message, test.saying) {
				t.Errorf("ended %s (%s): %q; want %s saying %q", result.Phase, result.Reason, result.Message, test.phase, test.saying)
			}
		})
	}
}

func TestVerify_standinMediatorWithCredentials(t *testing.T) {
	const statement = `{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1"}`
	open := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		username, password, _ := r.BasicAuth()
		if !open && (username != "clinic" || password != "right") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(statement))
	}))
	t.Cleanup(server.Close)
	prove := func(verify provision.HandlerFunc, password string) provision.Result {
		asked := task(server.URL+"/api", "")
		asked.Request.Outputs["username"] = "clinic"
		asked.Credentials = provision.Secrets{"password": password}
		report, err := verify(context.Background(), asked)
		return provision.Conclude(provision.Request{Action: provision.ActionVerify}, report, err)
	}
	for name, verify := range map[string]provision.HandlerFunc{"FHIR": httpapi.VerifyFHIR, "any": httpapi.VerifyAny} {
		open = false
		if result := prove(verify, "right"); result.Phase != provision.PhaseDone {
			t.Errorf("%s: got %+v", name, result)
		}
		if result := prove(verify, "wrong"); result.Reason != provision.ReasonCredentialsRejected || strings.Contains(result.Message, "wrong") {
			t.Errorf("%s: a wrong password: got %+v", name, result)
		}
		open = true
		if result := prove(verify, "right"); result.Phase != provision.PhaseFailed || !strings.Contains(result.Message, "without credentials") {
			t.Errorf("%s: open to everybody: got %+v", name, result)
		}
	}
}

func TestVerify_standinThatIsGoneOrNotTrusted(t *testing.T) {
	plain := standin(t, answer{"/", 200, ""})
	plain.Close()
	report, err := httpapi.VerifyAny(context.Background(), task(plain.URL, ""))
	if result := provision.Conclude(provision.Request{}, report, err); result.Phase != provision.PhaseRetry || !strings.Contains(result.Message, "connection refused") {
		t.Errorf("got %+v", result)
	}
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	trusting := task(secure.URL, "")
	report, err = httpapi.VerifyAny(context.Background(), trusting)
	if result := provision.Conclude(provision.Request{}, report, err); result.Phase != provision.PhaseFailed || !strings.Contains(result.Message, "not trusted") {
		t.Errorf("got %+v", result)
	}
	trusting.Credentials = provision.Secrets{"ca.crt": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))}
	report, err = httpapi.VerifyAny(context.Background(), trusting)
	if result := provision.Conclude(provision.Request{}, report, err); result.Phase != provision.PhaseDone {
		t.Errorf("got %+v", result)
	}
	trusting.Credentials = provision.Secrets{"ca.crt": "no certificate"}
	report, err = httpapi.VerifyAny(context.Background(), trusting)
	if result := provision.Conclude(provision.Request{}, report, err); result.Reason != provision.ReasonInvalidRequest {
		t.Errorf("got %+v", result)
	}
	report, err = httpapi.VerifyFHIR(context.Background(), provision.Task{})
	if result := provision.Conclude(provision.Request{}, report, err); result.Reason != provision.ReasonInvalidRequest {
		t.Errorf("got %+v", result)
	}
}
