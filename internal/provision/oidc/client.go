package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/web"
)

// leeway is the difference between two clocks that is forgiven.
const leeway = time.Minute

// algorithms are the asymmetric ones: a token that a shared secret could have made proves nothing.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// clientParameters of the contract that the proof looks at.
type clientParameters struct {
	Roles          []string `json:"roles"`
	RedirectURIs   []string `json:"redirectURIs"`
	Authentication string   `json:"authentication"`
}

// tokenClaims are those the proof looks at. Where an issuer puts roles is its own choice; these are the usual places.
type tokenClaims struct {
	AuthorizedParty string   `json:"azp"`
	ClientID        string   `json:"client_id"`
	Roles           []string `json:"roles"`
	RealmAccess     struct {
		Roles []string `json:"roles"`
	} `json:"realm_access"`
}

// VerifyClient proves that the consumer gets a token with its own credentials, signed by the issuer, made out to it, with
// the roles asked for; and that the issuer would send people back to each redirect address, to no other, with a code only, and
// takes no logins on other devices for it. It acts as the consumer and its browser can: nothing is read as an admin.
func VerifyClient(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	var asked clientParameters
	if len(task.Request.Parameters) > 0 {
		if err := json.Unmarshal(task.Request.Parameters, &asked); err != nil {
			return report, provision.Failed(provision.ReasonInvalidRequest, "the parameters are not those of oidc-client-v1: %w", err)
		}
	}
	id := task.Value("client-id")
	proof, err := newProof(task, asked)
	if err != nil {
		return report, err
	}
	found, err := examine(ctx, task, &report)
	if err != nil || !report.Holds() {
		return report, err
	}
	token, err := found.token(ctx, id, proof)
	report.Check("token", err)
	if err != nil {
		return report, err
	}
	found.checkToken(token, id, asked.Roles, &report)
	report.Message = "the client " + id + " gets tokens of " + found.url
	told, err := found.checkLogins(ctx, id, asked.RedirectURIs, &report)
	if err != nil {
		return report, err
	}
	if !told {
		report.Message += "; it shows a login to any client, so that wider addresses would not be noticed"
	}
	return report, found.checkDevices(ctx, id, proof, &report)
}

func (i issuer) token(ctx context.Context, id string, shown proof) (string, error) {
	config := clientcredentials.Config{ClientID: id, ClientSecret: shown.secret, TokenURL: i.metadata.TokenEndpoint, AuthStyle: oauth2.AuthStyleInHeader}
	if shown.key != nil {
		signed, err := i.assertion(id, *shown.key)
		if err != nil {
			return "", err
		}
		config.AuthStyle, config.EndpointParams = oauth2.AuthStyleInParams, signed
	}
	token, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, i.client))
	var refused *oauth2.RetrieveError
	switch {
	case err == nil:
		return token.AccessToken, nil
	case !errors.As(err, &refused):
		return "", web.Unreachable(ctx, err)
	case refused.Response.StatusCode >= http.StatusInternalServerError:
		return "", provision.Retry(provision.ReasonProviderUnavailable, "%s answers %s", i.metadata.TokenEndpoint, refused.Response.Status)
	default:
		return "", provision.Failed(provision.ReasonCredentialsRejected, "the issuer gives the client %s no token: %s (%s)", id, refused.ErrorCode, refused.Response.Status)
	}
}

func (i issuer) checkToken(token, id string, roles []string, report *provision.Report) {
	standard, claims, err := i.open(token)
	report.Check("signature", err)
	if err != nil {
		return
	}
	report.Check("token's issuer", same(standard.Issuer, i.url))
	report.Check("token's validity", standard.ValidateWithLeeway(jwt.Expected{Time: time.Now()}, leeway))
	party := claims.AuthorizedParty
	if party == "" {
		party = claims.ClientID
	}
	report.Check("token's client", same(party, id))
	for _, role := range roles {
		var missing error
		if !slices.Contains(claims.RealmAccess.Roles, role) && !slices.Contains(claims.Roles, role) {
			missing = errors.New("the token does not carry it")
		}
		report.Check("role "+role, missing)
	}
}

// open checks the signature with the issuer's keys and returns the claims.
func (i issuer) open(token string) (jwt.Claims, tokenClaims, error) {
	var standard jwt.Claims
	var claims tokenClaims
	parsed, err := jwt.ParseSigned(token, algorithms)
	if err != nil {
		return standard, claims, fmt.Errorf("the token is no signed JWT: %w", err)
	}
	err = errors.New("the token names no key of the issuer")
	for _, key := range i.keys {
		if len(parsed.Headers) == 0 || (parsed.Headers[0].KeyID != "" && parsed.Headers[0].KeyID != key.KeyID) {
			continue
		}
		if err = parsed.Claims(key, &standard, &claims); err == nil {
			return standard, claims, nil
		}
	}
	return standard, claims, err
}
