package builtin

import (
	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/httpapi"
	"github.com/dpi-operator/dpi-operator/internal/provision/keycloak"
	"github.com/dpi-operator/dpi-operator/internal/provision/oidc"
	"github.com/dpi-operator/dpi-operator/internal/provision/postgresql"
)

// Names of the built-in provisioners, as a provider's entry gives them.
const (
	PostgreSQL = "postgresql"
	Keycloak   = "keycloak"
)

var handlers = map[provision.Action]map[string]provision.Handler{
	provision.ActionProvision: {
		PostgreSQL: provision.HandlerFunc(postgresql.Server{}.Provision),
		Keycloak:   provision.HandlerFunc(keycloak.Provision),
	},
	provision.ActionRetire: {
		PostgreSQL: provision.HandlerFunc(postgresql.Server{}.Retire),
	},
	provision.ActionRevoke: {
		PostgreSQL: provision.HandlerFunc(postgresql.Server{}.Revoke),
		Keycloak:   provision.HandlerFunc(keycloak.Revoke),
	},
	provision.ActionVerify: {
		"postgresql-v1":  provision.HandlerFunc(postgresql.Server{}.Verify),
		"oidc-issuer-v1": provision.HandlerFunc(oidc.VerifyIssuer),
		"oidc-client-v1": provision.HandlerFunc(oidc.VerifyClient),
		"fhir-r4-v1":     provision.HandlerFunc(httpapi.VerifyFHIR),
		"openehr-v1":     provision.HandlerFunc(httpapi.VerifyOpenEHR),
		"http-api-v1":    provision.HandlerFunc(httpapi.VerifyAny),
	},
}

// Find returns the handler of that name for the action.
func Find(action provision.Action, name string) (provision.Handler, bool) {
	handler, ok := handlers[action][name]
	return handler, ok
}
