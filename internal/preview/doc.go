// Package preview turns what a plan would change into a report for people and programmes: the fields of objects that would
// differ, what restarts, which definitions would break stored objects, and how the wiring changes.
//
//	two versions of each object ──Diff──► field changes ──Fold──► Report ──Text──► what `kubectl dpi plan` prints
//
// It is pure: no client, no context, no clock. It imports the API types, internal/plan and internal/render. The values of
// Secrets never leave it.
package preview
