package release

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// labelDigestLength keeps a digest within a label value; 160 bits are enough to tell inputs apart.
const labelDigestLength = 40

// InputsDigest covers what a release is made from: chart, values, transforms and owner. Renders are not digested: charts
// use random functions. Equal digests need no new revision.
func InputsDigest(request Request) (string, error) {
	data, err := json.Marshal([]any{request.Chart.Digest, request.Values, request.Transform, request.Owner})
	if err != nil {
		return "", fmt.Errorf("values of release %s/%s: %w", request.Namespace, request.Name, err)
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// labelDigest shortens a digest for a label.
func labelDigest(digest string) string {
	if len(digest) > len("sha256:")+labelDigestLength {
		return digest[len("sha256:"):][:labelDigestLength]
	}
	return digest
}
