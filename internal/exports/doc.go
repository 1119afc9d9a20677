// Package exports judges whether a component may provide for another namespace, and on what terms. The planner asks it before
// a Binding is made, the Binding's controller before anything is done for it: neither rests on the other.
//
// It is pure: no client, no context, no clock. It imports the API types and internal/values only.
package exports
