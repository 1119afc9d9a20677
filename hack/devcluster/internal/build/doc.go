// Package build makes the programs of the cluster from pinned Go modules, once, and keeps them by what they are made from.
package build
