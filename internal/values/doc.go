// Package values layers chart values: deep merges in which the later word wins, and dotted paths. It is pure and
// imports the standard library only.
package values
