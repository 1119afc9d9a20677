package keycloak

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/oidc"
)

// opened is the realm of clients that somebody changes.
const opened = "opened"

// drift changes a client as an administrator does in the console.
func drift(t *testing.T, id string, fields, attributes map[string]any) {
	t.Helper()
	found := clientNamed(t, opened, id)
	corrected, changed := merge(found, fields)
	if len(attributes) > 0 {
		var more bool
		corrected, more = merge(corrected, map[string]any{"attributes": attributes})
		changed = changed || more
	}
	if !changed {
		t.Fatal("the client is like that already, the test proves nothing")
	}
	do(t, call{method: http.MethodPut, path: []string{opened, "clients", found["id"].(string)}, body: corrected})
}

func TestVerify_noticesThatAClientWasOpened(t *testing.T) {
	const device = "oauth2.device.authorization.grant.enabled"
	first, second := "https://app.example.org/callback", "https://app.example.org/other?y=1"
	tests := map[string]struct {
		redirects          []string
		fields, attributes map[string]any
		saying             string
	}{
		"to any address": {
			redirects: []string{first}, fields: map[string]any{"redirectUris": []any{"*"}},
			saying: "nothing beyond " + first,
		},
		"to any address of the host": {
			redirects: []string{first, second}, fields: map[string]any{"redirectUris": []any{first, second, "https://app.example.org/*"}},
			saying: "nothing beyond " + first,
		},
		"below one of its addresses": {
			redirects: []string{first, second}, fields: map[string]any{"redirectUris": []any{first, second, "https://app.example.org/other*"}},
			saying: "nothing beyond " + second,
		},
		"to any address, where it had none": {
			fields: map[string]any{"standardFlowEnabled": true, "redirectUris": []any{"*"}},
			saying: "nobody logs in",
		},
		"to the implicit flow": {
			redirects: []string{first, second}, fields: map[string]any{"implicitFlowEnabled": true},
			saying: "no token by way of the browser",
		},
		"to the implicit flow and any address, where it had none": {
			fields: map[string]any{"implicitFlowEnabled": true, "redirectUris": []any{"*"}},
			saying: "no token by way of the browser",
		},
		"to devices": {
			redirects: []string{first}, attributes: map[string]any{device: "true"},
			saying: "no device grant",
		},
		"to devices, where nobody logs in": {
			attributes: map[string]any{device: "true"},
			saying:     "no device grant",
		},
	}
	number := 0
	for name, test := range tests {
		number++
		id := fmt.Sprintf("opened%02d", number)
		t.Run(name, func(t *testing.T) {
			task := clientTask(id, parameters{Realm: opened, Roles: []string{"USER"}, RedirectURIs: test.redirects})
			mustNoticeAndMend(t, task, task, func() { drift(t, "health-"+id, test.fields, test.attributes) }, test.saying)
		})
	}
	t.Run("to devices, and proves itself by signatures", func(t *testing.T) {
		provisioning, proving := withKey(t, clientTask("opened-signing", signing(opened)))
		mustNoticeAndMend(t, provisioning, proving, func() {
			drift(t, "health-opened-signing", nil, map[string]any{device: "true"})
		}, "no device grant")
	})
}

func TestVerify_noticesThatAClientWasClosed(t *testing.T) {
	task := clientTask("closed", parameters{Realm: opened, Roles: []string{"USER"}, RedirectURIs: []string{"https://app.example.org/callback"}})
	mustNoticeAndMend(t, task, task, func() {
		drift(t, "health-closed", map[string]any{"standardFlowEnabled": false}, nil)
	}, "redirect to https://app.example.org/callback")
}

// mustNoticeAndMend holds the proof to telling a client that drifted from one in shape, and provisioning to bringing it back.
func mustNoticeAndMend(t *testing.T, provisioning, proving provision.Task, meddle func(), saying string) {
	t.Helper()
	mustProvision(t, provisioning)
	id := provisioning.Request.Outputs["client-id"]
	want := state(t, opened, id)
	proving.Admin = nil
	report, err := oidc.VerifyClient(testContext(t), proving)
	mustBeDone(t, report, err)
	meddle()
	report, err = oidc.VerifyClient(testContext(t), proving)
	result := mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCheckFailed)
	if !strings.HasPrefix(result.Message, saying) {
		t.Errorf("it says %q, want %q at its beginning", result.Message, saying)
	}
	t.Log(result.Message)
	if secret := proving.Credentials["client-secret"]; secret != "" && strings.Contains(fmt.Sprint(result), secret) {
		t.Error("the result holds the secret")
	}
	mustProvision(t, provisioning)
	if diff := cmp.Diff(want, state(t, opened, id)); diff != "" {
		t.Errorf("not in shape again (-want +got):\n%s", diff)
	}
	report, err = oidc.VerifyClient(testContext(t), proving)
	mustBeDone(t, report, err)
}

func TestProvision_takesAwayTheAddressesThatNobodyAsksForAnyMore(t *testing.T) {
	task := clientTask("shrunk", parameters{Realm: opened, RedirectURIs: []string{"https://app.example.org/callback"}})
	mustProvision(t, task)
	drift(t, "health-shrunk", map[string]any{"webOrigins": []any{"*"}}, nil)
	mustProvision(t, clientTask("shrunk", parameters{Realm: opened}))
	got := clientNamed(t, opened, "health-shrunk")
	for _, field := range []string{"redirectUris", "webOrigins"} {
		if list, _ := got[field].([]any); len(list) > 0 {
			t.Errorf("%s is still %v", field, list)
		}
	}
}
