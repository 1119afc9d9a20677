// Package publish pushes images to a registry, and leaves alone what the registry has already.
//
// It may import go-containerregistry.
package publish
