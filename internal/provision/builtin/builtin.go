package builtin

import (
	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/postgresql"
)

// Names of the built-in provisioners, as a provider's entry gives them.
const (
	PostgreSQL = "postgresql"
)

var handlers = map[provision.Action]map[string]provision.Handler{
	provision.ActionProvision: {
		PostgreSQL: provision.HandlerFunc(postgresql.Server{}.Provision),
	},
	provision.ActionRevoke: {
		PostgreSQL: provision.HandlerFunc(postgresql.Server{}.Revoke),
	},
	provision.ActionVerify: {
		"postgresql-v1": provision.HandlerFunc(postgresql.Server{}.Verify),
	},
}

// Find returns the handler of that name for the action.
func Find(action provision.Action, name string) (provision.Handler, bool) {
	handler, ok := handlers[action][name]
	return handler, ok
}
