// Package builtin names the handlers that come with the operator. It may import all of internal/provision.
package builtin
