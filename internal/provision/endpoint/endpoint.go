package endpoint

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strconv"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// CAKey is the key of a credential Secret with the certificate authority of the provider, in PEM.
const CAKey = "ca.crt"

// Consumer returns host and port as the consumer has them, or those of the request.
func Consumer(task provision.Task) (host string, port int32, err error) {
	host, port = task.Request.Endpoint.Host, task.Request.Endpoint.Port
	if stated := task.Value("host"); stated != "" {
		host = stated
	}
	if stated := task.Value("port"); stated != "" {
		number, err := strconv.ParseUint(stated, 10, 16)
		if err != nil {
			return "", 0, provision.Failed(provision.ReasonInvalidRequest, "the output port is %q, which is no port; correct the catalogue entry of the provider", stated)
		}
		port = int32(number)
	}
	return host, port, complete(host, port)
}

// Provider returns host and port of the request, for whoever works with the admin credential.
func Provider(task provision.Task) (host string, port int32, err error) {
	host, port = task.Request.Endpoint.Host, task.Request.Endpoint.Port
	return host, port, complete(host, port)
}

func complete(host string, port int32) error {
	if host == "" || port == 0 {
		return provision.Failed(provision.ReasonInvalidRequest, "the request has no host and port; correct the catalogue entry of the provider")
	}
	return nil
}

// Address joins host and port.
func Address(host string, port int32) string { return net.JoinHostPort(host, strconv.Itoa(int(port))) }

// TLS returns how to encrypt with a server of that name, trusting the authority of the credential only; without one it
// returns nil: nothing is encrypted then.
func TLS(secrets provision.Secrets, host string) (*tls.Config, error) {
	if secrets[CAKey] == "" {
		return nil, nil
	}
	return Trusting(secrets, host)
}

// Trusting returns how to encrypt with a server of that name, trusting the authority of the credential or, without one,
// those of the system.
func Trusting(secrets provision.Secrets, host string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if secrets[CAKey] != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(secrets[CAKey])) {
			return nil, provision.Failed(provision.ReasonInvalidRequest, "%s of the credential holds no PEM certificate", CAKey)
		}
	}
	return config, nil
}

// Unreachable explains an error of the network, or returns nothing where the server itself has answered. A certificate
// that is not trusted stays so until someone acts.
func Unreachable(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
		return provision.Failed(provision.ReasonProviderError, "the provider's certificate is not trusted: %w; put its authority into the key %s of the credential", err, CAKey)
	}
	var network *net.OpError
	var lookup *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &lookup):
		return away(lookup)
	case errors.As(err, &network):
		return away(network)
	case errors.As(err, &timeout) && timeout.Timeout():
		return away(timeout)
	}
	return nil
}

func away(err error) error {
	return provision.Retry(provision.ReasonProviderUnavailable, "the provider does not answer: %w", err)
}
