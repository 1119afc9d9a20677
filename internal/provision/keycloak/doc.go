// Package keycloak provisions and revokes edges of the contracts oidc-issuer-v1 and oidc-client-v1 on a Keycloak server
// through its admin REST API. It imports internal/provision. Proofs are made by package oidc, which knows no Keycloak.
//
// A realm is shared: it is made where it does not exist, roles are added to it, and nothing in it is taken away. A client
// belongs to one binding: it carries the binding's UID as an attribute, is brought into exactly the shape asked for, and
// is deleted at revocation. Each object is made by one request, tag included, so that no kill leaves half of one.
package keycloak
