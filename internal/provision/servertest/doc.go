// Package servertest runs real servers as processes for the length of a test: on ports of the loopback interface, each in a
// directory of its own, and never longer than the test binary. It is for tests only and imports the standard library only.
package servertest
