package oidc_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/oidc"
)

const home, other = "https://app.example.org/callback", "https://app.example.org/other/?y=1"

// strict offers logins for the client's own addresses with a code, and sends everybody else back with an error.
func strict(behind string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		asked := r.URL.Query()
		address := asked.Get("redirect_uri")
		switch {
		case asked.Get("client_id") != "app", !slices.Contains([]string{home, other}, address):
			w.WriteHeader(http.StatusBadRequest)
		case asked.Get("response_type") != "code":
			w.Header().Set("Location", home+behind+"state="+asked.Get("state")+"&error=unauthorized_client")
			w.WriteHeader(http.StatusFound)
		}
	}
}

func anyone(http.ResponseWriter, *http.Request) {}

func TestVerifyClient_standinIssuerWhoseLoginsAreWiderThanAskedFor(t *testing.T) {
	// but lets one thing through that the strict one refuses.
	but := func(let func(url.Values) bool) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			if !let(r.URL.Query()) {
				strict("#")(w, r)
			}
		}
	}
	known := func(asked url.Values) bool { return asked.Get("client_id") == "app" }
	tests := map[string]struct {
		addresses []string
		logins    func(http.ResponseWriter, *http.Request)
		devices   func(http.ResponseWriter, *http.Request)
		phase     provision.Phase
		saying    string
	}{
		"refuses by an error behind the address": {addresses: []string{home, other}, logins: strict("#"), phase: provision.PhaseDone, saying: "app"},
		"refuses by an error in its query":       {addresses: []string{home, other}, logins: strict("?"), phase: provision.PhaseDone, saying: "app"},
		"refuses everything, and so it should":   {phase: provision.PhaseDone, saying: "app"},
		"refuses a wanted address":               {addresses: []string{home}, phase: provision.PhaseFailed, saying: "redirect to " + home + ": the issuer answers 400"},
		"sends back with an error": {
			addresses: []string{home}, phase: provision.PhaseFailed, saying: `the issuer answers "unauthorized_client"`,
			logins: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", home+"?error=unauthorized_client")
				w.WriteHeader(http.StatusSeeOther)
			},
		},
		"takes any address": {
			addresses: []string{home}, logins: but(func(asked url.Values) bool { return known(asked) && asked.Get("response_type") == "code" }),
			phase: provision.PhaseFailed, saying: "nothing beyond " + home + ": the issuer is ready to send people to " + home + "/dpi-operator-probe as well",
		},
		"takes what is below the second address": {
			addresses: []string{home, other}, logins: but(func(asked url.Values) bool {
				return known(asked) && strings.HasPrefix(asked.Get("redirect_uri"), "https://app.example.org/other/") && asked.Get("response_type") == "code"
			}),
			phase: provision.PhaseFailed, saying: "https://app.example.org/other/dpi-operator-probe?y=1 as well",
		},
		"logs people in where nobody is to": {
			logins: but(func(asked url.Values) bool { return known(asked) && asked.Get("response_type") == "code" }),
			phase:  provision.PhaseFailed, saying: "nobody logs in: ",
		},
		"hands tokens to browsers": {
			addresses: []string{home}, logins: but(func(asked url.Values) bool { return known(asked) && asked.Get("response_type") == "token" }),
			phase: provision.PhaseFailed, saying: "no token by way of the browser: ",
		},
		"hands ID tokens to browsers": {
			addresses: []string{home}, logins: but(func(asked url.Values) bool {
				return known(asked) && asked.Get("response_type") == "id_token" && asked.Get("nonce") != ""
			}),
			phase: provision.PhaseFailed, saying: "no id_token by way of the browser: ",
		},
		"lets people log in on devices": {
			addresses: []string{home}, logins: strict("#"), phase: provision.PhaseFailed, saying: "no device grant: ",
			devices: func(w http.ResponseWriter, r *http.Request) {
				if id, secret, _ := r.BasicAuth(); id != "app" || secret != "of+app" {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				answer(w, map[string]any{"device_code": "d", "user_code": "u"})
			},
		},
		// A login page that is a program answers anything in the same way; from outside it cannot be told what it would refuse.
		"shows a login to anyone":                      {addresses: []string{home}, logins: anyone, phase: provision.PhaseDone, saying: "wider addresses would not be noticed"},
		"shows a login to anyone, where nobody is to":  {logins: anyone, phase: provision.PhaseDone, saying: "wider addresses would not be noticed"},
		"is down while it is asked for what is beyond": {addresses: []string{home}, logins: downBeyond, phase: provision.PhaseRetry, saying: "503"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			issuer := newStandin(t)
			issuer.logins, issuer.devices = test.logins, test.devices
			report, err := oidc.VerifyClient(context.Background(), asking(issuer, test.addresses))
			result := provision.Conclude(provision.Request{Action: provision.ActionVerify}, report, err)
			if result.Phase != test.phase || !strings.Contains(result.Message, test.saying) {
				t.Errorf("ended %s (%s): %q; want %s saying %q", result.Phase, result.Reason, result.Message, test.phase, test.saying)
			}
		})
	}
}

func downBeyond(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.URL.Query().Get("redirect_uri"), "dpi-operator-probe") {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func asking(issuer *standin, addresses []string) provision.Task {
	task := issuer.task()
	quoted := make([]string, 0, len(addresses))
	for _, address := range addresses {
		quoted = append(quoted, fmt.Sprintf("%q", address))
	}
	task.Request.Parameters = []byte(`{"realm": "x", "redirectURIs": [` + strings.Join(quoted, ",") + `]}`)
	return task
}

func TestVerifyClient_standinIssuerWithoutLogins(t *testing.T) {
	issuer := newStandin(t)
	delete(issuer.discovery, "authorization_endpoint")
	delete(issuer.discovery, "device_authorization_endpoint")
	report, err := oidc.VerifyClient(context.Background(), asking(issuer, nil))
	if result := provision.Conclude(provision.Request{}, report, err); result.Phase != provision.PhaseDone {
		t.Errorf("ended %s: %s", result.Phase, result.Message)
	}
	report, err = oidc.VerifyClient(context.Background(), asking(issuer, []string{home}))
	if result := provision.Conclude(provision.Request{}, report, err); result.Reason != provision.ReasonCheckFailed || !strings.Contains(result.Message, "authorization endpoint") {
		t.Errorf("ended %s (%s): %s", result.Phase, result.Reason, result.Message)
	}
}

// A client in shape costs an issuer as many logins as docs/provisioner-protocol.md says.
func TestVerifyClient_asksForFewLogins(t *testing.T) {
	for _, test := range []struct {
		addresses []string
		want      int
	}{{nil, 3}, {[]string{home}, 4}, {[]string{home, other}, 6}} {
		issuer := newStandin(t)
		issuer.logins = strict("#")
		if report, err := oidc.VerifyClient(context.Background(), asking(issuer, test.addresses)); err != nil || !report.Holds() {
			t.Fatalf("not proved: %v %v", report.Checks, err)
		}
		if len(issuer.asked) != test.want {
			t.Errorf("%d addresses: %d logins, want %d: %v", len(test.addresses), len(issuer.asked), test.want, issuer.asked)
		}
	}
}
