// Package binding reconciles Bindings: it generates the consumer's credentials, has the provider make what is asked for,
// and believes none of it until a read-back with the consumer's own credentials succeeds.
//
//	credentials ──► provider ready ──► provision Job ──► verify Job ──► Ready ──(interval, change)──► verify Job …
//
// Credentials are rotated while both ends work. Each phase is recorded in the status before it has an effect; the number on
// the consumer's Secret tells whether the switch was made:
//
//	stage beside ──► provision Job ──► verify Job ──► one update of the Secret ──► consumer rolled ──► verify Job ──► retire Job
//
// Jobs speak the protocol of internal/provision: their result decides, their exit code is advice. At most one Job of a
// binding runs at a time. It may import the pure core, conditions, outcome, provision and the API.
package binding
