// Package archive unpacks zip archives (Python wheels, Maven distributions) into directories.
//
// It may import the standard library only.
package archive
