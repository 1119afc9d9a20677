// Package report decides what is reported about a deployment and when: the snapshot, whether it is news, and what follows
// from a registry's answer. It is pure: no client, context or clock. It imports the API types and internal/wire.
package report
