// Package observe sees the live objects of components: it reads them for internal/health, and tells a controller when one
// changes.
//
// It keeps caches of its own beside the manager's, of nothing but objects that carry the component label. Workloads, Jobs,
// Pods, Services and claims are kept without what nobody asks them for; of every other kind only metadata is kept, so that no
// Secret or ConfigMap ever lies in memory. A kind is watched while a component has objects of it: the last one to go takes
// the watch with it, and a kind that the cluster stops serving is let go.
//
// There is one cache per kind. A shared one could not let go of a kind that is gone: it asks the REST mapping for it first.
//
// It is an adapter: it may import controller-runtime, client-go, the API's labels, internal/render for the identity of
// objects, internal/apply for the digest of who manages their fields, and internal/health for the shape of warnings. Callers
// see plain unstructured objects, wherever they were read.
package observe
