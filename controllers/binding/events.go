package binding

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

// tell makes events of conditions that changed, of a rotation that ended, and of nothing else.
func (p *pass) tell() {
	if p.base.Status.Rotation != nil && p.object.Status.Rotation == nil {
		p.Events.Eventf(p.object, nil, corev1.EventTypeNormal, "Rotated", "Rotate",
			"Rotated the credentials of %s; the old ones open nothing any more", p.object.Spec.Contract)
	}
	for _, transition := range conditions.Transitions(p.object, p.base, v1alpha1.ReadyCondition) {
		kind := corev1.EventTypeNormal
		failed := v1alpha1.ConditionReason(transition.Condition.Reason) == v1alpha1.ReasonVerificationFailed ||
			v1alpha1.ConditionReason(transition.Condition.Reason) == v1alpha1.ReasonProvisioningFailed
		stalled := conditions.Get(p.object, v1alpha1.StalledCondition) != nil
		if transition.Condition.Status != metav1.ConditionTrue && (failed || stalled) || transition.Condition.Reason == string(v1alpha1.ReasonRotationFailed) {
			kind = corev1.EventTypeWarning
		}
		p.Events.Eventf(p.object, nil, kind, transition.Condition.Reason, "Reconcile", "%s", transition.Condition.Message)
	}
}
