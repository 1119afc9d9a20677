package httpupsert_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/httpupsert"
	"github.com/dpi-operator/dpi-operator/internal/provision/keycloak/kctest"
)

// realmTask is what the Job of the step is asked.
func realmTask(t *testing.T) provision.Task {
	t.Helper()
	content, err := os.ReadFile("testdata/prepare-realm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var step v1alpha1.PrepareStep
	if err := yaml.UnmarshalStrict(content, &step); err != nil {
		t.Fatal(err)
	}
	if err := httpupsert.Check(*step.HTTP); err != nil {
		t.Fatal(err)
	}
	registration, err := json.Marshal(step.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	return provision.Task{
		Request: provision.Request{
			APIVersion: provision.APIVersion, Handler: step.Provisioner, Contract: v1alpha1.ContractPreparation,
			Parameters: step.Parameters.Raw, HTTP: registration,
			Binding:  provision.Binding{UID: "uid-of-step", Namespace: "health", Name: "he-id-prepare-realm"},
			Endpoint: provision.Endpoint{URL: keycloak(t).URL}, Outputs: map[string]string{"url": keycloak(t).URL},
		},
		Admin: provision.Secrets{"username": kctest.Username, "password": kctest.Password},
	}
}

func TestKeycloak_aPreparationMakesTheRealmAndKeepsItSo(t *testing.T) {
	task := realmTask(t)
	mustProvision(t, task)
	issuer := func() int {
		answer, err := http.Get(keycloak(t).URL + "/realms/citizens/.well-known/openid-configuration")
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode
	}
	if status := issuer(); status != http.StatusOK {
		t.Fatalf("nobody can log in to the realm: %d", status)
	}
	wantSettings := func() {
		t.Helper()
		var realm map[string]any
		ask(t, http.MethodGet, "/citizens", nil, &realm)
		if got := fmt.Sprint(realm["bruteForceProtected"], realm["registrationAllowed"], realm["accessTokenLifespan"]); got != "true false 300" {
			t.Errorf("got %s", got)
		}
	}
	wantSettings()
	// Somebody changes it by hand; the next run mends it, and leaves the rest as it is.
	ask(t, http.MethodPut, "/citizens", map[string]any{"bruteForceProtected": false, "accessTokenLifespan": 86400, "displayName": "Citizens"}, nil)
	mustProvision(t, task)
	wantSettings()
	var realm map[string]any
	ask(t, http.MethodGet, "/citizens", nil, &realm)
	if realm["displayName"] != "Citizens" {
		t.Errorf("what nobody asked for was changed: %v", realm["displayName"])
	}
	// The step of another deployment has no say in it.
	other := realmTask(t)
	other.Request.Binding.UID = "uid-of-another"
	report, err := httpupsert.Provision(testContext(t), other)
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonForeignObject)
	mustRevoke(t, other)
	wantSettings()

	mustRevoke(t, task)
	if status := issuer(); status != http.StatusNotFound {
		t.Errorf("the realm is still there: %d", status)
	}
}
