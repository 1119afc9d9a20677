// Package endpoint reads from a task where a server listens and whom to trust there, for the handlers that speak another
// protocol than HTTP. It imports the standard library and internal/provision.
package endpoint
