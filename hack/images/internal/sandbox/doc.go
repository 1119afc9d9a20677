// Package sandbox runs a program inside the files of an image that is being built, as the image's own user, without a container engine: a
// change of root in a mount namespace of its own, which goes away with the program.
//
// It may import internal/command. It needs root.
package sandbox
