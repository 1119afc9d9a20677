package conditions

import (
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// MaxMessage bounds a condition's message in bytes.
const MaxMessage = 512

// Object is a kind with conditions.
type Object interface {
	metav1.Object
	GetConditions() *[]metav1.Condition
}

// Verdict is a condition's value with its reason.
type Verdict struct {
	Status  metav1.ConditionStatus
	Reason  v1alpha1.ConditionReason
	Message string
}

// True is a verdict that holds.
func True(reason v1alpha1.ConditionReason, message string) Verdict {
	return Verdict{Status: metav1.ConditionTrue, Reason: reason, Message: message}
}

// False is a verdict that does not hold.
func False(reason v1alpha1.ConditionReason, message string) Verdict {
	return Verdict{Status: metav1.ConditionFalse, Reason: reason, Message: message}
}

// Unknown is a verdict that cannot be given yet.
func Unknown(reason v1alpha1.ConditionReason, message string) Verdict {
	return Verdict{Status: metav1.ConditionUnknown, Reason: reason, Message: message}
}

// IsTrue reports whether the verdict holds.
func (v Verdict) IsTrue() bool { return v.Status == metav1.ConditionTrue }

// Mark sets a condition for the object's current generation. The message is cut to one bounded line.
func Mark(object Object, condition v1alpha1.ConditionType, verdict Verdict) {
	meta.SetStatusCondition(object.GetConditions(), metav1.Condition{
		Type: string(condition), Status: verdict.Status, Reason: string(verdict.Reason),
		Message: Line(verdict.Message), ObservedGeneration: object.GetGeneration(),
	})
}

// Remove takes a condition away that does not apply any more.
func Remove(object Object, condition v1alpha1.ConditionType) {
	meta.RemoveStatusCondition(object.GetConditions(), string(condition))
}

// MarkReady sets Ready and, from it, Reconciling and Stalled, which exist only while true: a stalled object waits for a
// person, a reconciling one is being worked on.
func MarkReady(object Object, verdict Verdict, activity Activity) {
	Mark(object, v1alpha1.ReadyCondition, verdict)
	present := map[v1alpha1.ConditionType]bool{
		v1alpha1.ReconcilingCondition: activity == Reconciling,
		v1alpha1.StalledCondition:     activity == Stalled,
	}
	for condition, is := range present {
		if is {
			Mark(object, condition, True(verdict.Reason, verdict.Message))
		} else {
			meta.RemoveStatusCondition(object.GetConditions(), string(condition))
		}
	}
}

// Activity is what the operator does about an object.
type Activity int

// Activities.
const (
	// Resting means that there is nothing to do.
	Resting Activity = iota
	// Reconciling means that the operator works or waits.
	Reconciling
	// Stalled means that a person must act.
	Stalled
)

// Get returns a condition of the object, or nil.
func Get(object Object, condition v1alpha1.ConditionType) *metav1.Condition {
	return meta.FindStatusCondition(*object.GetConditions(), string(condition))
}

// IsTrue reports whether the condition holds for the object's current generation.
func IsTrue(object Object, condition v1alpha1.ConditionType) bool {
	found := Get(object, condition)
	return found != nil && found.Status == metav1.ConditionTrue && found.ObservedGeneration == object.GetGeneration()
}

// Line makes one bounded line of a text.
func Line(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= MaxMessage {
		return text
	}
	cut := MaxMessage - len("…")
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
