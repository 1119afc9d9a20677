// Package binding reconciles Bindings: it generates the consumer's credentials, has the provider make what is asked for,
// and believes none of it until a read-back with the consumer's own credentials succeeds.
//
//	credentials ──► provider ready ──► provision Job ──► verify Job ──► Ready ──(interval, change)──► verify Job …
//
// Jobs speak the protocol of internal/provision: their result decides, their exit code is advice. At most one Job of a
// binding runs at a time. It may import the pure core, conditions, outcome, provision and the API.
package binding
