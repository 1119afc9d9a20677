// Package layer turns a directory tree into the tar stream of an image layer, the same bytes for the same tree wherever
// and whenever it is made: entries are sorted, times are fixed, owners are normalised.
//
// It may import the standard library only.
package layer
