package registryclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/report"
	"github.com/dpi-operator/dpi-operator/internal/wire"
)

const (
	timeout = 10 * time.Second
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 64 << 10
)

// ErrTooLarge means that an event exceeds what registries take; it is refused before it is sent.
var ErrTooLarge = errors.New("the event is larger than registries take")

// Registry is where to report and as whom.
type Registry struct {
	// URL without the path of the API.
	URL string
	// Token is a bearer token.
	Token string
	// CA is a bundle in PEM; empty means the system's.
	CA []byte
}

// Client sends events. It follows no redirect, because a redirect would carry the token elsewhere.
type Client struct {
	registry Registry
	http     *http.Client
}

// New returns a client, or an error if the CA bundle holds no certificate.
func New(registry Registry) (*Client, error) {
	registry.URL = strings.TrimSuffix(registry.URL, "/")
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // the standard library's own
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	// One request now and then: an idle connection would only be forgotten.
	transport.DisableKeepAlives = true
	if len(registry.CA) > 0 {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(registry.CA) {
			return nil, errors.New("the CA bundle of the registry holds no certificate in PEM")
		}
		transport.TLSClientConfig.RootCAs = roots
	}
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{registry: registry, http: &http.Client{Transport: transport, Timeout: timeout, CheckRedirect: refuse}}, nil
}

// Send posts one event. An answer of any status is an Answer; an error means that none came.
func (c *Client) Send(ctx context.Context, event wire.Event) (report.Answer, error) {
	body, err := json.Marshal(event)
	if err != nil {
		return report.Answer{}, fmt.Errorf("write the event: %w", err)
	}
	if len(body) > wire.MaxBytes {
		return report.Answer{}, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(body))
	}
	return c.do(ctx, http.MethodPost, "/v1/events", body)
}

// Self asks whether the registry knows this reporter.
func (c *Client) Self(ctx context.Context) (report.Answer, error) {
	return c.do(ctx, http.MethodGet, "/v1/reporters/self", nil)
}

func (c *Client) do(ctx context.Context, method, path string, body []byte) (report.Answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.registry.URL+path, bytes.NewReader(body))
	if err != nil {
		return report.Answer{}, err
	}
	request.Header.Set("Authorization", "Bearer "+c.registry.Token)
	if body != nil {
		request.Header.Set("Content-Type", wire.ContentType)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return report.Answer{}, fmt.Errorf("reach the registry: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	answer := report.Answer{Status: response.StatusCode, RetryAfter: retryAfter(response.Header.Get("Retry-After"))}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil || answer.Status < http.StatusBadRequest {
		// The status says it all; a body cut short changes nothing.
		return answer, nil
	}
	var problem wire.Problem
	if json.Unmarshal(data, &problem) == nil {
		answer.ProblemType, answer.AcceptedSequence = problem.Type, problem.AcceptedSequence
	}
	return answer, nil
}

func retryAfter(header string) time.Duration {
	seconds, err := strconv.Atoi(header)
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
