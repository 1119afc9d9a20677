package component

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

// tell makes events of what the release engine did and of conditions that changed, and of nothing else.
func (p *pass) tell() {
	for _, event := range slices.Concat(p.told, p.facts.drift.takeEvents()) {
		p.Events.Eventf(p.object, nil, string(event.Type), event.Reason, "Release", "%s", event.Message)
	}
	for _, transition := range conditions.Transitions(p.object, p.base, v1alpha1.ReadyCondition) {
		kind := corev1.EventTypeNormal
		if transition.Condition.Status != metav1.ConditionTrue && conditions.Get(p.object, v1alpha1.StalledCondition) != nil {
			kind = corev1.EventTypeWarning
		}
		p.Events.Eventf(p.object, nil, kind, transition.Condition.Reason, "Reconcile", "%s", transition.Condition.Message)
	}
}
