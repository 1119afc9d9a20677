// Package preview holds what `kubectl dpi plan` says to what the operator then does, on a real API server: the command, the
// deployment controller and the release engine work on the same cluster here, which no package of theirs may.
package preview
