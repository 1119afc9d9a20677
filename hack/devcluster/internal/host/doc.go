// Package host prepares the machine for a node and clears what a cluster leaves on it: packages, the node's address,
// containers, mounts, links and packet filter rules.
package host
