// Package command runs other programs and turns a failure into an error that shows what they said.
//
// It may import the standard library only.
package command
