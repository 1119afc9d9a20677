package httpupsert_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/httpupsert"
	"github.com/dpi-operator/dpi-operator/internal/provision/keycloak/kctest"
)

func scopeTask(t *testing.T, realm, name string) provision.Task {
	t.Helper()
	return provision.Task{
		Request: provision.Request{
			APIVersion: provision.APIVersion, Handler: "http-upsert", Contract: "keycloak-scope-v1",
			Parameters: fmt.Appendf(nil, `{"realm": %q, "description": "for tests"}`, realm),
			Binding:    provision.Binding{UID: "uid-of-" + name, Namespace: "health", Name: name},
			Endpoint:   provision.Endpoint{URL: keycloak(t).URL}, HTTP: registration(t, "keycloak-scope"),
			Outputs: map[string]string{"scope": "scope-" + name},
		},
		Admin:       provision.Secrets{"username": kctest.Username, "password": kctest.Password},
		Credentials: provision.Secrets{"password": "password of " + name},
	}
}

// ask lets a test look at, or meddle with, the server as its admin; 404 leaves into as it is.
func ask(t *testing.T, method, path string, body, into any) {
	t.Helper()
	form := url.Values{"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {kctest.Username}, "password": {kctest.Password}}
	granted, err := http.PostForm(keycloak(t).URL+"/realms/master/protocol/openid-connect/token", form)
	if err != nil {
		t.Fatal(err)
	}
	var token struct {
		Value string `json:"access_token"`
	}
	err = json.NewDecoder(granted.Body).Decode(&token)
	if closed := granted.Body.Close(); err != nil || closed != nil {
		t.Fatal(err, closed)
	}
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			t.Fatal(err)
		}
	}
	request, err := http.NewRequestWithContext(testContext(t), method, keycloak(t).URL+"/admin/realms"+path, &content)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token.Value)
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	switch {
	case answer.StatusCode == http.StatusNotFound:
	case answer.StatusCode >= http.StatusMultipleChoices:
		t.Fatalf("%s %s: %s", method, path, answer.Status)
	case into != nil:
		if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
			t.Fatal(err)
		}
	}
}

// scopeState is everything the registration makes, without what Keycloak makes up.
func scopeState(t *testing.T, realm, name string) map[string]any {
	t.Helper()
	var scopes []map[string]any
	ask(t, http.MethodGet, "/"+realm+"/client-scopes", nil, &scopes)
	out := map[string]any{}
	for _, scope := range scopes {
		if scope["name"] != "scope-"+name {
			continue
		}
		if out["scope"] != nil {
			t.Fatalf("there are two scopes of %s", name)
		}
		out["scope"] = scope
	}
	var role map[string]any
	ask(t, http.MethodGet, "/"+realm+"/roles/scope-"+name, nil, &role)
	if role != nil {
		out["role"] = role
	}
	return out
}

// impersonal takes out of a state what differs from run to run, and holds the role to the scope it names.
func impersonal(t *testing.T, state map[string]any) map[string]any {
	t.Helper()
	scope, role := state["scope"].(map[string]any), state["role"].(map[string]any)
	if got := role["attributes"].(map[string]any)["scope"]; fmt.Sprint(got) != fmt.Sprintf("[%s]", scope["id"]) {
		t.Errorf("the role names scope %v, the scope is %v", got, scope["id"])
	}
	for _, object := range []map[string]any{scope, role} {
		for _, key := range []string{"id", "name", "containerId"} {
			delete(object, key)
		}
		attributes := object["attributes"].(map[string]any)
		for _, key := range []string{"dpi-operator.io/binding-uid", "secret-digest", "uid", "scope"} {
			delete(attributes, key)
		}
	}
	return state
}

func TestKeycloak_whatWasRegisteredIsFoundAgainMendedAndRevoked(t *testing.T) {
	task := scopeTask(t, "registered", "first")
	minted := mustProvision(t, task).Outputs["scope-id"]
	before := scopeState(t, "registered", "first")
	scope := before["scope"].(map[string]any)
	if minted == "" || minted != scope["id"] {
		t.Errorf("minted %q, the scope is %v", minted, scope["id"])
	}
	// Whole bodies keep what others wrote.
	scope["attributes"].(map[string]any)["note"], scope["description"] = "of somebody else", "changed"
	ask(t, http.MethodPut, "/registered/client-scopes/"+minted, scope, nil)
	if again := mustProvision(t, task).Outputs["scope-id"]; again != minted {
		t.Errorf("minted twice: %s and %s", minted, again)
	}
	after := scopeState(t, "registered", "first")["scope"].(map[string]any)
	if after["description"] != "for tests" || after["attributes"].(map[string]any)["note"] != "of somebody else" {
		t.Errorf("got %v", after)
	}
	through := newRelay(t, keycloak(t).URL, "", 100)
	second := task
	second.Request.Endpoint.URL = through.URL
	mustProvision(t, second)
	for _, request := range through.seen[1:] {
		if !strings.HasPrefix(request, http.MethodGet+" ") {
			t.Errorf("the second run sent %s", request)
		}
	}
	mustRevoke(t, task)
	if left := scopeState(t, "registered", "first"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	mustRevoke(t, task)
	var realm map[string]any
	ask(t, http.MethodGet, "/registered", nil, &realm)
	if realm["enabled"] != true {
		t.Error("what is shared went, too")
	}
}

func TestKeycloak_leavesForeignObjectsAlone(t *testing.T) {
	task := scopeTask(t, "contest", "contested")
	mustProvision(t, task)
	before := scopeState(t, "contest", "contested")
	other := scopeTask(t, "contest", "contested")
	other.Request.Binding.UID = "uid-of-another"
	report, err := httpupsert.Provision(testContext(t), other)
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonForeignObject)
	mustRevoke(t, other)
	if diff := cmp.Diff(before, scopeState(t, "contest", "contested")); diff != "" {
		t.Errorf("something changed (-before +after):\n%s", diff)
	}
}

func TestKeycloak_aChosenPartOfAPathLeadsNowhereElse(t *testing.T) {
	// A name with a slash is a name; one that is a direction is refused.
	for _, realm := range []string{"../realms/master", "..", "x?y=", "a/b", "master%2Fusers"} {
		report, err := httpupsert.Provision(testContext(t), scopeTask(t, realm, "elsewhere"))
		result := provision.Conclude(provision.Request{}, report, err)
		if realm == ".." && result.Reason != provision.ReasonInvalidRequest {
			t.Errorf("realm %q: %s (%s)", realm, result.Message, result.Reason)
		}
	}
	if found := scopeState(t, "master", "elsewhere"); len(found) > 0 {
		t.Errorf("something was made in another realm: %v", found)
	}
}

func TestKeycloak_killedAfterAnyRequestAndRunAgainEndsTheSame(t *testing.T) {
	mustProvision(t, scopeTask(t, "kill", "reference"))
	want := impersonal(t, scopeState(t, "kill", "reference"))
	for requests := 1; ; requests++ {
		// The first requests make the realm, which takes seconds; the others find one.
		name, realm := fmt.Sprintf("killed%02d", requests), "kill"
		if requests < 5 {
			realm = "kill-" + name
		}
		task := scopeTask(t, realm, name)
		through := newRelay(t, keycloak(t).URL, "", requests)
		broken := task
		broken.Request.Endpoint.URL = through.URL
		_, err := httpupsert.Provision(testContext(t), broken)
		through.Close()
		if err == nil {
			t.Logf("provision was killed after each of %d requests", requests-1)
			break
		}
		mustProvision(t, task)
		if diff := cmp.Diff(want, impersonal(t, scopeState(t, realm, name))); diff != "" {
			t.Fatalf("killed after request %d (%s), then run again (-want +got):\n%s", requests, through.last(), diff)
		}
	}
	for requests := 1; ; requests++ {
		name := fmt.Sprintf("ended%02d", requests)
		task := scopeTask(t, "kill", name)
		mustProvision(t, task)
		through := newRelay(t, keycloak(t).URL, "", requests)
		broken := task
		broken.Request.Endpoint.URL = through.URL
		_, err := httpupsert.Revoke(testContext(t), broken)
		through.Close()
		if err == nil {
			t.Logf("revoke was killed after each of %d requests", requests-1)
			return
		}
		mustRevoke(t, task)
		if left := scopeState(t, "kill", name); len(left) > 0 {
			t.Fatalf("killed after request %d (%s), then run again: left %v", requests, through.last(), left)
		}
	}
}
