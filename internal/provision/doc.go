// Package provision is the protocol between the operator and the programs that make, prove and revoke what a binding
// needs at its provider. docs/provisioner-protocol.md describes it for whoever brings an image of their own.
//
// A Job runs such a program. It reads a Request without secrets and two directories of secrets, and leaves a Result. The
// operator writes the first and reads the last with this package; the built-in programs are Handlers in the packages
// below. The protocol itself is pure: it imports the standard library only, so that controllers can use it without
// taking in a database driver.
//
// Everything a handler does is an "ensure": it reads what is there, changes what differs, and may be killed between any
// two steps and run again. A second run over what is right changes nothing. What it makes carries the binding's UID;
// what carries another's is never touched.
package provision
