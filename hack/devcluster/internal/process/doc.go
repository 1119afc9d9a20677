// Package process starts programs that outlive this one, finds them again, and ends them. A process is known by its id
// and the moment it started, so that a reused id is never taken for it.
package process
