// Package manual proves edges of the contract manual-v1: that a person left a reference. It imports internal/provision.
package manual
