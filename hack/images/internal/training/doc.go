// Package training starts a Java server once while its image is built, on a real database, so that the JVM can write down the
// classes it loaded. The image then starts in half the time.
//
// It may import internal/command.
package training
