package keycloak

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/oidc"
)

// traces is what a realm has of a client: itself, and the account that Keycloak keeps for it.
func traces(t *testing.T, realm, id string) []string {
	t.Helper()
	var clients, accounts []map[string]any
	do(t, call{method: http.MethodGet, path: []string{realm, "clients"}, query: url.Values{"clientId": {id}}, into: &clients})
	do(t, call{method: http.MethodGet, path: []string{realm, "users"}, query: url.Values{"username": {"service-account-" + id}, "exact": {"true"}}, into: &accounts})
	var found []string
	for range clients {
		found = append(found, "client "+id)
	}
	for range accounts {
		found = append(found, "account of "+id)
	}
	return found
}

func TestRevoke_killedAfterAnyRequestAndRunAgainEndsTheSame(t *testing.T) {
	neighbour := clientTask("neighbour", killedParameters("kill-revoke"))
	mustProvision(t, neighbour)
	want := state(t, "kill-revoke", "health-neighbour")
	for how, withName := range map[string]bool{"by its name": true, "by its mark": false} {
		for requests := 1; ; requests++ {
			name := fmt.Sprintf("ended%02d-%t", requests, withName)
			task := clientTask(name, killedParameters("kill-revoke"))
			mustProvision(t, task)
			if found := traces(t, "kill-revoke", "health-"+name); len(found) != 2 {
				t.Fatalf("the realm has %v before, the test proves nothing", found)
			}
			revoking := task
			if !withName {
				revoking.Request.Outputs = nil
			}
			relay := newRelay(t, requests)
			broken := revoking
			broken.Request.Endpoint.URL = relay.URL
			_, err := Revoke(testContext(t), broken)
			relay.Close()
			mustRevoke(t, revoking)
			if found := traces(t, "kill-revoke", "health-"+name); len(found) > 0 {
				t.Fatalf("found %s, killed after request %d (%s), then run again: left %v", how, requests, relay.last(), found)
			}
			if err == nil {
				t.Logf("found %s: killed after each of %d requests", how, requests-1)
				break
			}
		}
	}
	if diff := cmp.Diff(want, state(t, "kill-revoke", "health-neighbour")); diff != "" {
		t.Errorf("the client of another binding changed (-want +got):\n%s", diff)
	}
	report, err := oidc.VerifyClient(testContext(t), neighbour)
	mustBeDone(t, report, err)
}

// A binding whose realm was changed has its client taken out of the old one with the parameters of then.
func TestRevoke_goesByTheRealmOfTheRequestAndNothingElse(t *testing.T) {
	asked := parameters{Realm: "moved-from", Roles: []string{"USER"}}
	before := clientTask("moving", asked)
	mustProvision(t, before)
	asked.Realm = "moved-to"
	after := clientTask("moving", asked)
	mustProvision(t, after)
	want := state(t, "moved-to", "health-moving")
	for name, parameters := range map[string]string{
		"as they were":              `{"realm": "moved-from", "roles": ["USER"]}`,
		"that had more once":        `{"realm": "moved-from", "theme": "of an older contract"}`,
		"that are refused nowadays": `{"realm": "moved-from", "roles": [""], "redirectURIs": "everywhere"}`,
	} {
		t.Run(name, func(t *testing.T) {
			mustProvision(t, before)
			leaving := after
			leaving.Request.Parameters = []byte(parameters)
			mustRevoke(t, leaving)
			if found := traces(t, "moved-from", "health-moving"); len(found) > 0 {
				t.Errorf("left in the old realm: %v", found)
			}
		})
	}
	if diff := cmp.Diff(want, state(t, "moved-to", "health-moving")); diff != "" {
		t.Errorf("the client of the new realm changed (-want +got):\n%s", diff)
	}
	report, err := oidc.VerifyClient(testContext(t), after)
	mustBeDone(t, report, err)
}

func TestRevoke_isDoneWhereTheRealmIsGone(t *testing.T) {
	task := clientTask("orphan", parameters{Realm: "abolished", Roles: []string{"USER"}})
	mustProvision(t, task)
	do(t, call{method: http.MethodDelete, path: []string{"abolished"}})
	unnamed := task
	unnamed.Request.Outputs = nil
	for _, each := range []provision.Task{task, unnamed} {
		report, err := Revoke(testContext(t), each)
		mustBeDone(t, report, err)
		if !strings.Contains(report.Message, "nothing of this binding is in realm abolished") {
			t.Errorf("it says %q", report.Message)
		}
	}
	do(t, call{method: http.MethodGet, path: []string{"abolished"}, accept: []int{http.StatusNotFound}})
	issuer := issuerTask("abolished", "USER")
	mustRevoke(t, issuer)
}

func TestRevoke_withoutARealmSaysSo(t *testing.T) {
	for _, parameters := range []string{``, `{}`, `{"realm": 7}`, `{"realm": "../x"}`, `{"realm": "master"}`} {
		task := clientTask("nowhere", killedParameters("kill-revoke"))
		task.Request.Parameters = []byte(parameters)
		report, err := Revoke(testContext(t), task)
		result := mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonInvalidRequest)
		if !strings.Contains(result.Message, "realm") {
			t.Errorf("parameters %q: it says %q", parameters, result.Message)
		}
	}
}
