package keycloak

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/keycloak/kctest"
)

var server *kctest.Server

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	var err error
	server, err = kctest.Start(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := server.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

const testTimeout = 2 * time.Minute

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	return ctx
}

func issuerTask(realm string, roles ...string) provision.Task {
	return newTask(contractIssuer, "ehr-identity", parameters{Realm: realm, Roles: roles})
}

func clientTask(name string, asked parameters) provision.Task {
	task := newTask(contractClient, name, asked)
	task.Request.Outputs["client-id"] = "health-" + name
	task.Credentials["client-secret"] = "secret of " + name + " & more: 100%"
	return task
}

func newTask(contract, name string, asked parameters) provision.Task {
	raw, err := json.Marshal(asked)
	if err != nil {
		panic(err)
	}
	return provision.Task{
		Request: provision.Request{
			APIVersion: provision.APIVersion, Handler: "keycloak", Contract: contract, Parameters: raw,
			Binding:  provision.Binding{UID: "uid-of-" + name, Namespace: "health", Name: name},
			Endpoint: provision.Endpoint{URL: server.URL},
			Outputs:  map[string]string{"issuer-url": server.URL + "/realms/" + asked.Realm},
		},
		Admin:       provision.Secrets{"username": kctest.Username, "password": kctest.Password},
		Credentials: provision.Secrets{},
	}
}

func mustBeDone(t *testing.T, report provision.Report, err error) {
	t.Helper()
	result := provision.Conclude(provision.Request{}, report, err)
	if result.Phase != provision.PhaseDone {
		t.Fatalf("ended %s (%s): %s", result.Phase, result.Reason, result.Message)
	}
}

func mustProvision(t *testing.T, task provision.Task) {
	t.Helper()
	report, err := Provision(testContext(t), task)
	mustBeDone(t, report, err)
}

func mustRevoke(t *testing.T, task provision.Task) {
	t.Helper()
	task.Credentials = nil
	report, err := Revoke(testContext(t), task)
	mustBeDone(t, report, err)
}

func mustEnd(t *testing.T, report provision.Report, err error, phase provision.Phase, reason string) provision.Result {
	t.Helper()
	result := provision.Conclude(provision.Request{}, report, err)
	if result.Phase != phase || result.Reason != reason {
		t.Fatalf("ended %s (%s): %q; want %s (%s)", result.Phase, result.Reason, result.Message, phase, reason)
	}
	return result
}

// do lets a test look at, or meddle with, the server as its admin.
func do(t *testing.T, c call) {
	t.Helper()
	a, err := login(testContext(t), issuerTask("any"))
	if err != nil {
		t.Fatal(err)
	}
	if c.accept == nil {
		c.accept = []int{http.StatusOK, http.StatusCreated, http.StatusNoContent}
	}
	if _, err := a.do(testContext(t), c); err != nil {
		t.Fatal(err)
	}
}
