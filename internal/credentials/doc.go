// Package credentials makes the contents of credential Secrets: what exists is never overwritten, what is missing is
// generated. It is pure but for the system's random source.
package credentials
