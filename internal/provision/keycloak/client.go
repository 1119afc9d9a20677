package keycloak

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// Attributes that tell whose a client is.
const (
	attributeUID       = "dpi-operator.io/binding-uid"
	attributeNamespace = "dpi-operator.io/binding-namespace"
	attributeName      = "dpi-operator.io/binding-name"
)

// attributeDevice is where Keycloak keeps whether a client may have people log in on another device.
const attributeDevice = "oauth2.device.authorization.grant.enabled"

// defaultRolesPrefix begins the name of the role every account of a realm has.
const defaultRolesPrefix = "default-roles-"

// client is a confidential client as a binding asks for it.
type client struct {
	realm, id    string
	proof        map[string]any
	redirectURIs []string
	binding      provision.Binding
}

// signatures is how a client asks to prove itself by them instead of by a secret.
const signatures = "private_key_jwt"

// newProof is what of a client says how it proves itself, and by what.
func newProof(task provision.Task, asked parameters) (map[string]any, error) {
	if asked.Authentication != signatures {
		secret := task.Credentials["client-secret"]
		if secret == "" {
			return nil, provision.Failed(provision.ReasonInvalidRequest, "the binding's Secret needs the keys client-id and client-secret")
		}
		return map[string]any{"clientAuthenticatorType": "client-secret", "secret": secret}, nil
	}
	var key jose.JSONWebKey
	if err := json.Unmarshal([]byte(task.Value("public-key")), &key); err != nil || !key.IsPublic() || key.Algorithm == "" {
		return nil, provision.Failed(provision.ReasonInvalidRequest, "the output public-key is no public JSON Web Key with an algorithm")
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key}})
	if err != nil {
		return nil, provision.Failed(provision.ReasonInvalidRequest, "the output public-key cannot be written: %w", err)
	}
	return map[string]any{"clientAuthenticatorType": "client-jwt", "attributes": map[string]any{
		"use.jwks.url": "false", "use.jwks.string": "true", "jwks.string": string(set), "token.endpoint.auth.signing.alg": key.Algorithm,
	}}, nil
}

func newClient(task provision.Task, asked parameters) (client, error) {
	c := client{
		realm: asked.Realm, id: task.Value("client-id"),
		redirectURIs: slices.Sorted(slices.Values(asked.RedirectURIs)), binding: task.Request.Binding,
	}
	if c.id == "" {
		return c, provision.Failed(provision.ReasonInvalidRequest, "the binding has no output client-id")
	}
	var err error
	if c.proof, err = newProof(task, asked); err != nil {
		return c, err
	}
	for _, address := range c.redirectURIs {
		parsed, err := url.Parse(address)
		if err != nil || !parsed.IsAbs() || strings.Contains(address, "*") || parsed.Fragment != "" {
			return c, provision.Failed(provision.ReasonInvalidRequest, "the redirect address %q must be a whole URL without wildcard and fragment", address)
		}
	}
	return c, nil
}

// representation is what Keycloak's clients have in common with ours; fields of others are kept as they are.
func (c client) representation() map[string]any {
	redirects := make([]any, 0, len(c.redirectURIs))
	for _, address := range c.redirectURIs {
		redirects = append(redirects, address)
	}
	attributes := map[string]any{
		attributeUID: c.binding.UID, attributeNamespace: c.binding.Namespace, attributeName: c.binding.Name,
		attributeDevice: "false",
	}
	representation := map[string]any{
		"clientId":                  c.id,
		"enabled":                   true,
		"protocol":                  "openid-connect",
		"publicClient":              false,
		"bearerOnly":                false,
		"serviceAccountsEnabled":    true,
		"standardFlowEnabled":       len(redirects) > 0,
		"implicitFlowEnabled":       false,
		"directAccessGrantsEnabled": false,
		"fullScopeAllowed":          false,
		// An empty list is said, too: Keycloak keeps what a representation is silent about.
		"redirectUris": redirects,
		"webOrigins":   []any{},
	}
	for field, value := range c.proof {
		if more, ok := value.(map[string]any); ok {
			maps.Copy(attributes, more)
			continue
		}
		representation[field] = value
	}
	representation["attributes"] = attributes
	return representation
}

// ensureClient brings the client and its roles into shape.
func (a *admin) ensureClient(ctx context.Context, wanted client, roles []role) error {
	key, err := a.ensureRepresentation(ctx, wanted)
	if err != nil {
		return err
	}
	var account struct {
		ID string `json:"id"`
	}
	path := []string{wanted.realm, "clients", key, "service-account-user"}
	if _, err := a.do(ctx, call{method: http.MethodGet, path: path, into: &account, accept: []int{http.StatusOK}}); err != nil {
		return err
	}
	if err := a.ensureMapping(ctx, []string{wanted.realm, "users", account.ID, "role-mappings", "realm"}, roles); err != nil {
		return err
	}
	return a.ensureMapping(ctx, []string{wanted.realm, "clients", key, "scope-mappings", "realm"}, roles)
}

// findClients returns the realm's clients: that of an id, or all. A realm that does not exist has none.
func (a *admin) findClients(ctx context.Context, realm, id string) ([]map[string]any, error) {
	var query url.Values
	if id != "" {
		query = url.Values{"clientId": {id}}
	}
	var found []map[string]any
	status, err := a.do(ctx, call{
		method: http.MethodGet, path: []string{realm, "clients"}, query: query, into: &found, accept: []int{http.StatusOK, http.StatusNotFound},
	})
	if status == http.StatusNotFound {
		return nil, err
	}
	return found, err
}

// ensureRepresentation makes or corrects the client and returns Keycloak's key for it.
func (a *admin) ensureRepresentation(ctx context.Context, wanted client) (string, error) {
	found, err := a.findClients(ctx, wanted.realm, wanted.id)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		status, err := a.do(ctx, call{method: http.MethodPost, path: []string{wanted.realm, "clients"}, body: wanted.representation(), accept: []int{http.StatusCreated, http.StatusConflict}})
		if err != nil {
			return "", err
		}
		if found, err = a.findClients(ctx, wanted.realm, wanted.id); err != nil {
			return "", err
		}
		if len(found) == 0 {
			return "", provision.Retry(provision.ReasonProviderError, "Keycloak answered %d to the client %s and does not have it", status, wanted.id)
		}
	}
	existing := found[0]
	key, ok := existing["id"].(string)
	if !ok {
		return "", provision.Failed(provision.ReasonProviderError, "Keycloak lists the client %s without an id", wanted.id)
	}
	if owner := attribute(existing, attributeUID); owner != wanted.binding.UID {
		return "", foreign(wanted, existing)
	}
	corrected, changed := merge(existing, wanted.representation())
	if !changed {
		return key, nil
	}
	// Whole, always: Keycloak fills fields that are left out with ideas of its own.
	_, err = a.do(ctx, call{method: http.MethodPut, path: []string{wanted.realm, "clients", key}, body: corrected, accept: []int{http.StatusNoContent}})
	return key, err
}

// ensureMapping makes the roles mapped exactly those wanted. The role that every account has stays.
func (a *admin) ensureMapping(ctx context.Context, path []string, wanted []role) error {
	var current []role
	if _, err := a.do(ctx, call{method: http.MethodGet, path: path, into: &current, accept: []int{http.StatusOK}}); err != nil {
		return err
	}
	missing := without(wanted, current)
	surplus := slices.DeleteFunc(without(current, wanted), func(r role) bool { return strings.HasPrefix(r.Name, defaultRolesPrefix) })
	for _, change := range []struct {
		method string
		roles  []role
	}{{http.MethodPost, missing}, {http.MethodDelete, surplus}} {
		if len(change.roles) == 0 {
			continue
		}
		if _, err := a.do(ctx, call{method: change.method, path: path, body: change.roles, accept: []int{http.StatusNoContent}}); err != nil {
			return err
		}
	}
	return nil
}

// deleteClients deletes what carries the binding's UID and returns how many that were. Where the id is not known it looks
// at all clients of the realm: Keycloak searches attributes only where it was configured to.
func (a *admin) deleteClients(ctx context.Context, realm, id string, binding provision.Binding) (int, error) {
	found, err := a.findClients(ctx, realm, id)
	if err != nil {
		return 0, err
	}
	deleted := 0
	for _, each := range found {
		key, ok := each["id"].(string)
		if !ok || attribute(each, attributeUID) != binding.UID {
			continue
		}
		// Another run may have been faster.
		if _, err := a.do(ctx, call{method: http.MethodDelete, path: []string{realm, "clients", key}, accept: []int{http.StatusNoContent, http.StatusNotFound}}); err != nil {
			return deleted, err
		}
		deleted++
	}
	return deleted, nil
}

func foreign(wanted client, existing map[string]any) error {
	whose := "was not made by a binding"
	if attribute(existing, attributeUID) != "" {
		whose = "belongs to binding " + attribute(existing, attributeNamespace) + "/" + attribute(existing, attributeName) + " (uid " + attribute(existing, attributeUID) + ")"
	}
	return provision.Failed(provision.ReasonForeignObject, "the client %s of realm %s exists and %s; remove it, or choose another name for the deployment", wanted.id, wanted.realm, whose)
}

func attribute(representation map[string]any, name string) string {
	attributes, _ := representation["attributes"].(map[string]any)
	value, _ := attributes[name].(string)
	return value
}

// merge lays what is wanted over what exists and tells whether that changes anything. Attributes merge by name, the order
// of redirect addresses means nothing.
func merge(existing, wanted map[string]any) (map[string]any, bool) {
	merged, changed := map[string]any{}, false
	maps.Copy(merged, existing)
	for field, value := range wanted {
		current := existing[field]
		if more, ok := value.(map[string]any); ok {
			inner, _ := current.(map[string]any)
			combined, differs := merge(inner, more)
			merged[field], changed = combined, changed || differs
			continue
		}
		if !equal(current, value) {
			merged[field], changed = value, true
		}
	}
	return merged, changed
}

func equal(current, wanted any) bool {
	list, ok := wanted.([]any)
	if !ok {
		return reflect.DeepEqual(current, wanted)
	}
	currentList, _ := current.([]any)
	return slices.Equal(sortedWords(currentList), sortedWords(list))
}

func sortedWords(list []any) []string {
	var words []string
	for _, item := range list {
		if word, ok := item.(string); ok {
			words = append(words, word)
		}
	}
	slices.Sort(words)
	return words
}

// without returns the roles of one list that the other lacks.
func without(list, other []role) []role {
	var out []role
	for _, each := range list {
		if !slices.ContainsFunc(other, func(r role) bool { return r.Name == each.Name }) {
			out = append(out, each)
		}
	}
	return out
}
