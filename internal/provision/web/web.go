package web

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

const (
	// CAKey is the key of a credential Secret with the certificate authority of the provider, in PEM.
	CAKey = "ca.crt"

	requestTimeout = 30 * time.Second
	maxBody        = 32 << 20
)

// NewClient returns a client that trusts the system's authorities or, where one is given, only that one. It follows no
// redirects: an address that moved is to be stated as it is.
func NewClient(ca string) (*http.Client, error) {
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		ResponseHeaderTimeout: requestTimeout,
		IdleConnTimeout:       requestTimeout,
	}
	if ca != "" {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(ca)) {
			return nil, provision.Failed(provision.ReasonInvalidRequest, "%s of the credential holds no PEM certificate", CAKey)
		}
		transport.TLSClientConfig.RootCAs = roots
	}
	return &http.Client{
		Transport:     transport,
		Timeout:       requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// Response is an answer that was read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do sends the request. Errors are problems: an answer that did not come may come later, one of the server's own failures
// may pass.
func Do(client *http.Client, request *http.Request) (Response, error) {
	answer, err := client.Do(request) //nolint:gosec // calling the address that a binding names is what handlers are for
	if err != nil {
		return Response{}, Unreachable(request.Context(), err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody+1))
	if err != nil {
		return Response{}, Unreachable(request.Context(), err)
	}
	if len(body) > maxBody {
		return Response{}, provision.Failed(provision.ReasonProviderError, "%s answers with more than %d bytes", at(request.URL), maxBody)
	}
	if answer.StatusCode >= http.StatusInternalServerError || answer.StatusCode == http.StatusTooManyRequests {
		return Response{}, provision.Retry(provision.ReasonProviderUnavailable, "%s answers %s", at(request.URL), answer.Status)
	}
	return Response{Status: answer.StatusCode, Header: answer.Header, Body: body}, nil
}

// Get asks for an address and accepts the given type.
func Get(ctx context.Context, client *http.Client, address, accept string) (Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return Response{}, provision.Failed(provision.ReasonInvalidRequest, "the address %q is not one: %w", address, err)
	}
	request.Header.Set("Accept", accept)
	return Do(client, request)
}

// GetJSON asks for a document and decodes it. Any status but 200 is a problem.
func GetJSON(ctx context.Context, client *http.Client, address string, into any) error {
	answer, err := Get(ctx, client, address, "application/json")
	if err != nil {
		return err
	}
	if answer.Status != http.StatusOK {
		return provision.Failed(provision.ReasonProviderError, "%s answers %d, want 200", address, answer.Status)
	}
	if err := json.Unmarshal(answer.Body, into); err != nil {
		return provision.Failed(provision.ReasonProviderError, "%s does not answer with JSON of the expected shape: %w", address, err)
	}
	return nil
}

// Unreachable explains an error of the transport. A certificate that is not trusted stays so until someone acts.
func Unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
		return provision.Failed(provision.ReasonProviderError, "the provider's certificate is not trusted: %w; put its authority into the key %s of the credential", err, CAKey)
	}
	var network *net.OpError
	var lookup *net.DNSError
	switch {
	case errors.As(err, &lookup):
		err = lookup
	case errors.As(err, &network):
		err = network
	}
	return provision.Retry(provision.ReasonProviderUnavailable, "the provider does not answer: %w", err)
}

// at is an address without what its query may hold.
func at(address *url.URL) string {
	return fmt.Sprintf("%s://%s%s", address.Scheme, address.Host, address.Path)
}
