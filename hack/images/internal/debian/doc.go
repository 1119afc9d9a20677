// Package debian takes software from the Debian packages the machine's apt is configured for: into a directory tree for
// an image, or onto the machine itself when a tool that builds images is missing.
//
// It may import internal/command.
package debian
