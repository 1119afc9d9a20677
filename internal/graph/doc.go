// Package graph orders named nodes by what each needs first. It is pure and imports the standard library only.
package graph
