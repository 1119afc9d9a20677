// Package charts tests the charts, the kustomizations and the catalogue as users get them: rendered, planned and compared,
// without a cluster.
//
// It may import internal/helm, internal/fetch, internal/manifest and internal/plan, and kustomize's API.
package charts
