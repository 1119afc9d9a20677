// Package trigger says which changes of an object call for a pass over it. It imports controller-runtime only.
package trigger
