// Package oidc proves edges of the contracts oidc-issuer-v1 and oidc-client-v1 at any OpenID Connect issuer. It may import
// go-jose, x/oauth2 and internal/provision.
package oidc
