// Package httpapi proves edges whose consumer needs an address only: fhir-r4-v1, openehr-v1 and, for anything else that
// speaks HTTP, http-api-v1. It imports internal/provision.
package httpapi
