package naming

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

const (
	// ObjectMax is the longest name that is also a label value.
	ObjectMax = 63
	// ReleaseMax is the longest name Helm accepts for a release.
	ReleaseMax = 53
	// SQLMax leaves room in PostgreSQL's 63 bytes for the suffixes of further roles.
	SQLMax = 40

	hashLength = 8
)

// Join joins the parts with dashes. Where the result would exceed limit bytes its end is replaced by a hash of the whole,
// so that two different long names stay different.
func Join(limit int, parts ...string) string {
	return bound(strings.Join(parts, "-"), limit, "-")
}

// SQL joins the parts to an identifier of [a-z0-9_] that needs no quoting, at most SQLMax bytes long.
func SQL(parts ...string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.Join(parts, "_")) {
		if (r >= 'a' && r <= 'z') || (r >= '0' && r <= '9') {
			b.WriteRune(r)
		} else {
			b.WriteByte('_')
		}
	}
	return bound(b.String(), SQLMax, "_")
}

func bound(name string, limit int, separator string) string {
	if len(name) <= limit {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	head := strings.TrimRight(name[:limit-hashLength-1], "-_.")
	return head + separator + hex.EncodeToString(sum[:])[:hashLength]
}
