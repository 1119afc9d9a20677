// Package release brings a Helm release to a wanted state without ever blocking on the cluster, and can be killed between
// any two requests: whoever comes next continues from the release record.
//
// Decide is the pure half: what was observed goes in, the next step and its reason in words come out. Engine is the other
// half: it observes, asks Decide, carries out one step, and repeats until there is nothing to do or something to wait for.
//
//	record vN+1 pending (its creation is the lock) → CRDs → pre hooks → apply → prune → post hooks → deployed → tidy
//
// How to call it: call Reconcile (or Uninstall) whenever the wanted inputs or a watched object changed, and at
// Outcome.RetryAt. Hook Jobs and Pods carry the component label, so a watch by that label sees them finish. A call with
// nothing to do makes one light read and no write.
//
// Post-install hooks run right after the objects are applied, as with `helm install` without --wait: waiting for readiness
// first would deadlock charts whose hooks make them ready, and readiness is observed elsewhere.
//
// It may import internal/helm, apply, render; not the API types and not the controllers.
package release
