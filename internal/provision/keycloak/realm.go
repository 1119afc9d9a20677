package keycloak

import (
	"context"
	"net/http"
)

// realm is what is set of a realm when it is made. Later it belongs to the people who run it.
type realm struct {
	Realm                 string `json:"realm"`
	Enabled               bool   `json:"enabled"`
	RegistrationAllowed   bool   `json:"registrationAllowed"`
	BruteForceProtected   bool   `json:"bruteForceProtected"`
	SSLRequired           string `json:"sslRequired"`
	ResetPasswordAllowed  bool   `json:"resetPasswordAllowed"`
	LoginWithEmailAllowed bool   `json:"loginWithEmailAllowed"`
}

// role is a role of a realm.
type role struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// ensureRealm makes the realm unless it exists. One that exists may be another team's: it is used as it is.
func (a *admin) ensureRealm(ctx context.Context, name string) error {
	status, err := a.do(ctx, call{method: http.MethodGet, path: []string{name}, accept: []int{http.StatusOK, http.StatusNotFound}})
	if err != nil || status == http.StatusOK {
		return err
	}
	wanted := realm{Realm: name, Enabled: true, BruteForceProtected: true, SSLRequired: "external", LoginWithEmailAllowed: true}
	// Another run may have made it in between, which is as good.
	_, err = a.do(ctx, call{method: http.MethodPost, body: wanted, accept: []int{http.StatusCreated, http.StatusConflict}})
	return err
}

// ensureRoles makes what is missing of the roles and returns all of them.
func (a *admin) ensureRoles(ctx context.Context, realm string, names []string) ([]role, error) {
	roles := make([]role, 0, len(names))
	for _, name := range names {
		var found role
		path := []string{realm, "roles", name}
		status, err := a.do(ctx, call{method: http.MethodGet, path: path, into: &found, accept: []int{http.StatusOK, http.StatusNotFound}})
		if err != nil {
			return nil, err
		}
		if status == http.StatusNotFound {
			made := call{method: http.MethodPost, path: path[:2], body: map[string]string{"name": name}, accept: []int{http.StatusCreated, http.StatusConflict}}
			if _, err := a.do(ctx, made); err != nil {
				return nil, err
			}
			if _, err := a.do(ctx, call{method: http.MethodGet, path: path, into: &found, accept: []int{http.StatusOK}}); err != nil {
				return nil, err
			}
		}
		roles = append(roles, found)
	}
	return roles, nil
}
