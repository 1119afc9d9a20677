package component

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/health"
	"github.com/dpi-operator/dpi-operator/internal/phrase"
	"github.com/dpi-operator/dpi-operator/internal/release"
)

// facts is what the status is computed from.
type facts struct {
	suspended     bool
	needs         []need
	gate          *conditions.Verdict
	missingSecret string
	credentials   []v1alpha1.CredentialsVersion
	refusal       *refusal
	failure       error
	request       release.Request
	released      *release.Outcome
	tested        *release.Outcome
	health        *health.Assessment
	// drift is what is known of drift, where this pass looked.
	drift         *driftRecord
	isNewRevision bool
	// leaving says what becomes of the release that was installed before the good came to run elsewhere.
	leaving  string
	overdue  bool
	deadline time.Duration
}

// markStatus computes the status of a component from facts alone.
func markStatus(object *v1alpha1.Component, f facts) {
	if object.Spec.Chart != nil {
		if verdict := releasedVerdict(f); verdict != nil && (f.released != nil || !isKnown(object)) {
			conditions.Mark(object, v1alpha1.ReleasedCondition, *verdict)
		}
		conditions.Mark(object, v1alpha1.HealthyCondition, healthyVerdict(f))
	}
	markDrift(object, f)
	if f.health != nil {
		object.Status.Objects = fmt.Sprintf("%d/%d", f.health.Ready, f.health.Total)
	}
	verdict, activity := summary(object, f)
	conditions.MarkReady(object, verdict, activity)
}

// markDrift leaves the condition as it is where this pass did not look for drift.
func markDrift(object *v1alpha1.Component, f facts) {
	switch {
	case object.Spec.Policy.Drift.GetMode() == v1alpha1.DriftOff:
		conditions.Remove(object, v1alpha1.DriftedCondition)
	case f.drift != nil:
		conditions.Mark(object, v1alpha1.DriftedCondition, driftVerdict(object, f.drift, f.isNewRevision))
	}
}

// summary is the one sentence that matters: the first obstacle on the way from the specification to something that works.
func summary(object *v1alpha1.Component, f facts) (conditions.Verdict, conditions.Activity) {
	switch {
	case f.suspended:
		return conditions.False(v1alpha1.ReasonSuspended, "Suspended; nothing is changed until spec.suspend is taken away"), conditions.Resting
	case f.failure != nil:
		return conditions.False(v1alpha1.ReasonRetrying, "Trying again: "+f.failure.Error()), conditions.Reconciling
	case f.gate != nil && f.health == nil:
		return *f.gate, conditions.Reconciling
	case f.refusal != nil && f.refusal.waits:
		return conditions.False(f.refusal.reason, f.refusal.message), conditions.Reconciling
	case f.refusal != nil:
		return conditions.False(f.refusal.reason, f.refusal.message), conditions.Stalled
	case f.missingSecret != "":
		return conditions.False(v1alpha1.ReasonWaitingForCredentials, "Waiting for someone to leave Secret "+f.missingSecret), conditions.Reconciling
	case f.released != nil && f.released.State != release.StateDeployed:
		return *releasedVerdict(f), releaseActivity(*f.released)
	case f.tested != nil && f.tested.State != release.StateDeployed:
		return testedVerdict(*f.tested), releaseActivity(*f.tested)
	case f.health != nil:
		return healthyVerdict(f), healthActivity(f)
	case f.leaving != "":
		return conditions.True(v1alpha1.ReasonReady, f.leaving), conditions.Reconciling
	case object.Spec.Chart == nil:
		return conditions.True(v1alpha1.ReasonReady, "Wired; nothing is installed for it"), conditions.Resting
	default:
		return conditions.Unknown(v1alpha1.ReasonProgressing, "Not looked at yet"), conditions.Reconciling
	}
}

// isKnown reports whether it is known what became of the release of the current generation.
func isKnown(object *v1alpha1.Component) bool {
	return object.Status.ObservedGeneration == object.Generation && conditions.Get(object, v1alpha1.ReleasedCondition) != nil
}

// releasedVerdict is nothing where this pass did not get as far as the release: what was known stays.
func releasedVerdict(f facts) *conditions.Verdict {
	var verdict conditions.Verdict
	switch {
	case f.released == nil && f.health != nil:
		return nil
	case f.released == nil:
		verdict = conditions.Unknown(v1alpha1.ReasonProgressing, "Not released yet")
	case f.released.State == release.StateDeployed:
		verdict = conditions.True(v1alpha1.ReasonReady, fmt.Sprintf("Revision %d is deployed", f.released.Revision))
	default:
		verdict = conditions.False(releaseReason(*f.released), f.released.Message)
	}
	return &verdict
}

func releaseReason(o release.Outcome) v1alpha1.ConditionReason {
	switch o.Reason {
	case release.ReasonForeignObject, release.ReasonForeignRelease:
		return v1alpha1.ReasonForeignObject
	case release.ReasonChartInvalid:
		return v1alpha1.ReasonChartInvalid
	case release.ReasonRenderFailed, release.ReasonValuesInvalid:
		return v1alpha1.ReasonRenderFailed
	default:
		if o.State == release.StateProgressing {
			return v1alpha1.ReasonReleaseInProgress
		}
		return v1alpha1.ReasonReleaseFailed
	}
}

func testedVerdict(o release.Outcome) conditions.Verdict {
	if o.State == release.StateFailed {
		return conditions.False(v1alpha1.ReasonTestsFailed, o.Message)
	}
	return conditions.False(v1alpha1.ReasonTestsRunning, o.Message)
}

func releaseActivity(o release.Outcome) conditions.Activity {
	if o.State == release.StateProgressing || !o.RetryAt.IsZero() {
		return conditions.Reconciling
	}
	return conditions.Stalled
}

func healthyVerdict(f facts) conditions.Verdict {
	switch {
	case f.health == nil:
		return conditions.Unknown(v1alpha1.ReasonProgressing, "Not released yet")
	case f.health.State == health.Current:
		return conditions.True(v1alpha1.ReasonReady, phrase.Work(f.health.Total, "object"))
	case f.health.State == health.Failed, f.overdue:
		text := obstacle(*f.health)
		if f.overdue {
			text = fmt.Sprintf("Not healthy within %s: %s", duration.HumanDuration(f.deadline), text)
		}
		return conditions.False(v1alpha1.ReasonUnhealthy, text)
	default:
		return conditions.False(v1alpha1.ReasonRolloutInProgress, obstacle(*f.health))
	}
}

func healthActivity(f facts) conditions.Activity {
	switch {
	case f.health.State == health.Current:
		return conditions.Resting
	case f.overdue:
		return conditions.Stalled
	default:
		return conditions.Reconciling
	}
}

func obstacle(assessment health.Assessment) string {
	if assessment.Blocker == nil {
		return fmt.Sprintf("%d of %d objects work", assessment.Ready, assessment.Total)
	}
	return assessment.Blocker.Message
}
