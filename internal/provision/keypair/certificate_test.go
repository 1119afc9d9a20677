package keypair_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/credentials"
	"github.com/dpi-operator/dpi-operator/internal/credentials/catest"
	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/keypair"
)

func TestVerifyCertificate(t *testing.T) {
	key, err := credentials.GenerateKey("EC-P256", credentials.PEM)
	if err != nil {
		t.Fatal(err)
	}
	request, err := credentials.RequestCertificate(key, credentials.CertificateRequest{CommonName: "clinic", DNSNames: []string{"clinic.example.org"}})
	if err != nil {
		t.Fatal(err)
	}
	authority, another := catest.New(t), catest.New(t)
	good := authority.Sign(request, time.Now().Add(time.Hour))
	leaf, issuer, _ := strings.Cut(strings.TrimPrefix(good, "-----BEGIN"), "-----BEGIN")
	_, strange, _ := strings.Cut(strings.TrimPrefix(another.Sign(request, time.Now().Add(time.Hour)), "-----BEGIN"), "-----BEGIN")
	for name, test := range map[string]struct {
		chain, names string
		phase        provision.Phase
		saying       string
	}{
		"as it should be":         {good, `["clinic.example.org"]`, provision.PhaseDone, "CN=clinic until "},
		"without its issuer":      {"-----BEGIN" + leaf, `[]`, provision.PhaseDone, "CN=clinic"},
		"that has run out":        {authority.Sign(request, time.Now().Add(-time.Minute)), `[]`, provision.PhaseFailed, "it was valid until"},
		"without the host name":   {good, `["lab.example.org"]`, provision.PhaseFailed, "lab.example.org"},
		"with a strange issuer":   {"-----BEGIN" + leaf + "-----BEGIN" + strange, `[]`, provision.PhaseFailed, "is not signed by"},
		"that is its issuer only": {"-----BEGIN" + issuer, `[]`, provision.PhaseFailed, "another key"},
		"that is nothing":         {"", `[]`, provision.PhaseFailed, "no certificate in PEM"},
	} {
		report, err := keypair.VerifyCertificate(context.Background(), provision.Task{
			Request:     provision.Request{Parameters: []byte(`{"commonName": "clinic", "dnsNames": ` + test.names + `}`)},
			Credentials: provision.Secrets{"tls.key": key, "tls.crt": test.chain},
		})
		result := provision.Conclude(provision.Request{Action: provision.ActionVerify}, report, err)
		if result.Phase != test.phase || !strings.Contains(result.Message, test.saying) || strings.Contains(result.Message, "PRIVATE") {
			t.Errorf("one %s: got %s: %s", name, result.Phase, result.Message)
		}
	}
}
