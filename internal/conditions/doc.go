// Package conditions writes conditions: the only place that turns the typed conditions and reasons of the API into
// metav1.Condition, and the only one that patches a status.
//
// It imports the API types, apimachinery and controller-runtime's client.
package conditions
