// Package store keeps layers and images on disk as an OCI image layout, found again by the key of what they were made
// from. Several processes may use one store at once; a process that dies leaves nothing half written in it.
//
// It may import go-containerregistry, the lock and the compression library; it knows nothing of recipes.
package store
