package credentials_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/internal/credentials"
	"github.com/dpi-operator/dpi-operator/internal/credentials/catest"
)

func TestRequestCertificate_isTheSameEachTime(t *testing.T) {
	wanted := credentials.CertificateRequest{CommonName: "clinic", Organization: "Ministry of Health", Country: "KE", DNSNames: []string{"clinic.moh.example.org"}}
	for _, algorithm := range []string{"RSA-2048", "EC-P256", "EC-P384", "Ed25519"} {
		for _, form := range []credentials.Form{credentials.PEM, credentials.JWK} {
			key, err := credentials.GenerateKey(algorithm, form)
			if err != nil {
				t.Fatal(err)
			}
			first, err := credentials.RequestCertificate(key, wanted)
			if err != nil {
				t.Fatal(err)
			}
			asked := catest.Request(t, first)
			if got, want := asked.Subject.String(), "CN=clinic,O=Ministry of Health,C=KE"; got != want {
				t.Errorf("%s: got %s, want %s", algorithm, got, want)
			}
			if diff := cmp.Diff(wanted.DNSNames, asked.DNSNames); diff != "" {
				t.Errorf("%s: %s", algorithm, diff)
			}
			if second, err := credentials.RequestCertificate(key, wanted); err != nil || second != first {
				t.Errorf("%s: a second request is another one: %v", algorithm, err)
			}
		}
	}
}

func TestCheckCertificate(t *testing.T) {
	key, other := mustGenerate(t), mustGenerate(t)
	authority, now := catest.New(t), time.Now()
	request := func(key string) string {
		out, err := credentials.RequestCertificate(key, credentials.CertificateRequest{CommonName: "clinic"})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	good := authority.Sign(request(key), now.Add(time.Hour))
	for name, test := range map[string]struct {
		key, chain string
		at         time.Time
		saying     string
	}{
		"as it should be":            {key, good, now, ""},
		"for another key":            {other, good, now, "it is for another key than the request"},
		"that has run out":           {key, good, now.Add(2 * time.Hour), "it was valid until "},
		"that is not yet valid":      {key, good, now.Add(-2 * time.Hour), "it is valid from "},
		"that is a request":          {key, request(key), now, "it is no certificate in PEM"},
		"that is broken":             {key, "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n", now, "it is no certificate"},
		"for a key that is not one":  {"none", good, now, "not a private key"},
		"from a clock that is ahead": {key, good, now.Add(-time.Hour - time.Minute), ""},
	} {
		err := credentials.CheckCertificate(test.key, test.chain, test.at)
		if test.saying == "" && err != nil || test.saying != "" && (err == nil || !strings.Contains(err.Error(), test.saying)) {
			t.Errorf("one %s: got %v, want %q", name, err, test.saying)
		}
	}
}

func mustGenerate(t *testing.T) string {
	t.Helper()
	key, err := credentials.GenerateKey("EC-P256", credentials.PEM)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
