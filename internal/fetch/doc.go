// Package fetch gets chart archives: from OCI registries, from Helm repositories over HTTP, from a directory or an archive
// on disk. Archives are kept on disk by digest and shared by all callers.
//
// It is an adapter: it may import oras, and the standard library's network and disk packages. It does not import Helm and
// knows nothing about what is in an archive.
package fetch
