package conditions

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// Patchable is an object whose status can be patched.
type Patchable interface {
	client.Object
	GetConditions() *[]metav1.Condition
}

// PatchStatus writes the object's status if it differs from the base, with an optimistic lock, because a merge patch
// replaces lists. A vanished object is not an error; a conflict is, and means that another pass is due.
func PatchStatus(ctx context.Context, writer client.StatusClient, object, base Patchable) error {
	if equality.Semantic.DeepEqual(object, base) {
		return nil
	}
	err := writer.Status().Patch(ctx, object, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{}))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("write the status of %s: %w", client.ObjectKeyFromObject(object), err)
	}
	return nil
}

// Transition is a condition that changed its status or reason.
type Transition struct {
	Type      v1alpha1.ConditionType
	Condition metav1.Condition
}

// Transitions lists the given conditions that differ between base and object in status or reason; events are made
// from these and from nothing else.
func Transitions(object, base Object, watched ...v1alpha1.ConditionType) []Transition {
	var out []Transition
	for _, each := range watched {
		after, before := Get(object, each), Get(base, each)
		if after == nil || (before != nil && before.Status == after.Status && before.Reason == after.Reason) {
			continue
		}
		out = append(out, Transition{Type: each, Condition: *after})
	}
	return out
}
