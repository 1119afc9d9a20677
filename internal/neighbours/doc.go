// Package neighbours reads the components of other deployments that a deployment names, and what those wait for, for the planner, which
// does no I/O. The operator reads them from its cache, `kubectl dpi plan` from the cluster.
//
// It imports internal/plan, controller-runtime's client and the API.
package neighbours
