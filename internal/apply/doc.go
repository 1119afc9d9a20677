// Package apply writes objects to a cluster and removes them: server-side apply with the operator's field manager, ownership
// checks before touching anything, and deletion that tolerates kinds and objects that are gone.
//
// It is an adapter over controller-runtime's client and client-go. It may import internal/render for identities.
package apply
