// Package helm is the only one that imports Helm: charts, rendering, and release records, which are genuine Helm 3 releases
// that `helm ls`, `history`, `get`, `rollback` and `uninstall` work on. No Helm type crosses its border, so that another
// major version of Helm is a change to this package alone.
//
// Rendering is pure except for `lookup`, which goes through an interface. Records are an adapter over a client that must
// not cache: a record is the lock of its release.
//
//	archive bytes ──LoadChart──► Chart ──Render──► CRDs, hooks, objects (install order)
//	Record ◄──Store──► Secret sh.helm.release.v1.<name>.v<revision>
//
// It may import internal/render for identities; not apply, fetch or release.
package helm
