// Package deployment reconciles DPIDeployments: it expands each into a StackRevision, makes the Components and Bindings
// of the revision in force, and folds their conditions into one sentence.
//
//	spec or catalogue ──plan──► StackRevision (immutable) ──apply──► Components, Bindings ──fold──► status
//
// It owns StackRevisions, Components and Bindings, and watches the catalogue kinds. Installing and wiring is not done here.
// It may import the pure core, conditions, outcome and the API.
package deployment
