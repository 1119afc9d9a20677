package oidc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/web"
)

const (
	// probe is in everything that a proof asks for and must not get.
	probe = "dpi-operator-probe"
	// nowhere is an address that nobody can have (RFC 2606, section 2).
	nowhere = "https://" + probe + ".invalid/"
	// flowCode is the response type of a login that ends with a code, the only one a client is for.
	flowCode = "code"
)

// login is one that a browser asks for.
type login struct {
	client, flow, address string
}

// unwanted is a login that the issuer has to refuse.
type unwanted struct {
	login

	// name of the postcondition, and what it means if it does not hold.
	name, open string
}

// checkLogins asks for logins as a browser would, without going on with any: one for each address wanted, and those that must
// be refused. It reports false where the issuer refuses no login, so that nothing is told by what it offers.
func (i issuer) checkLogins(ctx context.Context, id string, addresses []string, report *provision.Report) (told bool, err error) {
	if i.metadata.AuthorizationEndpoint == "" {
		if len(addresses) > 0 {
			report.Check("authorization endpoint", present(""))
		}
		return true, nil
	}
	for _, address := range addresses {
		refusal, err := i.ask(ctx, login{client: id, flow: flowCode, address: address})
		if err != nil {
			return true, err
		}
		if refusal != nil {
			refusal = fmt.Errorf("the issuer %w to a login that would return there; add the address to the client", refusal)
		}
		report.Check("redirect to "+address, refusal)
	}
	for _, each := range unwantedLogins(id, addresses) {
		refusal, err := i.ask(ctx, each.login)
		if err != nil {
			return true, err
		}
		if refusal != nil {
			report.Check(each.name, nil)
			continue
		}
		// Only now, so that a client in shape costs no further request.
		if told, err := i.refusesAny(ctx); err != nil || !told {
			return told, err
		}
		report.Check(each.name, errors.New(each.open))
	}
	return true, nil
}

// unwantedLogins are few: one beyond each address, for the wildcards that take addresses in, and one for each kind of token
// that the implicit flow would hand to a browser. That flow is a matter of the client, so that one address is enough.
func unwantedLogins(id string, addresses []string) []unwanted {
	out := make([]unwanted, 0, len(addresses)+2)
	returning := nowhere
	for _, address := range addresses {
		further := beyond(address)
		out = append(out, unwanted{
			login: login{client: id, flow: flowCode, address: further}, name: "nothing beyond " + address,
			open: "the issuer is ready to send people to " + further + " as well; take wildcards out of the client's redirect addresses",
		})
	}
	if len(addresses) > 0 {
		returning = addresses[0]
	} else {
		out = append(out, unwanted{
			login: login{client: id, flow: flowCode, address: nowhere}, name: "nobody logs in",
			open: "the issuer is ready to send people to " + nowhere + ", and the client asked for no address; take the client's redirect addresses away",
		})
	}
	for _, flow := range []string{"token", "id_token"} {
		out = append(out, unwanted{
			login: login{client: id, flow: flow, address: returning}, name: "no " + flow + " by way of the browser",
			open: "the issuer offers a login with response_type " + flow + "; close the client's implicit flow",
		})
	}
	return out
}

// beyond is an address that a wildcard at the end of this one, of its path or of a part of it would take in.
func beyond(address string) string {
	cut := strings.IndexAny(address, "?#")
	if cut < 0 {
		cut = len(address)
	}
	return strings.TrimSuffix(address[:cut], "/") + "/" + probe + address[cut:]
}

// refusesAny reports whether the issuer refuses a login for a client that it cannot know.
func (i issuer) refusesAny(ctx context.Context) (bool, error) {
	refusal, err := i.ask(ctx, login{client: probe + "-" + rand.Text(), flow: flowCode, address: nowhere})
	return refusal != nil, err
}

// ask sends the request and returns how the issuer refuses it: by its status where it must send nobody back, else by an error
// that the browser would take along (RFC 6749, section 4.1.2.1). It is nil where the issuer goes on.
func (i issuer) ask(ctx context.Context, l login) (refusal, err error) {
	// Without a nonce an ID token would be refused for its lack, and not for the flow.
	query := url.Values{
		"client_id": {l.client}, "response_type": {l.flow}, "scope": {"openid"}, "redirect_uri": {l.address}, "state": {probe}, "nonce": {rand.Text()},
	}
	if l.flow == flowCode {
		// For issuers that want it of every client; others pay no attention to it.
		query.Set("code_challenge", oauth2.S256ChallengeFromVerifier(oauth2.GenerateVerifier()))
		query.Set("code_challenge_method", "S256")
	}
	separator := "?"
	if strings.Contains(i.metadata.AuthorizationEndpoint, "?") {
		separator = "&"
	}
	answer, err := web.Get(ctx, i.client, i.metadata.AuthorizationEndpoint+separator+query.Encode(), "text/html")
	if err != nil {
		return nil, err
	}
	if answer.Status >= http.StatusBadRequest {
		return fmt.Errorf("answers %d", answer.Status), nil
	}
	if said := errorIn(answer.Header.Get("Location")); said != "" {
		return fmt.Errorf("answers %q", said), nil
	}
	return nil, nil
}

// errorIn is the error that an address to go on to carries, in its query or, for the implicit flow, behind it.
func errorIn(location string) string {
	to, err := url.Parse(location)
	if err != nil {
		return ""
	}
	if said := to.Query().Get("error"); said != "" {
		return said
	}
	// What cannot be read carries none.
	behind, _ := url.ParseQuery(to.Fragment)
	return behind.Get("error")
}
