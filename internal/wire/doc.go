// Package wire is the reporting protocol's vocabulary: the snapshots of deployments that operators send and registries
// keep. It is closed on purpose: every string has a pattern, an enumeration or a bound, unknown fields are refused, and
// there is no place for free text from conditions, logs or Helm.
//
// It is pure and imports the standard library only; reporters and registries share it.
package wire
