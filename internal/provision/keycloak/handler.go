package keycloak

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"slices"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// Contracts of this package.
const (
	contractIssuer = "oidc-issuer-v1"
	contractClient = "oidc-client-v1"
	// A realm may be prepared before anyone binds: what is made is what an issuer needs.
	contractPreparation = v1alpha1.ContractPreparation
)

// ReasonNotPermitted is given when the admin credential lacks a right.
const ReasonNotPermitted = "NotPermitted"

// realmPattern keeps realm names free of what would need escaping in the issuer's address.
var realmPattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// parameters of both contracts; an issuer has no redirect addresses.
type parameters struct {
	Realm          string   `json:"realm"`
	Roles          []string `json:"roles,omitempty"`
	RedirectURIs   []string `json:"redirectURIs,omitempty"`
	Authentication string   `json:"authentication,omitempty"`
}

// Provision makes the realm with its roles and, for oidc-client-v1, the client.
func Provision(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	asked, err := readParameters(task)
	if err != nil {
		return report, err
	}
	var wanted client
	if task.Request.Contract == contractClient {
		if wanted, err = newClient(task, asked); err != nil {
			return report, err
		}
	}
	server, err := login(ctx, task)
	if err != nil {
		return report, err
	}
	if err := server.ensureRealm(ctx, asked.Realm); err != nil {
		return report, err
	}
	roles, err := server.ensureRoles(ctx, asked.Realm, asked.Roles)
	if err != nil {
		return report, err
	}
	report.Message = "realm " + asked.Realm + " is ready"
	if task.Request.Contract == contractClient {
		report.Message = "client " + wanted.id + " of realm " + asked.Realm + " is ready"
		err = server.ensureClient(ctx, wanted, roles)
	}
	return report, err
}

// Revoke deletes the client of the binding from the realm that the request's parameters name, whatever else they say and
// wherever the binding is now. A realm is shared and stays. It is done where nothing is left, not even the realm. There is one
// client whether its credentials are being exchanged or not, so that what is retired changes nothing.
func Revoke(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	if err := checkContract(task.Request.Contract); err != nil {
		return report, err
	}
	// Parameters that a former contract took must not keep a client alive: only the realm is read.
	var asked struct {
		Realm string `json:"realm"`
	}
	if err := json.Unmarshal(task.Request.Parameters, &asked); err != nil {
		return report, provision.Failed(provision.ReasonInvalidRequest, "the parameters name no realm to revoke in: %w; correct the binding", err)
	}
	if err := checkRealm(asked.Realm); err != nil {
		return report, err
	}
	if task.Request.Contract != contractClient {
		report.Reason, report.Message = provision.ReasonRetained, "realm "+asked.Realm+" is kept: others may use it"
		return report, nil
	}
	server, err := login(ctx, task)
	if err != nil {
		return report, err
	}
	deleted, err := server.deleteClients(ctx, asked.Realm, task.Value("client-id"), task.Request.Binding)
	if err != nil {
		return report, err
	}
	report.Message = "nothing of this binding is in realm " + asked.Realm
	if deleted > 0 {
		report.Message = "the client is deleted from realm " + asked.Realm
	}
	return report, nil
}

func readParameters(task provision.Task) (parameters, error) {
	var asked parameters
	if err := checkContract(task.Request.Contract); err != nil {
		return asked, err
	}
	decoder := json.NewDecoder(bytes.NewReader(task.Request.Parameters))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&asked); err != nil {
		return asked, provision.Failed(provision.ReasonInvalidRequest, "the parameters are not those of %s: %w; correct the binding or the catalogue entry", task.Request.Contract, err)
	}
	if slices.Contains(asked.Roles, "") {
		return asked, provision.Failed(provision.ReasonInvalidRequest, "a role has an empty name")
	}
	return asked, checkRealm(asked.Realm)
}

func checkContract(name string) error {
	if !slices.Contains([]string{contractIssuer, contractClient, contractPreparation}, name) {
		return provision.Failed(provision.ReasonInvalidRequest, "Keycloak does not provide the contract %q; it has %s and %s", name, contractIssuer, contractClient)
	}
	return nil
}

func checkRealm(name string) error {
	switch {
	case !realmPattern.MatchString(name):
		return provision.Failed(provision.ReasonInvalidRequest, "the realm %q must be of a-z, 0-9 and -, and begin with a letter", name)
	case name == adminRealm:
		return provision.Failed(provision.ReasonInvalidRequest, "the realm %s is Keycloak's own; choose another", adminRealm)
	}
	return nil
}
