// Package component reconciles Components: it waits for what each needs, makes its credentials, has its Helm release
// made, and says from the live objects whether it works.
//
//	gates (bindings, dependencies) ──► credentials ──► release ──► health ──► status
//
// It watches Components, Bindings and the live objects of the releases. Deletion runs against the same edges: a component
// goes once nothing that is alive uses it. It may import the adapters, the pure core and the API; no other controller.
package component
