// Package observe sees the live objects of components: it reads them for internal/health, and tells a controller when one
// changes.
//
// It keeps a cache of its own beside the manager's, of nothing but objects that carry the component label. Workloads, Jobs,
// Pods, Services and claims are kept without what nobody asks them for; of every other kind only metadata is kept, so that no
// Secret or ConfigMap ever lies in memory. A kind is watched while a component has objects of it: the last one to go takes
// the watch with it, and a kind that the cluster stops serving is let go.
//
// It is an adapter: it may import controller-runtime, client-go and internal/render, and no other package of ours besides
// the API's labels. It hides where an object was read from; callers see plain unstructured objects.
package observe
