package binding

import (
	"fmt"
	"time"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/outcome"
)

// rotationAct is what a rotation does next beside running Jobs.
type rotationAct string

const (
	// actBegin records that a rotation begins.
	actBegin rotationAct = "begin"
	// actRefuse notes a request that cannot be met, because there is nothing to rotate.
	actRefuse rotationAct = "refuse"
	// actPrepare stores new credentials beside those in force.
	actPrepare rotationAct = "prepare"
	// actPrepareAgain goes back: what is asked of the provider changed since.
	actPrepareAgain rotationAct = "prepareAgain"
	// actSwitch puts the new credentials in force.
	actSwitch rotationAct = "switch"
	// actConfirm goes on to the last proof.
	actConfirm rotationAct = "confirm"
	// actFinish ends the rotation.
	actFinish rotationAct = "finish"
	// actExchange puts what was proposed and proved into the consumer's Secret.
	actExchange rotationAct = "exchange"
)

// decideRotation chooses the next step of the rotation under way, or tells false where it waits. It is asked only while what
// is in force is provisioned and proved. The Secret is the truth: once it has the rotation's number, the switch is made.
func decideRotation(object *v1alpha1.Binding, seen observation, now time.Time) (decision, bool) {
	rotation := object.Status.Rotation
	if rotation.RetryAt != nil && now.Before(rotation.RetryAt.Time) {
		return decision{}, false
	}
	d := decision{verdict: restingVerdict(object, seen)}
	switch phase := rotation.Phase; {
	case isBeforeSwitch(phase) && object.Status.Credentials.Version >= rotation.Number:
		d.rotation = actSwitch
	case phase == v1alpha1.RotationPreparing:
		d.rotation = actPrepare
	case phase == v1alpha1.RotationProvisioning:
		d.step = stepStage
	case isBeforeSwitch(phase) && rotation.Provisioned != seen.provision:
		d.rotation = actPrepareAgain
	case phase == v1alpha1.RotationVerifying:
		d.step = stepProve
	case phase == v1alpha1.RotationSwitching:
		d.rotation = actSwitch
	case phase == v1alpha1.RotationRolling:
		if isRolled(object, seen, now) {
			d.rotation = actConfirm
			break
		}
		return decision{}, false
	case phase == v1alpha1.RotationConfirming:
		d.step = stepVerify
	case phase == v1alpha1.RotationRetiring && object.Spec.Alternates():
		d.step = stepRetire
	default:
		d.rotation = actFinish
	}
	return d, true
}

func isBeforeSwitch(phase v1alpha1.RotationPhase) bool {
	switch phase {
	case v1alpha1.RotationPreparing, v1alpha1.RotationProvisioning, v1alpha1.RotationVerifying, v1alpha1.RotationSwitching:
		return true
	case v1alpha1.RotationRolling, v1alpha1.RotationConfirming, v1alpha1.RotationRetiring:
	}
	return false
}

// isRolled reports whether the consumer works with the credentials in force. One that is not installed here cannot tell: its
// people have a while to fetch them.
func isRolled(object *v1alpha1.Binding, seen observation, now time.Time) bool {
	if !seen.consumer.installed {
		return !now.Before(graceEnd(object))
	}
	return seen.consumer.ready && seen.consumer.credentials == object.Status.Credentials.Version
}

func graceEnd(object *v1alpha1.Binding) time.Time {
	rotation := object.Status.Rotation
	if rotation.SwitchedAt == nil {
		return rotation.StartedAt.Add(object.Spec.GetRotationGrace())
	}
	return rotation.SwitchedAt.Add(object.Spec.GetRotationGrace())
}

// beginRotation tells what a binding at rest does about a request or about the age of its credentials. First credentials,
// adopted ones too, are as young as the binding's knowledge of them.
func beginRotation(object *v1alpha1.Binding, now time.Time) rotationAct {
	known := object.Status.Credentials
	if known == nil {
		return ""
	}
	asked := requested(object) != "" && requested(object) != known.Requested
	switch {
	case asked && !object.Spec.Rotates():
		return actRefuse
	case asked, object.Spec.Rotates() && isOld(object, now):
		return actBegin
	}
	return ""
}

func isOld(object *v1alpha1.Binding, now time.Time) bool {
	return object.Spec.RotateAfter != nil && !now.Before(object.Status.Credentials.Since.Add(object.Spec.RotateAfter.Duration))
}

// nextLook is when a binding at rest has something to do: the next proof, the end of a credential's life or of a grace,
// or the next attempt of a rotation.
func nextLook(object *v1alpha1.Binding, seen observation, now time.Time) time.Duration {
	next := dueAt(object)
	earlier := func(moment time.Time) {
		if moment.After(now) && moment.Before(next) {
			next = moment
		}
	}
	earlier(nextMove(object, seen))
	rotation := object.Status.Rotation
	switch {
	case rotation != nil && rotation.RetryAt != nil && rotation.RetryAt.After(now):
		earlier(rotation.RetryAt.Time)
	case rotation != nil && rotation.Phase == v1alpha1.RotationRolling:
		earlier(graceEnd(object))
	case rotation == nil && object.Spec.RotateAfter != nil && object.Status.Credentials != nil:
		earlier(object.Status.Credentials.Since.Add(object.Spec.RotateAfter.Duration))
	}
	return next.Sub(now)
}

// requested is the rotation that is asked for.
func requested(object *v1alpha1.Binding) string {
	return annotated(object, v1alpha1.RotateAtAnnotation)
}

// annotated is the value of an annotation, cut to what the status keeps.
func annotated(object *v1alpha1.Binding, name string) string {
	const kept = 128
	value := object.Annotations[name]
	if len(value) > kept {
		return digest(value)
	}
	return value
}

// restingVerdict is what the status says between two steps.
func restingVerdict(object *v1alpha1.Binding, seen observation) verdict {
	switch rotation := object.Status.Rotation; {
	case rotation == nil && len(object.Status.FormerAccess) > 0 && !seen.proposed:
		moving := readyVerdict(object)
		moving.rests, moving.message = false, moving.message+"; "+movingSentence(object, seen)
		return moving
	case rotation == nil:
		return readyVerdict(object)
	case rotation.Attempts > 0:
		return rotationFailedVerdict(object)
	default:
		return rotatingVerdict(object, seen)
	}
}

// provingVerdict keeps a binding ready whose credentials were exchanged a moment ago: the new ones were proved before.
func provingVerdict(object *v1alpha1.Binding, seen observation) verdict {
	rotation := object.Status.Rotation
	if rotation != nil && !isBeforeSwitch(rotation.Phase) && object.Status.Verified != "" && len(object.Status.FormerAccess) == 0 {
		return restingVerdict(object, seen)
	}
	return verifyingVerdict(object)
}

func rotatingVerdict(object *v1alpha1.Binding, seen observation) verdict {
	return verdict{ready: worksMeanwhile(object), reason: v1alpha1.ReasonRotating, message: "Rotating credentials: " + rotationSentence(object, seen)}
}

func rotationFailedVerdict(object *v1alpha1.Binding) verdict {
	rotation := object.Status.Rotation
	text := "The rotation of credentials failed"
	if isBeforeSwitch(rotation.Phase) && object.Spec.Alternates() {
		text += ", those in force work on"
	}
	return verdict{
		ready: worksMeanwhile(object), reason: v1alpha1.ReasonRotationFailed, stalled: rotation.Attempts >= attemptsBeforeStalled,
		message: text + "; trying again: " + rotation.Failure,
	}
}

// worksMeanwhile reports whether the consumer's Secret opens the provider. Where the provider knows only one credential, the
// one in force ends with the first attempt to set the next.
func worksMeanwhile(object *v1alpha1.Binding) bool {
	rotation := object.Status.Rotation
	untouched := rotation.Phase == v1alpha1.RotationPreparing && rotation.Attempts == 0
	return object.Spec.Alternates() || untouched || !isBeforeSwitch(rotation.Phase)
}

func rotationSentence(object *v1alpha1.Binding, seen observation) string {
	switch object.Status.Rotation.Phase {
	case v1alpha1.RotationPreparing, v1alpha1.RotationProvisioning:
		return "making new ones at " + object.ProviderName()
	case v1alpha1.RotationVerifying:
		return "proving the new ones"
	case v1alpha1.RotationSwitching:
		return "putting the new ones in force"
	case v1alpha1.RotationRolling:
		if seen.consumer.installed {
			return "waiting until component " + object.Spec.Consumer.Component + " works with the new ones"
		}
		return fmt.Sprintf("the old ones work until %s; fetch the new ones from Secret %s", graceEnd(object).UTC().Format(time.RFC3339), object.Spec.SecretName)
	case v1alpha1.RotationConfirming:
		return "proving the new ones as the consumer has them"
	case v1alpha1.RotationRetiring:
	}
	return "taking the old ones away"
}

// soon asks for the next pass at once: the phase is recorded first.
func soon() outcome.Outcome { return outcome.Wait(time.Millisecond) }
