package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/web"
)

// issuerOutput is the output of both contracts that names the issuer.
const issuerOutput = "issuer-url"

// metadata is what is used of OpenID Connect Discovery 1.0, section 3, and of RFC 8628, section 4.
type metadata struct {
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorization_endpoint"`
	DeviceEndpoint        string `json:"device_authorization_endpoint"`
	TokenEndpoint         string `json:"token_endpoint"`
	JWKSURI               string `json:"jwks_uri"`
}

// issuer is one that was looked at.
type issuer struct {
	url      string
	client   *http.Client
	metadata metadata
	keys     []jose.JSONWebKey
}

// VerifyIssuer proves that the issuer publishes itself under exactly the name the consumer has for it, with keys to check
// its signatures.
func VerifyIssuer(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	_, err := examine(ctx, task, &report)
	report.Message = "the issuer " + task.Value(issuerOutput) + " publishes itself and its keys"
	return report, err
}

// examine reads the discovery document and the keys and records the checks.
func examine(ctx context.Context, task provision.Task, report *provision.Report) (issuer, error) {
	found := issuer{url: task.Value(issuerOutput)}
	if found.url == "" {
		return found, provision.Failed(provision.ReasonInvalidRequest, "the binding has no output %s; correct the catalogue entry of the provider", issuerOutput)
	}
	var err error
	if found.client, err = web.NewClient(task.Credentials[web.CAKey]); err != nil {
		return found, err
	}
	// The issuer may end in a slash; the document is at the path without it (section 4.1).
	address := strings.TrimSuffix(found.url, "/") + "/.well-known/openid-configuration"
	err = web.GetJSON(ctx, found.client, address, &found.metadata)
	report.Check("discovery document", err)
	if err != nil {
		return found, err
	}
	report.Check("issuer", same(found.metadata.Issuer, found.url))
	report.Check("token endpoint", present(found.metadata.TokenEndpoint))
	var set jose.JSONWebKeySet
	if err := web.GetJSON(ctx, found.client, found.metadata.JWKSURI, &set); err != nil {
		report.Check("signing keys", err)
		return found, err
	}
	for _, key := range set.Keys {
		if (key.Use == "sig" || key.Use == "") && key.Valid() && key.IsPublic() {
			found.keys = append(found.keys, key)
		}
	}
	err = nil
	if len(found.keys) == 0 {
		err = fmt.Errorf("%s has no key to check signatures with", found.metadata.JWKSURI)
	}
	report.Check("signing keys", err)
	return found, nil
}

func same(got, want string) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("it calls itself %q, the consumer has %q; they must be equal to the letter", got, want)
}

func present(value string) error {
	if value != "" {
		return nil
	}
	return errors.New("the discovery document does not name it")
}
