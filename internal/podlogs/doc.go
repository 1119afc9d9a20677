// Package podlogs reads the ends of logs, for statuses that say why something failed. It is an adapter over client-go.
package podlogs
