package binding

import (
	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

// markStatus computes the conditions from the verdict and from what was provisioned and proved.
func markStatus(object *v1alpha1.Binding, v verdict) {
	object.Status.Provider = object.ProviderName()
	if via := object.Spec.Via; via != nil {
		object.Status.Provider = via.Component + " via " + object.Status.Provider
	}
	provisioned := conditions.False(v1alpha1.ReasonProvisioning, "Not provisioned yet")
	switch {
	case !object.Spec.IsMade():
		provisioned = conditions.True(v1alpha1.ReasonReady, "Nothing is made at the provider")
	case object.Status.Provisioned != "":
		provisioned = conditions.True(v1alpha1.ReasonReady, "The provider holds what was asked for")
	case object.Spec.Gate == v1alpha1.GateProvisional && object.Status.Binding != nil:
		provisioned = conditions.False(v1alpha1.ReasonProvisioning, "Not provisioned yet; the consumer has provisional values")
	}
	conditions.Mark(object, v1alpha1.ProvisionedCondition, provisioned)

	verified := conditions.False(v1alpha1.ReasonVerifying, "Not proved yet")
	if object.Status.Verified != "" {
		verified = conditions.True(v1alpha1.ReasonReady, provedSentence(object))
	} else if v.reason == v1alpha1.ReasonVerificationFailed {
		verified = conditions.False(v.reason, v.message)
	}
	conditions.Mark(object, v1alpha1.VerifiedCondition, verified)

	ready := conditions.False(v.reason, v.message)
	if v.ready {
		// A rotation goes on, or waits for a person, while the credentials in force work.
		ready = conditions.True(v.reason, v.message)
	}
	conditions.MarkReady(object, ready, v.activity())
}

func provedSentence(object *v1alpha1.Binding) string {
	if object.Spec.IsPreparation() {
		return "Read back by its provisioner"
	}
	return "Proved with the consumer's credentials"
}

func (v verdict) activity() conditions.Activity {
	switch {
	case v.stalled:
		return conditions.Stalled
	case v.rests:
		return conditions.Resting
	default:
		return conditions.Reconciling
	}
}
