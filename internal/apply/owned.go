package apply

import (
	"encoding/hex"
	"hash/fnv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// digestOnly marks managed fields of which nothing but the digest was kept.
const digestOnly = "digest:"

// OwnedDigest is a short digest of which fields of an object are ours by server-side apply; empty if none are. It stays the
// same as long as nobody changes, removes or takes over the value of a field that we applied: whoever does becomes the
// field's owner in our place. What others add, statuses and what the cluster fills in do not change it.
func OwnedDigest(object metav1.Object) string {
	digest, found := fnv.New64a(), false
	for _, entry := range object.GetManagedFields() {
		switch {
		case !isOurs(entry):
		case entry.FieldsV1 == nil && len(entry.FieldsType) > len(digestOnly):
			return entry.FieldsType[len(digestOnly):]
		case entry.FieldsV1 != nil:
			found = true
			_, _ = digest.Write(entry.FieldsV1.GetRawBytes()) // a hash takes everything
		}
	}
	if !found {
		return ""
	}
	return hex.EncodeToString(digest.Sum(nil))
}

// KeepOwnedDigest replaces the managed fields of an object, which take more than all the rest, by what OwnedDigest needs.
func KeepOwnedDigest(object metav1.Object) {
	digest := OwnedDigest(object)
	object.SetManagedFields(nil)
	if digest != "" {
		object.SetManagedFields([]metav1.ManagedFieldsEntry{{
			Manager: FieldOwner, Operation: metav1.ManagedFieldsOperationApply, FieldsType: digestOnly + digest,
		}})
	}
}

func isOurs(entry metav1.ManagedFieldsEntry) bool {
	return entry.Manager == FieldOwner && entry.Operation == metav1.ManagedFieldsOperationApply && entry.Subresource == ""
}
