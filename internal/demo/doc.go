// Package demo brings up a real stack as a user would: a cluster, images, charts, the operator, a registry, a catalogue and
// a deployment; then it proves from outside that the stack works. `make demo` and the end-to-end tests run the same steps.
//
// It runs on the machine of a person, not in the operator. It may import the API, adapters and client-go.
package demo
