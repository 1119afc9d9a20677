package registry_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/registry"
	"github.com/dpi-operator/dpi-operator/internal/registryclient"
	"github.com/dpi-operator/dpi-operator/internal/wire"
)

const (
	token      = "correct horse battery staple"
	deployment = "6d3b1f0e-52b7-4d3e-9a55-8e2f8a3c1f00"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// world is a registry over a real SQLite file, served on a loopback port.
type world struct {
	t    *testing.T
	dir  string
	now  time.Time
	http *httptest.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), now: noon}
	reporters := "reporters:\n- {id: demo, tokenHash: \"" + registry.HashToken(token) + "\", organisations: [\"https://health.example.org\"], jurisdictions: [\"iso3166:KE\"]}\n" +
		"- {id: other, tokenHash: \"" + registry.HashToken("other") + "\", organisations: [\"https://health.example.org\"], jurisdictions: [\"iso3166:KE\"]}\n"
	if err := os.WriteFile(filepath.Join(w.dir, "reporters.yaml"), []byte(reporters), 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	return w
}

func (w *world) start() {
	w.t.Helper()
	store, err := registry.Open(w.t.Context(), filepath.Join(w.dir, "registry.db"))
	if err != nil {
		w.t.Fatal(err)
	}
	server := &registry.Server{
		Store: store, Reporters: registry.Reporters{Path: filepath.Join(w.dir, "reporters.yaml")},
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: func() time.Time { return w.now },
	}
	w.http = httptest.NewServer(server.Handler())
	w.t.Cleanup(func() {
		w.http.Close()
		_ = store.Close()
	})
}

func snapshot() wire.Deployment {
	return wire.Deployment{
		SchemaVersion: wire.SchemaVersion, DeploymentID: deployment,
		Organisation:  wire.Organisation{URI: "https://health.example.org", Name: "Ministry of Health"},
		Jurisdictions: []string{"iso3166:KE"}, Environment: "production", Stage: "pilot", State: wire.StateReady, Health: wire.HealthHealthy,
		Components: []wire.Component{{
			Name: "ehr", Version: "2.16", State: wire.StateReady, Health: wire.HealthHealthy,
			Good: wire.Good{Identifiers: map[string]string{"repo": "https://github.com/ehrbase/ehrbase"}},
		}},
		ObservedAt: noon, ReportIntervalSeconds: 86400, Disclosure: wire.Disclosure{Version: "minor", Tier: "partner"},
	}
}

func (w *world) event(sequence int64, change func(*wire.Deployment)) wire.Event {
	w.t.Helper()
	content := snapshot()
	if change != nil {
		change(&content)
	}
	event, err := wire.NewReported("https://registry.example.org", "demo", sequence, content)
	if err != nil {
		w.t.Fatal(err)
	}
	return event
}

func (w *world) post(event any, bearer string) (int, wire.Problem) {
	w.t.Helper()
	body, err := json.Marshal(event)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.postRaw(body, bearer)
}

func (w *world) postRaw(body []byte, bearer string) (int, wire.Problem) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.http.URL+"/v1/events", bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Content-Type", wire.ContentType)
	request.Header.Set("Authorization", "Bearer "+bearer)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	var problem wire.Problem
	if response.StatusCode >= 400 {
		if err := json.Unmarshal(data, &problem); err != nil {
			w.t.Fatalf("%v in %s", err, data)
		}
	}
	return response.StatusCode, problem
}

func (w *world) get(path string) string {
	w.t.Helper()
	response, err := http.Get(w.http.URL + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}

func TestAReportIsShown(t *testing.T) {
	w := newWorld(t)
	if status, problem := w.post(w.event(1, nil), token); status != http.StatusAccepted {
		t.Fatalf("got %d %+v", status, problem)
	}
	page := w.get("/")
	for _, want := range []string{"Ministry of Health", "iso3166:KE", "Ready", "ehr 2.16", "Fresh", "<caption>", `lang="en"`, `scope="col"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "src=") {
		t.Error("the page loads something")
	}
}

func TestOrderAndIdempotence(t *testing.T) {
	w := newWorld(t)
	first := w.event(5, nil)
	degraded := func(d *wire.Deployment) { d.State, d.Health = wire.StateDegraded, wire.HealthDegraded }
	for _, tc := range []struct {
		name        string
		event       wire.Event
		wantStatus  int
		wantProblem string
	}{
		{"a first event", first, 202, ""},
		{"the same again", first, 200, ""},
		{"another body under the same id", w.event(5, degraded), 409, wire.ProblemReused},
		{"an older one", w.event(4, degraded), 409, wire.ProblemStale},
		{"a newer one", w.event(6, degraded), 202, ""},
		{"a late retry of the first", first, 200, ""},
	} {
		status, problem := w.post(tc.event, token)
		if status != tc.wantStatus || problem.Type != tc.wantProblem {
			t.Errorf("%s: got %d %s", tc.name, status, problem.Type)
		}
		if tc.wantStatus == 409 && problem.AcceptedSequence != 5 {
			t.Errorf("%s: accepted sequence %d", tc.name, problem.AcceptedSequence)
		}
	}
	if page := w.get("/"); !strings.Contains(page, "Degraded") {
		t.Error("the late retry replaced the newest state")
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	unknown := w.event(1, nil)
	unknown.Data = bytes.Replace(unknown.Data, []byte(`{"schemaVersion"`), []byte(`{"password":"hunter2","schemaVersion"`), 1)
	for name, tc := range map[string]struct {
		event  any
		bearer string
		want   int
	}{
		"a wrong token":        {w.event(1, nil), "wrong", 401},
		"another country":      {w.event(1, func(d *wire.Deployment) { d.Jurisdictions = []string{"iso3166:RW"} }), token, 403},
		"another organisation": {w.event(1, func(d *wire.Deployment) { d.Organisation.URI = "https://other.example.org" }), token, 403},
		"an unknown field":     {unknown, token, 400},
		"a sentence as state":  {w.event(1, func(d *wire.Deployment) { d.State = "it broke" }), token, 422},
		"an address as name":   {w.event(1, func(d *wire.Deployment) { d.Organisation.Name = "admin@example.org" }), token, 422},
		"too much":             {w.event(1, func(d *wire.Deployment) { d.Jurisdictions = []string{strings.Repeat("x", wire.MaxBytes)} }), token, 413},
	} {
		t.Run(name, func(t *testing.T) {
			status, problem := w.post(tc.event, tc.bearer)
			if status != tc.want {
				t.Errorf("got %d %+v", status, problem)
			}
			if text, err := json.Marshal(problem); err != nil || strings.Contains(string(text), "hunter2") || strings.Contains(string(text), "admin@") {
				t.Errorf("the answer repeats the value: %s", text)
			}
		})
	}
	if page := w.get("/"); !strings.Contains(page, "No deployment has been reported yet") {
		t.Error("a refused event left something")
	}
}

func TestAnotherReporterCannotSpeakForIt(t *testing.T) {
	w := newWorld(t)
	w.post(w.event(1, nil), token)
	if status, _ := w.post(w.event(2, nil), "other"); status != http.StatusForbidden {
		t.Errorf("got %d", status)
	}
}

func TestItSurvivesARestart(t *testing.T) {
	w := newWorld(t)
	w.post(w.event(3, nil), token)
	w.http.Close()
	w.start()
	if status, problem := w.post(w.event(2, nil), token); status != 409 || problem.AcceptedSequence != 3 {
		t.Errorf("got %d %+v", status, problem)
	}
}

func TestSilenceAges(t *testing.T) {
	w := newWorld(t)
	w.post(w.event(1, nil), token)
	for _, tc := range []struct {
		after time.Duration
		want  string
	}{{47 * time.Hour, "Fresh"}, {4 * 24 * time.Hour, "Late"}, {20 * 24 * time.Hour, "Stale"}} {
		w.now = noon.Add(tc.after)
		if data := w.get("/v1/deployments"); !strings.Contains(data, `"freshness":"`+tc.want+`"`) {
			t.Errorf("after %s: want %s in %s", tc.after, tc.want, data)
		}
	}
	w.now = noon.Add(365 * 24 * time.Hour)
	if data := w.get("/v1/deployments"); strings.Contains(data, deployment) {
		t.Error("a lost deployment still counts")
	}
}

func TestTwoWritersOfTheSameSequenceLeaveOneReport(t *testing.T) {
	w := newWorld(t)
	var group sync.WaitGroup
	statuses := make(chan int, 20)
	event := w.event(1, nil)
	for range 20 {
		group.Go(func() {
			status, _ := w.post(event, token)
			statuses <- status
		})
	}
	group.Wait()
	close(statuses)
	fresh := 0
	for status := range statuses {
		switch status {
		case 202:
			fresh++
		case 200:
		default:
			t.Errorf("got %d", status)
		}
	}
	if fresh != 1 {
		t.Errorf("accepted %d times", fresh)
	}
}

func TestTheOperatorsClientUnderstandsTheAnswers(t *testing.T) {
	w := newWorld(t)
	client, err := registryclient.New(registryclient.Registry{URL: w.http.URL, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := client.Self(t.Context()); err != nil || answer.Status != 200 {
		t.Errorf("got %+v, %v", answer, err)
	}
	if answer, err := client.Send(t.Context(), w.event(7, nil)); err != nil || answer.Status != 202 {
		t.Errorf("got %+v, %v", answer, err)
	}
	answer, err := client.Send(t.Context(), w.event(6, nil))
	if err != nil || answer.Status != 409 || answer.AcceptedSequence != 7 {
		t.Errorf("got %+v, %v", answer, err)
	}
}
