package oidc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/oidc"
)

// standin is an issuer that can be wrong in every way. Package keycloak has the tests against a real one.
type standin struct {
	*httptest.Server

	discovery map[string]any
	keys      []jose.JSONWebKey
	claims    map[string]any
	signer    *ecdsa.PrivateKey
	// status of the token endpoint.
	status int
	// logins and devices answer what asks for logins; nil refuses.
	logins, devices func(w http.ResponseWriter, r *http.Request)
	// asked are the logins that were asked for.
	asked []url.Values
}

func newStandin(t *testing.T) *standin {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &standin{signer: key, status: http.StatusOK, keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Use: "sig", Algorithm: "ES256"}}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /realms/x/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.discovery) })
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) { answer(w, jose.JSONWebKeySet{Keys: s.keys}) })
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("GET /auth", func(w http.ResponseWriter, r *http.Request) {
		s.asked = append(s.asked, r.URL.Query())
		refuseUnless(s.logins, w, r)
	})
	mux.HandleFunc("POST /device", func(w http.ResponseWriter, r *http.Request) { refuseUnless(s.devices, w, r) })
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	issuer := s.URL + "/realms/x"
	s.discovery = map[string]any{"issuer": issuer, "jwks_uri": s.URL + "/keys", "token_endpoint": s.URL + "/token", "authorization_endpoint": s.URL + "/auth", "device_authorization_endpoint": s.URL + "/device"}
	s.claims = map[string]any{"iss": issuer, "azp": "app", "exp": time.Now().Add(time.Hour).Unix(), "realm_access": map[string]any{"roles": []string{"USER"}}}
	return s
}

func (s *standin) token(w http.ResponseWriter, r *http.Request) {
	if id, secret, _ := r.BasicAuth(); s.status != http.StatusOK || id != "app" || secret != "of+app" {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(max(s.status, http.StatusUnauthorized))
		answer(w, map[string]string{"error": "invalid_client"})
		return
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.signer, KeyID: "k"}}, nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	token, err := jwt.Signed(signer).Claims(s.claims).Serialize()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 60})
}

func refuseUnless(offer func(http.ResponseWriter, *http.Request), w http.ResponseWriter, r *http.Request) {
	if offer == nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	offer(w, r)
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) //nolint:errchkjson // a test that gets half an answer fails
}

func (s *standin) task() provision.Task {
	return provision.Task{
		Request: provision.Request{
			Parameters: []byte(`{"realm":"x","roles":["USER"]}`),
			Outputs:    map[string]string{"issuer-url": s.URL + "/realms/x", "client-id": "app"},
		},
		Credentials: provision.Secrets{"client-secret": "of app"},
	}
}

func TestVerify_standinIssuerThatIsWrong(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		change func(*standin)
		verify provision.HandlerFunc
		phase  provision.Phase
		saying string
	}{
		"nothing":                     {change: func(*standin) {}, verify: oidc.VerifyClient, phase: provision.PhaseDone, saying: "app"},
		"nothing, for the issuer":     {change: func(*standin) {}, verify: oidc.VerifyIssuer, phase: provision.PhaseDone, saying: "publishes itself"},
		"another name":                {change: func(s *standin) { s.discovery["issuer"] = "http://localhost/realms/x" }, verify: oidc.VerifyIssuer, phase: provision.PhaseFailed, saying: `issuer: it calls itself "http://localhost/realms/x"`},
		"a slash more":                {change: func(s *standin) { s.discovery["issuer"] = s.URL + "/realms/x/" }, verify: oidc.VerifyIssuer, phase: provision.PhaseFailed, saying: "equal to the letter"},
		"no keys":                     {change: func(s *standin) { s.keys = nil }, verify: oidc.VerifyIssuer, phase: provision.PhaseFailed, saying: "no key to check signatures with"},
		"keys for encryption only":    {change: func(s *standin) { s.keys[0].Use = "enc" }, verify: oidc.VerifyIssuer, phase: provision.PhaseFailed, saying: "no key to check signatures with"},
		"keys elsewhere":              {change: func(s *standin) { s.discovery["jwks_uri"] = s.URL + "/none" }, verify: oidc.VerifyIssuer, phase: provision.PhaseFailed, saying: "answers 404"},
		"no token endpoint":           {change: func(s *standin) { delete(s.discovery, "token_endpoint") }, verify: oidc.VerifyIssuer, phase: provision.PhaseFailed, saying: "token endpoint"},
		"a token of another key":      {change: func(s *standin) { s.signer = other }, verify: oidc.VerifyClient, phase: provision.PhaseFailed, saying: "signature"},
		"a token of another issuer":   {change: func(s *standin) { s.claims["iss"] = "https://other.example.org" }, verify: oidc.VerifyClient, phase: provision.PhaseFailed, saying: "token's issuer"},
		"a token for another":         {change: func(s *standin) { s.claims["azp"] = "other" }, verify: oidc.VerifyClient, phase: provision.PhaseFailed, saying: "token's client"},
		"an old token":                {change: func(s *standin) { s.claims["exp"] = time.Now().Add(-time.Hour).Unix() }, verify: oidc.VerifyClient, phase: provision.PhaseFailed, saying: "token's validity"},
		"a token without the role":    {change: func(s *standin) { delete(s.claims, "realm_access") }, verify: oidc.VerifyClient, phase: provision.PhaseFailed, saying: "role USER"},
		"a token with roles at large": {change: func(s *standin) { delete(s.claims, "realm_access"); s.claims["roles"] = []string{"USER"} }, verify: oidc.VerifyClient, phase: provision.PhaseDone},
		"refuses the client":          {change: func(s *standin) { s.status = http.StatusUnauthorized }, verify: oidc.VerifyClient, phase: provision.PhaseFailed, saying: "invalid_client"},
		"is down":                     {change: func(s *standin) { s.status = http.StatusServiceUnavailable }, verify: oidc.VerifyClient, phase: provision.PhaseRetry, saying: "503"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			issuer := newStandin(t)
			test.change(issuer)
			report, err := test.verify(context.Background(), issuer.task())
			result := provision.Conclude(provision.Request{Action: provision.ActionVerify}, report, err)
			if result.Phase != test.phase || !strings.Contains(result.Message, test.saying) {
				t.Errorf("ended %s (%s): %q; want %s saying %q", result.Phase, result.Reason, result.Message, test.phase, test.saying)
			}
			if strings.Contains(result.Message, "of app") {
				t.Error("the message holds the secret")
			}
		})
	}
}

func TestVerify_withoutWhatItNeedsSaysWhat(t *testing.T) {
	report, err := oidc.VerifyIssuer(context.Background(), provision.Task{})
	if result := provision.Conclude(provision.Request{}, report, err); result.Reason != provision.ReasonInvalidRequest || !strings.Contains(result.Message, "issuer-url") {
		t.Errorf("got %+v", result)
	}
	report, err = oidc.VerifyClient(context.Background(), provision.Task{})
	if result := provision.Conclude(provision.Request{}, report, err); result.Reason != provision.ReasonInvalidRequest || !strings.Contains(result.Message, "client-secret") {
		t.Errorf("got %+v", result)
	}
}
