package deployment

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

// tell makes events of what changed in this pass, and of nothing else.
func (p *pass) tell() {
	if after, before := p.object.Status.Revision, p.base.Status.Revision; after != nil && (before == nil || before.Name != after.Name) {
		p.Events.Eventf(p.object, nil, corev1.EventTypeNormal, "Planned", "Plan", "Revision %d is in force", after.Number)
	}
	if after, before := p.object.Status.Pending, p.base.Status.Pending; after != nil && (before == nil || before.Name != after.Name) {
		p.Events.Eventf(p.object, nil, corev1.EventTypeNormal, string(v1alpha1.ReasonAwaitingApproval), "Plan", "%s", awaiting(p.object))
	}
	for _, transition := range conditions.Transitions(p.object, p.base, v1alpha1.ReadyCondition) {
		kind := corev1.EventTypeNormal
		if transition.Condition.Status != metav1.ConditionTrue && conditions.Get(p.object, v1alpha1.StalledCondition) != nil {
			kind = corev1.EventTypeWarning
		}
		p.Events.Eventf(p.object, nil, kind, transition.Condition.Reason, "Reconcile", "%s", transition.Condition.Message)
	}
}
