package keypair

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/credentials"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// Outputs of the contract certificate-v1, as Secrets of type kubernetes.io/tls have them.
const (
	tlsKey         = "tls.key"
	tlsCertificate = "tls.crt"
)

// VerifyCertificate proves that the certificate is for the consumer's key, valid now, for the host names asked for, and signed by
// each other of its chain.
func VerifyCertificate(_ context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	var asked struct {
		DNSNames []string `json:"dnsNames"`
	}
	if err := json.Unmarshal(task.Request.Parameters, &asked); err != nil {
		return report, provision.Failed(provision.ReasonInvalidRequest, "the parameters are not those of certificate-v1: %w", err)
	}
	chain := task.Value(tlsCertificate)
	report.Check("certificate", credentials.CheckCertificate(task.Credentials[tlsKey], chain, time.Now()))
	certificate, err := credentials.ParseCertificate(chain)
	if err != nil {
		return report, nil //nolint:nilerr // the check says it
	}
	for _, name := range asked.DNSNames {
		report.Check("host name "+name, certificate.VerifyHostname(name))
	}
	report.Check("chain", signedByEachOther(chain))
	report.Message = fmt.Sprintf("%s until %s", certificate.Subject, certificate.NotAfter.UTC().Format(time.DateOnly))
	return report, nil
}

// signedByEachOther makes sure that each certificate is signed by the one after it.
func signedByEachOther(chain string) error {
	var before *x509.Certificate
	for rest := []byte(chain); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return err
		}
		if before != nil {
			if err := before.CheckSignatureFrom(certificate); err != nil {
				return fmt.Errorf("%s is not signed by %s: %w", before.Subject, certificate.Subject, err)
			}
		}
		before = certificate
	}
}
