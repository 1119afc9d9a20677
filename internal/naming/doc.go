// Package naming derives the bounded, deterministic names of objects, releases and SQL identifiers. It is pure and
// imports the standard library only.
package naming
