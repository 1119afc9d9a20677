// Package request says what a Component asks of those who carry it out: of the fetcher and of the release engine. The
// component controller and `kubectl dpi plan` share it, so that a plan compares what the controller would apply.
//
// It does no I/O. It imports the API types, internal/fetch, internal/release, internal/render and internal/values.
package request
