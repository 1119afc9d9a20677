package keycloak

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/credentials"
	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/oidc"
)

func TestProvision_issuerIsProvedByItsDiscoveryDocument(t *testing.T) {
	task := issuerTask("health", "USER", "ADMIN")
	if report, err := oidc.VerifyIssuer(testContext(t), task); err == nil && report.Holds() {
		t.Fatal("a realm that was not made is proved")
	}
	mustProvision(t, task)
	mustProvision(t, task)
	report, err := oidc.VerifyIssuer(testContext(t), task)
	mustBeDone(t, report, err)
	var names []string
	for _, each := range rolesOf(t, "health") {
		names = append(names, each.Name)
	}
	for _, want := range []string{"ADMIN", "USER"} {
		if !slices.Contains(names, want) {
			t.Errorf("the realm lacks role %s, it has %s", want, names)
		}
	}
	// The realm is shared: ending one edge leaves it to the others.
	mustRevoke(t, task)
	report, err = oidc.VerifyIssuer(testContext(t), task)
	mustBeDone(t, report, err)
}

func rolesOf(t *testing.T, realm string) []role {
	t.Helper()
	var roles []role
	do(t, call{method: http.MethodGet, path: []string{realm, "roles"}, into: &roles})
	return roles
}

func TestProvision_clientGetsTokensWithItsRolesAndNoOthers(t *testing.T) {
	task := clientTask("clinic-app", parameters{Realm: "clients", Roles: []string{"USER"}, RedirectURIs: []string{"https://app.example.org/callback", "http://127.0.0.1:7777/x?y=1"}})
	report, err := oidc.VerifyClient(testContext(t), task)
	if err == nil && report.Holds() {
		t.Fatal("a client that was not made is proved")
	}
	mustProvision(t, task)
	report, err = oidc.VerifyClient(testContext(t), task)
	mustBeDone(t, report, err)

	got := clientNamed(t, "clients", "health-clinic-app")
	for field, want := range map[string]any{
		"publicClient": false, "implicitFlowEnabled": false, "directAccessGrantsEnabled": false, "standardFlowEnabled": true, "serviceAccountsEnabled": true, "fullScopeAllowed": false,
	} {
		if got[field] != want {
			t.Errorf("%s is %v, want %v", field, got[field], want)
		}
	}
	for _, address := range []string{"https://app.example.org/callback/more", "https://app.example.org/callbac", "https://evil.example.org/"} {
		wrong := task
		wrong.Request.Parameters = fmt.Appendf(nil, `{"realm": "clients", "redirectURIs": [%q]}`, address)
		report, err := oidc.VerifyClient(testContext(t), wrong)
		mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCheckFailed)
	}
	mustRevoke(t, task)
	report, err = oidc.VerifyClient(testContext(t), task)
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCredentialsRejected)
	mustRevoke(t, task)
	// Without its name the client is found by whom it belongs to.
	mustProvision(t, task)
	unnamed := task
	unnamed.Request.Outputs = nil
	mustRevoke(t, unnamed)
	report, err = oidc.VerifyClient(testContext(t), task)
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCredentialsRejected)
}

func clientNamed(t *testing.T, realm, id string) map[string]any {
	t.Helper()
	var found []map[string]any
	do(t, call{method: http.MethodGet, path: []string{realm, "clients"}, query: url.Values{"clientId": {id}}, into: &found})
	if len(found) != 1 {
		t.Fatalf("realm %s has %d clients %s", realm, len(found), id)
	}
	return found[0]
}

// state is a client with everything that belongs to it, without what Keycloak makes up by itself.
func state(t *testing.T, realm, id string) map[string]any {
	t.Helper()
	found := clientNamed(t, realm, id)
	key := found["id"].(string)
	var account struct {
		ID string `json:"id"`
	}
	do(t, call{method: http.MethodGet, path: []string{realm, "clients", key, "service-account-user"}, into: &account})
	for name, path := range map[string][]string{
		"account roles": {realm, "users", account.ID, "role-mappings", "realm"},
		"scope roles":   {realm, "clients", key, "scope-mappings", "realm"},
	} {
		var roles []role
		do(t, call{method: http.MethodGet, path: path, into: &roles})
		var names []string
		for _, each := range roles {
			if each.Name != defaultRolesPrefix+realm {
				names = append(names, each.Name)
			}
		}
		slices.Sort(names)
		found[name] = names
	}
	for _, field := range []string{"optionalClientScopes", "defaultClientScopes"} {
		found[field] = sortedWords(found[field].([]any))
	}
	delete(found, "id")
	attributes := found["attributes"].(map[string]any)
	delete(attributes, "client.secret.creation.time")
	delete(found, "protocolMappers")
	return found
}

func TestProvision_clientIsBroughtBackIntoShapeAndOthersFieldsStay(t *testing.T) {
	task := clientTask("drifted", parameters{Realm: "drift", Roles: []string{"USER"}, RedirectURIs: []string{"https://a.example.org/cb"}})
	mustProvision(t, task)
	want := state(t, "drift", "health-drifted")
	found := clientNamed(t, "drift", "health-drifted")
	key := found["id"].(string)
	found["directAccessGrantsEnabled"], found["implicitFlowEnabled"], found["fullScopeAllowed"] = true, true, true
	found["redirectUris"], found["secret"], found["description"] = []string{"*"}, "leaked", "a note"
	do(t, call{method: http.MethodPut, path: []string{"drift", "clients", key}, body: found})
	do(t, call{method: http.MethodPost, path: []string{"drift", "roles"}, body: map[string]string{"name": "ROOT"}})
	var root role
	do(t, call{method: http.MethodGet, path: []string{"drift", "roles", "ROOT"}, into: &root})
	var account struct {
		ID string `json:"id"`
	}
	do(t, call{method: http.MethodGet, path: []string{"drift", "clients", key, "service-account-user"}, into: &account})
	do(t, call{method: http.MethodPost, path: []string{"drift", "users", account.ID, "role-mappings", "realm"}, body: []role{root}})

	mustProvision(t, task)
	got := state(t, "drift", "health-drifted")
	if got["description"] != "a note" {
		t.Errorf("what others wrote was taken away: %v", got["description"])
	}
	delete(got, "description")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("not in shape (-want +got):\n%s", diff)
	}
	report, err := oidc.VerifyClient(testContext(t), task)
	mustBeDone(t, report, err)
}

func TestProvision_clientSecretCanBeExchanged(t *testing.T) {
	task := clientTask("rotated", parameters{Realm: "rotation", Roles: []string{"USER"}})
	mustProvision(t, task)
	before := state(t, "rotation", "health-rotated")
	delete(before, "secret")
	old := clientTask("rotated", parameters{Realm: "rotation", Roles: []string{"USER"}})
	task.Credentials["client-secret"] = "the next one"
	mustProvision(t, task)
	report, err := oidc.VerifyClient(testContext(t), task)
	mustBeDone(t, report, err)
	report, err = oidc.VerifyClient(testContext(t), old)
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCredentialsRejected)
	after := state(t, "rotation", "health-rotated")
	delete(after, "secret")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("more than the secret changed (-before +after):\n%s", diff)
	}
}

// withKey has the client prove itself by signatures. The provisioner sees the public half only.
func withKey(t *testing.T, task provision.Task) (provisioning, proving provision.Task) {
	t.Helper()
	private, err := credentials.GenerateKey("EC-P256", credentials.JWK)
	if err != nil {
		t.Fatal(err)
	}
	public, err := credentials.PublicKey(private, credentials.JWK)
	if err != nil {
		t.Fatal(err)
	}
	task.Request.Outputs = maps.Clone(task.Request.Outputs)
	task.Request.Outputs["public-key"] = public
	provisioning, proving = task, task
	provisioning.Credentials = provision.Secrets{}
	proving.Admin, proving.Credentials = nil, provision.Secrets{"private-key": private}
	return provisioning, proving
}

func signing(realm string) parameters {
	return parameters{Realm: realm, Roles: []string{"USER"}, RedirectURIs: []string{"https://app.example.org/cb"}, Authentication: signatures}
}

func TestProvision_clientProvesItselfBySignaturesOfAKeyTheIssuerNeverSaw(t *testing.T) {
	provisioning, proving := withKey(t, clientTask("signing", signing("signing")))
	mustProvision(t, provisioning)
	report, err := oidc.VerifyClient(testContext(t), proving)
	mustBeDone(t, report, err)
	kept := fmt.Sprint(state(t, "signing", "health-signing"))
	var private struct {
		D string `json:"d"`
	}
	if err := json.Unmarshal([]byte(proving.Credentials["private-key"]), &private); err != nil || private.D == "" || strings.Contains(kept, private.D) {
		t.Errorf("the issuer has the private key, or there is none: %v", err)
	}
	// A secret opens nothing, even the one that Keycloak makes up.
	found := clientNamed(t, "signing", "health-signing")
	var made struct {
		Value string `json:"value"`
	}
	do(t, call{method: http.MethodPost, path: []string{"signing", "clients", found["id"].(string), "client-secret"}, into: &made})
	bySecret := clientTask("signing", parameters{Realm: "signing"})
	bySecret.Credentials["client-secret"] = made.Value
	report, err = oidc.VerifyClient(testContext(t), bySecret)
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCredentialsRejected)
	// So does another key, until it is exchanged; then the first one does not.
	nextProvisioning, nextProving := withKey(t, clientTask("signing", signing("signing")))
	report, err = oidc.VerifyClient(testContext(t), nextProving)
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCredentialsRejected)
	mustProvision(t, nextProvisioning)
	report, err = oidc.VerifyClient(testContext(t), nextProving)
	mustBeDone(t, report, err)
	report, err = oidc.VerifyClient(testContext(t), proving)
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCredentialsRejected)
	// And back to a secret.
	back := clientTask("signing", parameters{Realm: "signing", Roles: []string{"USER"}})
	mustProvision(t, back)
	report, err = oidc.VerifyClient(testContext(t), back)
	mustBeDone(t, report, err)
	report, err = oidc.VerifyClient(testContext(t), nextProving)
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCredentialsRejected)
	mustRevoke(t, back)
}

func TestProvision_clientWithAKeyKilledAfterAnyRequestAndRunAgainEndsTheSame(t *testing.T) {
	mustProvision(t, issuerTask("kill-signing", "USER"))
	for requests := 1; ; requests++ {
		name := fmt.Sprintf("signing%02d", requests)
		provisioning, proving := withKey(t, clientTask(name, signing("kill-signing")))
		relay := newRelay(t, requests)
		broken := provisioning
		broken.Request.Endpoint.URL = relay.URL
		_, err := Provision(testContext(t), broken)
		relay.Close()
		if err == nil {
			t.Logf("killed after each of %d requests", requests-1)
			return
		}
		mustProvision(t, provisioning)
		report, err := oidc.VerifyClient(testContext(t), proving)
		mustBeDone(t, report, err)
		again := newRelay(t, 100)
		provisioning.Request.Endpoint.URL = again.URL
		mustProvision(t, provisioning)
		for _, request := range again.seen[1:] {
			if !strings.HasPrefix(request, http.MethodGet+" ") {
				t.Fatalf("killed after request %d: a third run sent %s", requests, request)
			}
		}
	}
}

func TestProvision_leavesForeignClientsAlone(t *testing.T) {
	mine := clientTask("contested", parameters{Realm: "contest"})
	mustProvision(t, mine)
	other := clientTask("contested", parameters{Realm: "contest"})
	other.Request.Binding = provision.Binding{UID: "uid-of-another", Namespace: "justice", Name: "contested"}
	before := state(t, "contest", "health-contested")
	report, err := Provision(testContext(t), other)
	result := mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonForeignObject)
	if !strings.Contains(result.Message, "belongs to binding health/contested (uid uid-of-contested)") {
		t.Errorf("got %q", result.Message)
	}
	mustRevoke(t, other)
	if diff := cmp.Diff(before, state(t, "contest", "health-contested")); diff != "" {
		t.Errorf("something changed (-before +after):\n%s", diff)
	}
	do(t, call{method: http.MethodPost, path: []string{"contest", "clients"}, body: map[string]any{"clientId": "health-by-hand"}})
	report, err = Provision(testContext(t), clientTask("by-hand", parameters{Realm: "contest"}))
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonForeignObject)
}

func TestProvision_killedAfterAnyRequestAndRunAgainEndsTheSame(t *testing.T) {
	reference := clientTask("reference", killedParameters("kill"))
	mustProvision(t, reference)
	want := anonymous(state(t, "kill", "health-reference"))
	for requests := 1; ; requests++ {
		// The first requests make the realm, which takes seconds; the others find one.
		name, realm := fmt.Sprintf("killed%02d", requests), "kill"
		if requests < 6 {
			realm = "kill-" + name
		}
		task := clientTask(name, killedParameters(realm))
		relay := newRelay(t, requests)
		broken := task
		broken.Request.Endpoint.URL = relay.URL
		_, err := Provision(testContext(t), broken)
		relay.Close()
		if err == nil {
			t.Logf("killed after each of %d requests", requests-1)
			return
		}
		mustProvision(t, task)
		if diff := cmp.Diff(want, anonymous(state(t, realm, "health-"+name))); diff != "" {
			t.Fatalf("killed after request %d (%s), then run again (-want +got):\n%s", requests, relay.last(), diff)
		}
		report, err := oidc.VerifyClient(testContext(t), task)
		mustBeDone(t, report, err)
	}
}

func killedParameters(realm string) parameters {
	return parameters{Realm: realm, Roles: []string{"USER", "AUDITOR"}, RedirectURIs: []string{"https://a.example.org/cb"}}
}

// anonymous takes out of a state what differs from client to client.
func anonymous(state map[string]any) map[string]any {
	state["clientId"], state["secret"] = "", ""
	attributes := state["attributes"].(map[string]any)
	attributes[attributeUID], attributes[attributeName] = "", ""
	return state
}

func TestProvision_aSecondRunChangesNothing(t *testing.T) {
	task := clientTask("twice", parameters{Realm: "twice", Roles: []string{"USER"}, RedirectURIs: []string{"https://b.example.org/", "https://a.example.org/"}})
	mustProvision(t, task)
	relay := newRelay(t, 100)
	task.Request.Endpoint.URL = relay.URL
	mustProvision(t, task)
	if len(relay.seen) < 5 {
		t.Fatalf("only %d requests were seen, the test proves nothing", len(relay.seen))
	}
	for _, request := range relay.seen {
		if !strings.HasPrefix(request, http.MethodGet+" ") && !strings.HasSuffix(request, "/realms/master/protocol/openid-connect/token") {
			t.Errorf("the second run sent %s", request)
		}
	}
}

func TestProvision_refuses(t *testing.T) {
	wrongAdmin := issuerTask("refused")
	wrongAdmin.Admin = provision.Secrets{"username": "operator-admin", "password": "wrong"}
	privateKey, _ := withKey(t, clientTask("refused", signing("refused")))
	privateKey.Request.Outputs["public-key"] = `{"kty": "EC"}`
	noSecret := clientTask("refused", parameters{Realm: "refused"})
	noSecret.Credentials = nil
	unknown := issuerTask("refused")
	unknown.Request.Contract = "smtp-v1"
	away := issuerTask("refused")
	away.Request.Endpoint.URL = "http://127.0.0.1:1"
	tests := map[string]struct {
		task   provision.Task
		phase  provision.Phase
		reason string
	}{
		"a wrong admin":              {wrongAdmin, provision.PhaseFailed, provision.ReasonAdminCredentialRejected},
		"a key that is none":         {privateKey, provision.PhaseFailed, provision.ReasonInvalidRequest},
		"no client secret":           {noSecret, provision.PhaseFailed, provision.ReasonInvalidRequest},
		"an unknown contract":        {unknown, provision.PhaseFailed, provision.ReasonInvalidRequest},
		"Keycloak's own realm":       {issuerTask("master"), provision.PhaseFailed, provision.ReasonInvalidRequest},
		"a realm that is a path":     {issuerTask("a/../b"), provision.PhaseFailed, provision.ReasonInvalidRequest},
		"a wildcard":                 {clientTask("refused", parameters{Realm: "refused", RedirectURIs: []string{"https://a.example.org/*"}}), provision.PhaseFailed, provision.ReasonInvalidRequest},
		"a relative address":         {clientTask("refused", parameters{Realm: "refused", RedirectURIs: []string{"/callback"}}), provision.PhaseFailed, provision.ReasonInvalidRequest},
		"a server that is not there": {away, provision.PhaseRetry, provision.ReasonProviderUnavailable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			report, err := Provision(testContext(t), test.task)
			mustEnd(t, report, err, test.phase, test.reason)
			do(t, call{method: http.MethodGet, path: []string{"refused"}, accept: []int{http.StatusNotFound}})
		})
	}
}

func TestProvision_preparesARealmThatStays(t *testing.T) {
	task := issuerTask("prepared", "USER")
	task.Request.Contract = v1alpha1.ContractPreparation
	mustProvision(t, task)
	mustRevoke(t, task)
	if roles := rolesOf(t, "prepared"); !slices.ContainsFunc(roles, func(r role) bool { return r.Name == "USER" }) {
		t.Errorf("the realm lacks its role, it has %v", roles)
	}
}
