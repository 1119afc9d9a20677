// Package wire is the reporting protocol's vocabulary: the snapshots of deployments that operators send and registries
// keep, the CloudEvents around them and the answers to them. It is closed on purpose: every string has a pattern, an
// enumeration or a bound, unknown fields are refused on both sides, and there is no place for free text from conditions,
// logs or Helm. Schema publishes the same rules as a JSON Schema for reporters written by others.
//
// It is pure and imports the standard library and sigs.k8s.io/json, a strict decoder; reporters and registries share it.
package wire
