// Package httpupsert registers what a binding asks for at a provider's HTTP API, as the provider's catalogue entry describes
// it: how to log in, how to find each object by a name that is the same on every run, what it has to look like, how it is
// made, changed and taken away. It may import the API types, internal/expr, internal/values and internal/provision.
//
// A run looks before it makes anything, makes one object by one request with the mark of its owner in it, and reads back what
// it changed. A kill between any two requests therefore leaves nothing that the next run does not find.
package httpupsert
