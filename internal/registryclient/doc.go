// Package registryclient sends events to a coordination registry. It is an adapter over net/http and internal/wire.
package registryclient
