// Package dryrun asks a cluster what a plan would change there, component by component, and writes nothing: charts are fetched
// and rendered here, the changes of each object are worked out by the cluster's own dry run. It acts with the rights of
// whoever asks.
//
// It is an adapter over internal/release and internal/fetch. It may import the core, internal/apply, internal/request and the
// API; not the controllers.
package dryrun
