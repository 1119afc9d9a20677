// Package render turns what a chart renders into what is applied: labels, namespaces, image locations, patches, and the
// few things server-side apply refuses. It treats hooks like every other object.
//
// It is pure: objects in, objects out, the same bytes for the same input. It imports apimachinery, kustomize's
// libraries and internal/placeholder.
package render
