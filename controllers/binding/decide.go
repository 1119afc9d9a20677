package binding

import (
	"fmt"
	"hash/fnv"
	"time"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/outcome"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// step is what to do next.
type step string

const (
	stepNone      step = ""
	stepProvision step = step(provision.ActionProvision)
	stepVerify    step = step(provision.ActionVerify)
	stepRevoke    step = step(provision.ActionRevoke)
	// stepStage provisions the credentials that a rotation will put in force; stepProve verifies them.
	stepStage step = "stage"
	stepProve step = "prove"
	// stepPrepare makes or repeats a preparation, which proves it.
	stepPrepare step = "prepare"
	// stepLeave takes away what a former provider gave.
	stepLeave step = "leave"
	// stepRetire takes away those it replaced.
	stepRetire step = step(provision.ActionRetire)
)

// action is what the Job of the step is asked for.
func (s step) action() provision.Action {
	switch s {
	case stepStage, stepPrepare:
		return provision.ActionProvision
	case stepProve:
		return provision.ActionVerify
	case stepLeave:
		return provision.ActionRevoke
	case stepNone, stepProvision, stepVerify, stepRetire, stepRevoke:
	}
	return provision.Action(s)
}

// isStaged reports whether the step works with the credentials that are not in force yet.
func (s step) isStaged() bool { return s == stepStage || s == stepProve }

func (s step) ofRotation() bool { return s.isStaged() || s == stepRetire }

// verdict is what the status says.
type verdict struct {
	ready   bool
	reason  v1alpha1.ConditionReason
	message string
	// stalled waits for a person; rests means that nothing is being done.
	stalled, rests bool
}

// decision is the next step with its reason in words.
type decision struct {
	step step
	// rotation is what a rotation does instead of a step.
	rotation rotationAct
	verdict  verdict
	outcome  outcome.Outcome
	// forget drops the proof: it was given by a provider that has been away since.
	forget bool
	// waits tells that something has to come first.
	waits bool
}

// decide chooses the next step from facts alone. The first that applies:
//
//  1. the provider is in another namespace and does not let it: wait, or end what is in use
//  2. the provider, its admin credential or the channel behind it is not there: wait, and prove anew afterwards
//  3. the provider is not prepared, and the edge is not in use: wait; a preparation itself is made or repeated
//  4. the edge is made last, and the consumer does not work yet: wait
//  5. a failed step rests until its next attempt
//  6. something is not provisioned as asked: provision, or wait for the person who does
//  7. something is not proved: verify
//  8. what was proved is not in the consumer's Secret yet: put it there
//  9. the consumer has moved here from another place: leave that one
//  10. a rotation is under way and does not wait: its next step
//  11. something was proved long ago, a proof is asked for, or the consumer stopped working since: verify
//  12. credentials are to be rotated: begin
//  13. ready until the next proof is due
func decide(object *v1alpha1.Binding, seen observation, now time.Time) decision {
	if d, stops := decideForeign(object, seen, now); stops && seen.providerFound {
		return d
	}
	switch {
	case !seen.providerFound, !seen.providerReady:
		return waiting(v1alpha1.ReasonWaitingForProvider, providerSentence(object, seen))
	case !seen.adminFound:
		return waiting(v1alpha1.ReasonWaitingForCredentials, fmt.Sprintf("Waiting for Secret %s of the provider", object.Spec.Provider.AdminSecretName))
	case seen.channel != "":
		return waiting(v1alpha1.ReasonWaitingForProvider, seen.channel)
	}
	if d, stops := decideUnprepared(object, seen); stops {
		return d
	}
	if object.Spec.Gate == v1alpha1.GateAfter && !seen.consumer.ready && object.Status.Provisioned == "" && object.Status.Verified == "" {
		return waiting(v1alpha1.ReasonWaitingForConsumer, "Waiting for component "+object.Spec.Consumer.Component+": this edge is made once both ends work")
	}
	if object.Status.RetryAt != nil && now.Before(object.Status.RetryAt.Time) {
		return decision{verdict: lastVerdict(object), outcome: outcome.Wait(object.Status.RetryAt.Sub(now))}
	}
	if object.Spec.IsPreparation() {
		return decidePreparation(object, seen, now)
	}
	return decideAble(object, seen, now)
}

// decideAble chooses the next step of a binding that nothing keeps from being worked on.
func decideAble(object *v1alpha1.Binding, seen observation, now time.Time) decision {
	switch {
	case object.Spec.IsMade() && object.Status.Provisioned != seen.provision:
		return decision{step: stepProvision, verdict: verdict{reason: v1alpha1.ReasonProvisioning, message: provisioningSentence(object)}}
	case object.Status.Verified != seen.verify:
		return decision{step: stepVerify, verdict: provingVerdict(object, seen)}
	case seen.proposed:
		return decision{rotation: actExchange, verdict: restingVerdict(object, seen)}
	case len(object.Status.FormerAccess) > 0 && hasMoved(object, seen, now):
		return decision{step: stepLeave, verdict: restingVerdict(object, seen)}
	}
	if object.Status.Rotation != nil {
		if next, acts := decideRotation(object, seen, now); acts {
			return next
		}
	}
	if !now.Before(dueAt(object)) || isAsked(object) || stoppedWorking(object, seen) {
		return decision{step: stepVerify, verdict: restingVerdict(object, seen)}
	}
	if object.Status.Rotation == nil && len(object.Status.FormerAccess) == 0 {
		if act := beginRotation(object, now); act != "" {
			return decision{rotation: act, verdict: readyVerdict(object)}
		}
	}
	return decision{verdict: restingVerdict(object, seen), outcome: outcome.Done(nextLook(object, seen, now))}
}

func waiting(reason v1alpha1.ConditionReason, message string) decision {
	return decision{verdict: verdict{reason: reason, message: message}, outcome: outcome.Wait(0), forget: true, waits: true}
}

func providerSentence(object *v1alpha1.Binding, seen observation) string {
	// What the component waits for is in its own status: repeated here it would only be longer.
	text := "Waiting for component " + object.ProviderName()
	if !seen.providerFound {
		return text + ", which does not exist"
	}
	return text
}

func provisioningSentence(object *v1alpha1.Binding) string {
	return fmt.Sprintf("Provisioning %s at %s", object.Spec.Contract, object.ProviderName())
}

func verifyingVerdict(object *v1alpha1.Binding) verdict {
	return verdict{reason: v1alpha1.ReasonVerifying, message: fmt.Sprintf("Proving %s with the consumer's credentials", object.Spec.Contract)}
}

func readyVerdict(object *v1alpha1.Binding) verdict {
	text := object.Spec.Contract + " proved with the consumer's credentials"
	if object.Spec.IsPreparation() {
		text = object.ProviderName() + " is prepared: " + object.Spec.Preparation
	}
	return verdict{ready: true, reason: v1alpha1.ReasonReady, rests: true, message: text}
}

// lastVerdict repeats what the failed step said while it rests.
func lastVerdict(object *v1alpha1.Binding) verdict {
	for _, condition := range object.Status.Conditions {
		if condition.Type == string(v1alpha1.ReadyCondition) {
			return verdict{reason: v1alpha1.ConditionReason(condition.Reason), message: condition.Message, stalled: isStalled(object)}
		}
	}
	return verdict{reason: v1alpha1.ReasonRetrying, message: "Trying again"}
}

func isStalled(object *v1alpha1.Binding) bool { return object.Status.Attempts >= attemptsBeforeStalled }

// isAsked reports whether somebody asks for a proof that was not given yet.
func isAsked(object *v1alpha1.Binding) bool {
	asked := annotated(object, v1alpha1.ReconcileAtAnnotation)
	return asked != "" && asked != object.Status.LastHandledReconcileAt
}

// stoppedWorking reports whether the consumer broke after the last proof: the edge may be why, and can be mended then.
func stoppedWorking(object *v1alpha1.Binding, seen observation) bool {
	return object.Status.VerifiedAt != nil && seen.consumer.brokenSince.After(object.Status.VerifiedAt.Time)
}

// dueAt is when the next proof is. Bindings that were proved at the same moment, as after a start of the operator, are proved at different
// ones from then on.
func dueAt(object *v1alpha1.Binding) time.Time {
	if object.Status.VerifiedAt == nil {
		return time.Time{}
	}
	interval := object.Spec.Verification.GetInterval()
	pace := fnv.New32a()
	_, _ = pace.Write([]byte(object.UID)) // It never fails.
	sooner := interval / 10 * time.Duration(pace.Sum32()%1000) / 1000
	return object.Status.VerifiedAt.Add(interval - sooner)
}

const (
	// attemptsBeforeStalled is how often a step may fail before a person is asked to look. Attempts go on, seldom.
	attemptsBeforeStalled = 6
	firstDelay            = 2 * time.Second
	longestDelay          = 2 * time.Minute
)

// retryDelay doubles from attempt to attempt.
func retryDelay(attempts int32) time.Duration {
	delay := firstDelay
	for range attempts - 1 {
		if delay *= 2; delay >= longestDelay {
			return longestDelay
		}
	}
	return delay
}
