// Package cli is the command line: it reads flags, opens the store, and says on standard error what happens.
//
// It may import every other package of this module.
package cli
