package httpupsert

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/expr"
	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/web"
	"github.com/dpi-operator/dpi-operator/internal/values"
)

// minConcealed keeps short values, which occur in words by chance, from garbling messages.
const minConcealed = 6

// session talks to the API as its admin.
type session struct {
	base    string
	client  *http.Client
	how     v1alpha1.HTTPAuthentication
	problem string
	admin   provision.Secrets
	scope   expr.Scope
	headers map[string]string
	// known are values made of secrets, which answers may repeat.
	known []string
}

// call is one request.
type call struct {
	method string
	path   []string
	query  url.Values
	form   url.Values
	// body is sent as JSON unless nil.
	body any
	// accept lists further statuses than those of success that are no problem.
	accept []int
}

func (c call) String() string { return c.method + " /" + strings.Join(c.path, "/") }

func newSession(ctx context.Context, task provision.Task, registration v1alpha1.HTTPRegistration) (*session, error) {
	api := task.Request.Endpoint
	if task.Request.API != nil {
		api = *task.Request.API
	}
	if !strings.HasPrefix(api.URL, "http://") && !strings.HasPrefix(api.URL, "https://") {
		return nil, provision.Failed(provision.ReasonInvalidRequest, "the API has the address %q, want one of http or https; correct the catalogue entry of the provider", api.URL)
	}
	client, err := web.NewClient(task.Admin[web.CAKey])
	if err != nil {
		return nil, err
	}
	s := &session{
		base: strings.TrimSuffix(api.URL, "/"), client: client, problem: registration.ProblemExpr, admin: task.Admin,
		scope: expr.Scope{"api": address(api), "endpoint": address(task.Request.Endpoint), "admin": texts(task.Admin)},
	}
	if registration.Authentication == nil {
		return s, nil
	}
	s.how = *registration.Authentication
	return s, s.authenticate(ctx)
}

// authenticate makes the headers that show the admin credential.
func (s *session) authenticate(ctx context.Context) error {
	switch {
	case s.how.Basic != nil:
		user, password, err := s.pair(cmp.Or(s.how.Basic.UsernameKey, "username"), cmp.Or(s.how.Basic.PasswordKey, "password"))
		if err != nil {
			return err
		}
		request := http.Request{Header: http.Header{}}
		request.SetBasicAuth(user, password)
		s.show(map[string]string{"Authorization": request.Header.Get("Authorization")})
	case s.how.Bearer != nil:
		key := cmp.Or(s.how.Bearer.Key, "token")
		if s.admin[key] == "" {
			return lacking(key)
		}
		s.show(map[string]string{"Authorization": "Bearer " + s.admin[key]})
	case s.how.ClientCredentials != nil:
		return s.token(ctx, *s.how.ClientCredentials)
	case s.how.Login != nil:
		return s.login(ctx, *s.how.Login)
	}
	return nil
}

func lacking(key string) error {
	return provision.Failed(provision.ReasonInvalidRequest, "the provider's admin Secret needs the key %s", key)
}

func (s *session) pair(user, password string) (name, secret string, err error) {
	for _, key := range []string{user, password} {
		if s.admin[key] == "" {
			return "", "", lacking(key)
		}
	}
	return s.admin[user], s.admin[password], nil
}

// show sets the headers of all further requests and remembers what must not be repeated.
func (s *session) show(headers map[string]string) {
	s.headers = headers
	for _, value := range headers {
		s.conceal(value, strings.TrimPrefix(strings.TrimPrefix(value, "Bearer "), "Basic "))
	}
}

func (s *session) conceal(values ...string) {
	for _, value := range values {
		if len(value) >= minConcealed {
			s.known = append(s.known, value)
		}
	}
}

func (s *session) token(ctx context.Context, how v1alpha1.HTTPClientCredentials) error {
	id, secret, err := s.pair(cmp.Or(how.ClientIDKey, "client-id"), cmp.Or(how.ClientSecretKey, "client-secret"))
	if err != nil {
		return err
	}
	tokenURL, err := text("tokenURLExpr", how.TokenURLExpr, s.scope)
	if err != nil {
		return err
	}
	config := clientcredentials.Config{ClientID: id, ClientSecret: secret, TokenURL: tokenURL}
	for _, scope := range how.Scopes {
		config.Scopes = append(config.Scopes, string(scope))
	}
	token, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, s.client))
	var refused *oauth2.RetrieveError
	switch {
	case err == nil:
		s.show(map[string]string{"Authorization": "Bearer " + token.AccessToken})
		return nil
	case !errors.As(err, &refused):
		return web.Unreachable(ctx, err)
	case refused.Response.StatusCode >= http.StatusInternalServerError:
		return provision.Retry(provision.ReasonProviderUnavailable, "%s answers %s", tokenURL, refused.Response.Status)
	default:
		return provision.Failed(provision.ReasonAdminCredentialRejected, "%s gives the client %s no token (%s); correct the provider's admin Secret", tokenURL, id, refused.Response.Status)
	}
}

func (s *session) login(ctx context.Context, how v1alpha1.HTTPLogin) error {
	public := expr.Scope{"api": s.scope["api"], "endpoint": s.scope["endpoint"], "admin": map[string]any{"username": s.admin["username"]}}
	path, err := segments("login", how.PathExpr, public)
	if err != nil {
		return err
	}
	c := call{method: cmp.Or(how.Method, http.MethodPost), path: path}
	if len(how.Form) > 0 {
		if c.form, err = parameters("login: form", how.Form, s.scope); err != nil {
			return err
		}
	}
	if how.BodyExpr != "" {
		if c.body, err = data("login: bodyExpr", how.BodyExpr, s.scope); err != nil {
			return err
		}
	}
	s.headers = nil
	answer, err := s.send(ctx, c)
	if err != nil {
		return err
	}
	if answer.Status >= http.StatusBadRequest {
		return provision.Failed(provision.ReasonAdminCredentialRejected, "%s answers the login %s with %d; correct the provider's admin Secret", s.base, c, answer.Status)
	}
	given, err := s.read(c, answer)
	if err != nil {
		return err
	}
	scope := expr.Scope{"api": s.scope["api"], "endpoint": s.scope["endpoint"], "admin": s.scope["admin"], "login": given}
	headers := map[string]string{}
	for _, header := range how.Headers {
		if headers[header.Name], err = text("login: header "+header.Name, header.Expr, scope); err != nil {
			return err
		}
	}
	s.show(headers)
	return nil
}

// do sends the call and returns what the answer holds, nil where it is one of those accepted. Where a login has run out it is repeated once.
func (s *session) do(ctx context.Context, c call) (any, error) {
	answer, err := s.send(ctx, c)
	if err != nil {
		return nil, err
	}
	if answer.Status == http.StatusUnauthorized && (s.how.Login != nil || s.how.ClientCredentials != nil) {
		if err := s.authenticate(ctx); err != nil {
			return nil, err
		}
		if answer, err = s.send(ctx, c); err != nil {
			return nil, err
		}
	}
	switch {
	case slices.Contains(c.accept, answer.Status):
		return nil, nil
	case answer.Status < http.StatusOK, answer.Status >= http.StatusMultipleChoices:
		return nil, s.refusal(c, answer.Status)
	}
	return s.read(c, answer)
}

// read decodes an answer. What changes something may be answered by anything.
func (s *session) read(c call, answer web.Response) (any, error) {
	content, err := values.DecodeAny(answer.Body)
	if err != nil {
		if c.method == http.MethodGet && len(bytes.TrimSpace(answer.Body)) > 0 {
			return nil, provision.Failed(provision.ReasonProviderError, "%s answers %s with something else than JSON", s.base, c)
		}
		return nil, nil
	}
	if s.problem == "" {
		return content, nil
	}
	said, err := expr.EvaluateString(s.problem, expr.Scope{"answer": content, "status": int64(answer.Status)})
	if err != nil {
		return nil, provision.Failed(provision.ReasonInvalidRequest, "problemExpr cannot read the answer to %s; correct the catalogue entry of the provider", c)
	}
	if said != "" {
		return nil, provision.Failed(provision.ReasonProviderError, "%s refuses %s: %s", s.base, c, s.clean(said))
	}
	return content, nil
}

func (s *session) clean(message string) string {
	for _, value := range s.known {
		message = strings.ReplaceAll(message, value, "[redacted]")
	}
	return message
}

// refusal says what was refused, and nothing of what was sent.
func (s *session) refusal(c call, status int) error {
	switch {
	case status == http.StatusUnauthorized:
		return provision.Failed(provision.ReasonAdminCredentialRejected, "%s answers %s with 401; correct the provider's admin Secret", s.base, c)
	case status == http.StatusForbidden:
		return provision.Failed(ReasonNotPermitted, "%s answers %s with 403; give the admin the right to do that", s.base, c)
	case status == http.StatusConflict:
		return provision.Retry(provision.ReasonProviderUnavailable, "%s answers %s with 409: someone else works on it at the same time", s.base, c)
	case status >= http.StatusMultipleChoices && status < http.StatusBadRequest:
		return provision.Failed(provision.ReasonProviderError, "%s sends %s elsewhere (%d), which is not followed; state the address as it is", s.base, c, status)
	default:
		return provision.Failed(provision.ReasonProviderError, "%s answers %s with %d; its log may say why", s.base, c, status)
	}
}

func (s *session) send(ctx context.Context, c call) (web.Response, error) {
	segments := []string{s.base}
	for _, segment := range c.path {
		segments = append(segments, url.PathEscape(segment))
	}
	address := strings.Join(segments, "/")
	if len(c.query) > 0 {
		address += "?" + c.query.Encode()
	}
	var body []byte
	contentType := ""
	switch {
	case c.form != nil:
		body, contentType = []byte(c.form.Encode()), "application/x-www-form-urlencoded"
	case c.body != nil:
		encoded, err := json.Marshal(c.body)
		if err != nil {
			return web.Response{}, provision.Failed(provision.ReasonInvalidRequest, "the body of %s cannot be written as JSON", c)
		}
		body, contentType = encoded, "application/json"
	}
	request, err := http.NewRequestWithContext(ctx, c.method, address, bytes.NewReader(body))
	if err != nil {
		return web.Response{}, provision.Failed(provision.ReasonInvalidRequest, "the address of %s is not one; correct the catalogue entry of the provider", c)
	}
	request.Header.Set("Accept", "application/json")
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	for name, value := range s.headers {
		request.Header.Set(name, value)
	}
	return web.Do(s.client, request)
}
