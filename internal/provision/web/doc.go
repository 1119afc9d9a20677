// Package web is the HTTP client of the handlers that speak HTTP: bounded in time and size, with the certificate authority
// of the credential, and with errors that say whether to try again. It imports the standard library and internal/provision.
package web
