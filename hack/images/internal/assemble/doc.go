// Package assemble turns recipes into images: it carries out each step that is not in the store yet, and puts the layers together.
//
// It may import every other package of this module but publish and cli. It writes to nothing but the store and temporary directories.
package assemble
