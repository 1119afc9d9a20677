package report

import (
	"slices"
	"strings"
	"time"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

// slotOf returns the outbox slot of a registry, making it if need be.
func slotOf(object *v1alpha1.DPIDeployment, registry string) *v1alpha1.ReportStatus {
	for i := range object.Status.Reports {
		if object.Status.Reports[i].Registry == registry {
			return &object.Status.Reports[i]
		}
	}
	object.Status.Reports = append(object.Status.Reports, v1alpha1.ReportStatus{Registry: registry})
	return &object.Status.Reports[len(object.Status.Reports)-1]
}

// forgetOthers drops the slots of registries that are no longer named.
func forgetOthers(object *v1alpha1.DPIDeployment) {
	object.Status.Reports = slices.DeleteFunc(object.Status.Reports, func(slot v1alpha1.ReportStatus) bool {
		return !slices.Contains(object.Spec.Reporting.Registries, v1alpha1.RegistryName(slot.Registry))
	})
}

// markReported folds the slots into the Reported condition: true only when every registry acknowledged the newest snapshot.
func markReported(object *v1alpha1.DPIDeployment) {
	var missing []string
	reason := v1alpha1.ReasonAcknowledged
	for _, slot := range object.Status.Reports {
		if slot.AcknowledgedSequence >= slot.Sequence && slot.Sequence > 0 {
			continue
		}
		outcome := v1alpha1.ConditionReason(slot.Outcome)
		if outcome == "" || outcome == v1alpha1.ReasonAcknowledged {
			outcome = v1alpha1.ReasonPending
		}
		if reason == v1alpha1.ReasonAcknowledged {
			reason = outcome
		}
		missing = append(missing, slot.Registry+" ("+string(outcome)+")")
	}
	switch {
	case len(missing) == 0:
		conditions.Mark(object, v1alpha1.ReportedCondition, conditions.True(v1alpha1.ReasonAcknowledged, "Every registry knows the current state"))
	case isTransient(reason):
		conditions.Mark(object, v1alpha1.ReportedCondition, conditions.Unknown(reason, "Not acknowledged by "+strings.Join(missing, ", ")))
	default:
		conditions.Mark(object, v1alpha1.ReportedCondition, conditions.False(reason, "Not acknowledged by "+strings.Join(missing, ", ")))
	}
}

// isTransient tells a delivery that will pass by itself from one that a person must mend.
func isTransient(reason v1alpha1.ConditionReason) bool {
	switch reason {
	case v1alpha1.ReasonPending, v1alpha1.ReasonRegistryUnavailable, v1alpha1.ReasonResynchronising, v1alpha1.ReasonThrottled:
		return true
	default:
		return false
	}
}

func intervalOf(registry *v1alpha1.CoordinationRegistry) time.Duration {
	if registry.Spec.Interval == nil {
		return defaultInterval
	}
	return registry.Spec.Interval.Duration
}

// sooner returns the smaller of two durations of which zero means never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}
