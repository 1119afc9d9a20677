// Package gobuild compiles programs of this repository into static binaries.
//
// It may import internal/command.
package gobuild
