// Package catest is a certification authority for tests: what a person at an authority does by hand.
package catest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// Authority signs requests.
type Authority struct {
	t           *testing.T
	key         crypto.Signer
	certificate *x509.Certificate
}

// New makes an authority with a certificate of its own.
func New(t *testing.T) *Authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Authority for tests"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &Authority{t: t, key: key, certificate: certificate}
}

// Request reads a request in PEM and makes sure that it is signed with its own key.
func Request(t *testing.T, request string) *x509.CertificateRequest {
	t.Helper()
	block, _ := pem.Decode([]byte(request))
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		t.Fatalf("no certificate request: %q", request)
	}
	parsed, err := x509.ParseCertificateRequest(block.Bytes)
	if err == nil {
		err = parsed.CheckSignature()
	}
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// Sign returns a chain in PEM for what the request asks for: a certificate that is valid until then, and the authority's.
func (a *Authority) Sign(request string, until time.Time) string {
	a.t.Helper()
	asked := Request(a.t, request)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: asked.Subject, DNSNames: asked.DNSNames, NotBefore: a.certificate.NotBefore, NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, asked.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	var chain []byte
	for _, each := range [][]byte{der, a.certificate.Raw} {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: each})...)
	}
	return string(chain)
}
