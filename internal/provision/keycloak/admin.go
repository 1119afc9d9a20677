package keycloak

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/web"
)

const (
	adminRealm  = "master"
	adminClient = "admin-cli"
)

// admin is a session with the admin API. Its token lives about a minute, which is more than the few requests of one run.
type admin struct {
	base   string
	client *http.Client
	token  string
}

// login opens a session with the provider's admin credential.
func login(ctx context.Context, task provision.Task) (*admin, error) {
	username, password := task.Admin["username"], task.Admin["password"]
	if username == "" || password == "" {
		return nil, provision.Failed(provision.ReasonInvalidRequest, "the provider's admin Secret needs the keys username and password")
	}
	client, err := web.NewClient(task.Admin[web.CAKey])
	if err != nil {
		return nil, err
	}
	a := &admin{base: strings.TrimSuffix(task.Request.Endpoint.URL, "/"), client: client}
	if a.base == "" {
		return nil, provision.Failed(provision.ReasonInvalidRequest, "the request has no endpoint.url; correct the catalogue entry of the provider")
	}
	form := url.Values{"grant_type": {"password"}, "client_id": {adminClient}, "username": {username}, "password": {password}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+"/realms/"+adminRealm+"/protocol/openid-connect/token", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, provision.Failed(provision.ReasonInvalidRequest, "the address %q is not one: %w", a.base, err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := web.Do(client, request)
	if err != nil {
		return nil, err
	}
	var granted struct {
		AccessToken string `json:"access_token"`
	}
	switch {
	case answer.Status == http.StatusUnauthorized, answer.Status == http.StatusBadRequest:
		return nil, provision.Failed(provision.ReasonAdminCredentialRejected, "Keycloak at %s refuses the admin %s; correct the provider's admin Secret", a.base, username)
	case answer.Status != http.StatusOK:
		return nil, provision.Failed(provision.ReasonProviderError, "Keycloak at %s answers a login with %d", a.base, answer.Status)
	}
	if err := json.Unmarshal(answer.Body, &granted); err != nil || granted.AccessToken == "" {
		return nil, provision.Failed(provision.ReasonProviderError, "%s gives no token; is it a Keycloak server?", a.base)
	}
	a.token = granted.AccessToken
	return a, nil
}

// call is one request to the admin API.
type call struct {
	method string
	// path below the realms of the admin API; segments are escaped.
	path []string
	// query may be nil.
	query url.Values
	// body is sent as JSON unless nil.
	body any
	// into receives the answer's JSON unless nil.
	into any
	// accept lists the statuses that are no problem.
	accept []int
}

// do sends the call and returns the answer's status.
func (a *admin) do(ctx context.Context, c call) (int, error) {
	segments := []string{a.base, "admin", "realms"}
	for _, segment := range c.path {
		segments = append(segments, url.PathEscape(segment))
	}
	address := strings.Join(segments, "/")
	if len(c.query) > 0 {
		address += "?" + c.query.Encode()
	}
	var body bytes.Buffer
	if c.body != nil {
		if err := json.NewEncoder(&body).Encode(c.body); err != nil {
			return 0, fmt.Errorf("encode a request to Keycloak: %w", err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, c.method, address, &body)
	if err != nil {
		return 0, provision.Failed(provision.ReasonInvalidRequest, "the address %q is not one: %w", address, err)
	}
	request.Header.Set("Authorization", "Bearer "+a.token)
	request.Header.Set("Accept", "application/json")
	if c.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := web.Do(a.client, request)
	if err != nil {
		return 0, err
	}
	if !slices.Contains(c.accept, answer.Status) {
		return answer.Status, refusal(c, answer)
	}
	if c.into != nil && answer.Status == http.StatusOK {
		if err := json.Unmarshal(answer.Body, c.into); err != nil {
			return answer.Status, provision.Failed(provision.ReasonProviderError, "Keycloak answers %s %s with something else than expected: %w", c.method, strings.Join(c.path, "/"), err)
		}
	}
	return answer.Status, nil
}

// refusal says what was refused and why. A token that ran out is one the next run replaces.
func refusal(c call, answer web.Response) error {
	what := c.method + " " + strings.Join(c.path, "/")
	switch answer.Status {
	case http.StatusUnauthorized:
		return provision.Retry(provision.ReasonProviderUnavailable, "Keycloak does not take its own token any more at %s", what)
	case http.StatusForbidden:
		return provision.Failed(ReasonNotPermitted, "the admin may not %s; give it the role admin, or manage-realm and manage-clients", what)
	case http.StatusConflict:
		return provision.Retry(provision.ReasonProviderUnavailable, "someone else works on %s at the same time", what)
	}
	var said struct {
		Error   string `json:"error"`
		Message string `json:"errorMessage"`
	}
	// What is not JSON says nothing worth repeating.
	_ = json.Unmarshal(answer.Body, &said)
	return provision.Failed(provision.ReasonProviderError, "Keycloak answers %s with %d %s", what, answer.Status, strings.TrimSpace(said.Error+" "+said.Message))
}
