package credentials

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// CertificateRequest is what a certificate is asked for.
type CertificateRequest struct {
	CommonName, Organization, Country string
	DNSNames                          []string
}

// RequestCertificate returns a request, in PEM, that is signed with the private key. It is the same whenever it is made anew: the
// signature is a deterministic one (RFC 6979 with elliptic curves).
func RequestCertificate(private string, wanted CertificateRequest) (string, error) {
	signer, _, err := parse(private)
	if err != nil {
		return "", err
	}
	template := x509.CertificateRequest{Subject: pkix.Name{CommonName: wanted.CommonName}, DNSNames: wanted.DNSNames}
	if wanted.Organization != "" {
		template.Subject.Organization = []string{wanted.Organization}
	}
	if wanted.Country != "" {
		template.Subject.Country = []string{wanted.Country}
	}
	der, err := x509.CreateCertificateRequest(nil, &template, signer)
	if err != nil {
		return "", fmt.Errorf("write a certificate request: %w", err)
	}
	return block("CERTIFICATE REQUEST", der), nil
}

// CheckCertificate makes sure that the first certificate of a chain in PEM is for the private key and valid at the time. Its errors
// repeat nothing of the key.
func CheckCertificate(private, chain string, now time.Time) error {
	certificate, err := ParseCertificate(chain)
	if err != nil {
		return err
	}
	signer, _, err := parse(private)
	if err != nil {
		return err
	}
	key, known := signer.Public().(interface{ Equal(x crypto.PublicKey) bool })
	switch {
	case !known || !key.Equal(certificate.PublicKey):
		return errors.New("it is for another key than the request")
	case now.After(certificate.NotAfter):
		return fmt.Errorf("it was valid until %s", certificate.NotAfter.UTC().Format(time.DateTime))
	case now.Add(clockSkew).Before(certificate.NotBefore):
		return fmt.Errorf("it is valid from %s only", certificate.NotBefore.UTC().Format(time.DateTime))
	}
	return nil
}

// ParseCertificate reads the first certificate of a chain in PEM.
func ParseCertificate(chain string) (*x509.Certificate, error) {
	found, _ := pem.Decode([]byte(chain))
	if found == nil || found.Type != "CERTIFICATE" {
		return nil, errors.New("it is no certificate in PEM")
	}
	certificate, err := x509.ParseCertificate(found.Bytes)
	if err != nil {
		return nil, fmt.Errorf("it is no certificate: %w", err)
	}
	return certificate, nil
}

// clockSkew is how far the clock of an authority may be ahead.
const clockSkew = 5 * time.Minute
