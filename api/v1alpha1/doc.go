// Package v1alpha1 holds the kinds of dpi-operator.io: what a catalogue offers, what a country asks for, and what the
// operator made of it.
//
// Every kind is namespaced, so that a ministry can run the operator with rights in its own namespaces only.
// The package imports apimachinery and nothing of this project; defaulting lives in accessor methods, not in the
// schema, so that a default can change without touching stored objects.
//
// +kubebuilder:object:generate=true
// +groupName=dpi-operator.io
package v1alpha1
