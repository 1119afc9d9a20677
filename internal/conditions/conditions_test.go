package conditions_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

func TestMarkReady_keepsActivitiesOnlyWhileTrue(t *testing.T) {
	object := &v1alpha1.Component{}
	object.Generation = 3
	conditions.MarkReady(object, conditions.False(v1alpha1.ReasonInvalid, "Broken"), conditions.Stalled)
	if !conditions.IsTrue(object, v1alpha1.StalledCondition) || conditions.Get(object, v1alpha1.ReconcilingCondition) != nil {
		t.Errorf("got %v", object.Status.Conditions)
	}
	conditions.MarkReady(object, conditions.True(v1alpha1.ReasonReady, "Works"), conditions.Resting)
	if len(object.Status.Conditions) != 1 || !conditions.IsTrue(object, v1alpha1.ReadyCondition) {
		t.Errorf("got %v", object.Status.Conditions)
	}
	object.Generation = 4
	if conditions.IsTrue(object, v1alpha1.ReadyCondition) {
		t.Error("a verdict on an older generation counts as current")
	}
}

func TestLine_isBoundedAndWhole(t *testing.T) {
	got := conditions.Line("two\nlines " + strings.Repeat("é", 600))
	if len(got) > conditions.MaxMessage || strings.Contains(got, "\n") || !utf8.ValidString(got) {
		t.Errorf("got %d bytes: %q", len(got), got)
	}
}

func TestTransitions_namesChangesOnly(t *testing.T) {
	base := &v1alpha1.Component{}
	conditions.MarkReady(base, conditions.False(v1alpha1.ReasonProgressing, "One"), conditions.Reconciling)
	object := base.DeepCopy()
	conditions.MarkReady(object, conditions.False(v1alpha1.ReasonProgressing, "Two"), conditions.Reconciling)
	if got := conditions.Transitions(object, base, v1alpha1.ReadyCondition); len(got) != 0 {
		t.Errorf("a changed message is no transition: %v", got)
	}
	conditions.MarkReady(object, conditions.True(v1alpha1.ReasonReady, "Works"), conditions.Resting)
	if got := conditions.Transitions(object, base, v1alpha1.ReadyCondition); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}
