package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/httpapi"
)

// exchange stands in for an OpenHIM with one channel below /fhir, a Mojaloop ledger, and a security server of X-Road.
func exchange(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/fhir/", func(w http.ResponseWriter, r *http.Request) {
		if username, password, _ := r.BasicAuth(); username != "lab" || password != "of the lab" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	mux.HandleFunc("/open", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/hook", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) })
	mux.HandleFunc("/participants/bank1", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"name": "bank1", "isActive": 1, "accounts": [{"id": 3, "ledgerType": "POSITION", "currency": "KES", "isActive": 1}, {"id": 4, "currency": "USD", "isActive": 0}]}`))
	})
	mux.HandleFunc("/participants/bank2", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"name": "bank2", "isActive": 0, "accounts": [{"currency": "KES", "isActive": 1}]}`))
	})
	mux.HandleFunc("/r1/EE/GOV/1/registry/allowedMethods", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Road-Client") != "EE/GOV/2/clinic" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = w.Write([]byte(`{"service": [{"object_type": "SERVICE", "service_code": "persons"}]}`))
	})
	mux.HandleFunc("/codes.csv", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("abc")) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

const digestOfABC = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

func TestVerify_standinExchanges(t *testing.T) {
	base := exchange(t)
	type outputs map[string]string
	lab := provision.Secrets{"password": "of the lab"}
	tests := map[string]struct {
		verify     provision.HandlerFunc
		outputs    outputs
		parameters string
		secrets    provision.Secrets
		phase      provision.Phase
		saying     string
	}{
		"client":                            {httpapi.VerifyExchangeClient, outputs{"url": base, "username": "lab"}, `{"path": "/fhir/metadata"}`, lab, provision.PhaseDone, "answers 200 to the client lab"},
		"client with another password":      {httpapi.VerifyExchangeClient, outputs{"url": base, "username": "lab"}, `{"path": "/fhir/metadata"}`, provision.Secrets{"password": "guessed it"}, provision.PhaseFailed, "answers 401 to the client lab"},
		"client without a channel":          {httpapi.VerifyExchangeClient, outputs{"url": base, "username": "lab"}, `{"path": "/other"}`, lab, provision.PhaseFailed, "answers 404"},
		"client of a channel open to all":   {httpapi.VerifyExchangeClient, outputs{"url": base, "username": "lab"}, `{"path": "/open"}`, lab, provision.PhaseFailed, "to a caller without credentials"},
		"client without credentials":        {httpapi.VerifyExchangeClient, outputs{"url": base}, `{"path": "/fhir/"}`, nil, provision.PhaseFailed, "needs the keys"},
		"channel that answers":              {httpapi.VerifyExchangeChannel, outputs{"url": base + "/fhir/Patient", "username": "lab"}, `{}`, lab, provision.PhaseDone, "answers 200"},
		"channel that lets no one in":       {httpapi.VerifyExchangeChannel, outputs{"url": base + "/fhir/Patient", "username": "shop"}, `{}`, lab, provision.PhaseFailed, "does not let the client in"},
		"channel open to all":               {httpapi.VerifyExchangeChannel, outputs{"url": base + "/open", "username": "lab"}, `{}`, lab, provision.PhaseFailed, "without credentials"},
		"channel without a client":          {httpapi.VerifyExchangeChannel, outputs{"url": base + "/open"}, `{}`, nil, provision.PhaseFailed, "needs the keys"},
		"participant":                       {httpapi.VerifyMojaloopParticipant, outputs{"ledger-url": base, "participant": "bank1", "currency": "KES"}, `{}`, nil, provision.PhaseDone, "account in KES"},
		"participant with a closed account": {httpapi.VerifyMojaloopParticipant, outputs{"ledger-url": base, "participant": "bank1", "currency": "USD"}, `{}`, nil, provision.PhaseFailed, "no active account in USD"},
		"participant that is not active":    {httpapi.VerifyMojaloopParticipant, outputs{"ledger-url": base, "participant": "bank2", "currency": "KES"}, `{}`, nil, provision.PhaseFailed, "active: false"},
		"participant nobody knows":          {httpapi.VerifyMojaloopParticipant, outputs{"ledger-url": base, "participant": "bank3", "currency": "KES"}, `{}`, nil, provision.PhaseFailed, "answers 404"},
		"service":                           {httpapi.VerifyXRoadService, outputs{"security-server-url": base}, `{"client": "EE/GOV/2/clinic", "service": "EE/GOV/1/registry/persons"}`, nil, provision.PhaseDone, "may call EE/GOV/1/registry/persons"},
		"service without the right":         {httpapi.VerifyXRoadService, outputs{"security-server-url": base}, `{"client": "EE/GOV/2/clinic", "service": "EE/GOV/1/registry/births"}`, nil, provision.PhaseFailed, "births is not among them"},
		"service for a stranger":            {httpapi.VerifyXRoadService, outputs{"security-server-url": base}, `{"client": "EE/GOV/3/shop", "service": "EE/GOV/1/registry/persons"}`, nil, provision.PhaseFailed, "answers 400 to EE/GOV/3/shop"},
		"webhook":                           {httpapi.VerifyWebhook, outputs{"callback-url": base + "/hook", "subscription": "17"}, `{}`, nil, provision.PhaseDone, "answers 405"},
		"webhook without registration":      {httpapi.VerifyWebhook, outputs{"callback-url": base + "/hook"}, `{}`, nil, provision.PhaseFailed, "gave it no name"},
		"webhook nobody answers":            {httpapi.VerifyWebhook, outputs{"callback-url": base + "/other", "subscription": "17"}, `{}`, nil, provision.PhaseFailed, "answers 404"},
		"data":                              {httpapi.VerifyReferenceData, outputs{"url": base + "/codes.csv", "digest": digestOfABC}, `{}`, nil, provision.PhaseDone, "3 bytes"},
		"data that changed":                 {httpapi.VerifyReferenceData, outputs{"url": base + "/codes.csv", "digest": strings.Replace(digestOfABC, "ba", "bb", 1)}, `{}`, nil, provision.PhaseFailed, "state the new digest"},
		"data that is gone":                 {httpapi.VerifyReferenceData, outputs{"url": base + "/other", "digest": digestOfABC}, `{}`, nil, provision.PhaseFailed, "answers 404"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			task := provision.Task{Request: provision.Request{Action: provision.ActionVerify, Outputs: test.outputs, Parameters: []byte(test.parameters)}, Credentials: test.secrets}
			report, err := test.verify(t.Context(), task)
			result := provision.Conclude(task.Request, report, err)
			if result.Phase != test.phase || !strings.Contains(result.Message, test.saying) {
				t.Errorf("ended %s (%s): %q; want %s saying %q", result.Phase, result.Reason, result.Message, test.phase, test.saying)
			}
		})
	}
}
