// Package cluster puts a single-node Kubernetes together from its parts: what runs, with which configuration, in which
// order, and when each counts as up.
package cluster
