// Package runner carries out one request inside a Job: it reads the mounted files, calls the handler, and leaves the result
// in a file, in the Secret made for it and, shortened, where the kubelet picks up termination messages. It may import
// client-go's transport and internal/provision.
package runner
