// Package registry is the coordination registry: it takes the snapshots that reporters send, keeps every accepted one,
// and shows who runs what, where, how well and since when.
//
//	POST /v1/events ──authenticate, validate, order──► SQLite ──► GET /v1/deployments, the page
//
// It is a server of its own: it imports internal/wire and the standard library, SQLite through database/sql, and nothing
// of Kubernetes.
package registry
