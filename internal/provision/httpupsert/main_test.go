package httpupsert_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/httpupsert"
	"github.com/dpi-operator/dpi-operator/internal/provision/httpupsert/himtest"
	"github.com/dpi-operator/dpi-operator/internal/provision/keycloak/kctest"
)

// The servers start with the first test that needs them.
var (
	identity = sync.OnceValues(func() (*kctest.Server, error) { return kctest.Start(context.Background()) })
	exchange = sync.OnceValues(func() (*himtest.Server, error) { return himtest.Start(context.Background()) })
	running  []io.Closer
)

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	code := m.Run()
	for _, server := range running {
		if err := server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

// keycloak is a real one on a real database.
func keycloak(t *testing.T) *kctest.Server {
	t.Helper()
	return started(t, identity)
}

// openhim is a real one, whose database is a stand-in.
func openhim(t *testing.T) *himtest.Server {
	t.Helper()
	return started(t, exchange)
}

func started[S interface {
	comparable
	io.Closer
}](t *testing.T, start func() (S, error)) S {
	t.Helper()
	server, err := start()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(running, io.Closer(server)) {
		running = append(running, server)
	}
	return server
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// registration reads one of testdata as a catalogue would have it, and holds it to Check.
func registration(t *testing.T, name string) json.RawMessage {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var parsed v1alpha1.HTTPRegistration
	if err := yaml.UnmarshalStrict(content, &parsed); err != nil {
		t.Fatal(err)
	}
	if err := httpupsert.Check(parsed); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(parsed)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// registered reads how the catalogue has a good register a contract.
func registered(t *testing.T, good, contract string) json.RawMessage {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("../../../config/catalog/goods", filepath.Base(good)+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var entry v1alpha1.DigitalPublicGood
	if err := yaml.UnmarshalStrict(content, &entry); err != nil {
		t.Fatal(err)
	}
	for _, provided := range entry.Spec.Provides {
		if provided.Contract == contract && provided.HTTP != nil {
			raw, err := json.Marshal(provided.HTTP)
			if err != nil {
				t.Fatal(err)
			}
			return raw
		}
	}
	t.Fatalf("%s does not register %s", good, contract)
	return nil
}

func mustBeDone(t *testing.T, report provision.Report, err error) provision.Report {
	t.Helper()
	result := provision.Conclude(provision.Request{}, report, err)
	if result.Phase != provision.PhaseDone {
		t.Fatalf("ended %s (%s): %s", result.Phase, result.Reason, result.Message)
	}
	return report
}

func mustEnd(t *testing.T, report provision.Report, err error, phase provision.Phase, reason string) provision.Result {
	t.Helper()
	result := provision.Conclude(provision.Request{}, report, err)
	if result.Phase != phase || result.Reason != reason {
		t.Fatalf("ended %s (%s): %q; want %s (%s)", result.Phase, result.Reason, result.Message, phase, reason)
	}
	return result
}

func mustProvision(t *testing.T, task provision.Task) provision.Report {
	t.Helper()
	report, err := httpupsert.Provision(testContext(t), task)
	return mustBeDone(t, report, err)
}

// mustRevoke revokes as a Job does whose binding lost its Secret.
func mustRevoke(t *testing.T, task provision.Task) {
	t.Helper()
	task.Credentials = nil
	report, err := httpupsert.Revoke(testContext(t), task)
	mustBeDone(t, report, err)
}
