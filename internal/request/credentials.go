package request

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// annotationDigest keeps the annotation short; 64 bits tell versions apart that nobody chooses to collide.
const annotationDigest = 16

// WorkloadAnnotations make pods be replaced when credentials they read were rotated: variables from a Secret are read once,
// when a container starts. They say how often, never what: a digest of contents could be guessed at. Without a rotation
// there are none.
func WorkloadAnnotations(versions []v1alpha1.CredentialsVersion) map[string]string {
	if len(versions) == 0 {
		return nil
	}
	// Names and numbers can always be written as JSON.
	data, _ := json.Marshal(versions)
	sum := sha256.Sum256(data)
	return map[string]string{v1alpha1.CredentialsAnnotation: hex.EncodeToString(sum[:])[:annotationDigest]}
}
