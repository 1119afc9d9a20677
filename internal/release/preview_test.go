package release_test

import (
	"testing"

	"github.com/dpi-operator/dpi-operator/internal/release"
)

func TestPreview_writesNothing(t *testing.T) {
	w := newWorld(t)
	first := must(w.engine.Preview(t.Context(), w.request("basic", nil)))(t)
	if first.Operation != release.OperationInstall || len(first.Objects) == 0 || first.Revision != 0 || first.Refused != nil {
		t.Errorf("got %+v", first)
	}
	if history := w.versions(); len(history) > 0 {
		t.Fatalf("a look wrote %v", history)
	}
	w.wantState(w.reconcile(w.request("basic", nil)), release.StateDeployed, 1)

	before := w.versions()
	same := must(w.engine.Preview(t.Context(), w.request("basic", nil)))(t)
	if same.Operation != "" || len(same.Objects) != len(first.Objects) {
		t.Errorf("got %+v", same)
	}
	change := must(w.engine.Preview(t.Context(), w.request("basic", map[string]any{"message": "two"})))(t)
	if change.Operation != release.OperationUpgrade || change.Revision != 1 {
		t.Errorf("got %+v", change)
	}
	if after := w.versions(); len(after) != len(before) {
		t.Errorf("a look wrote: %v, then %v", before, after)
	}
}

func TestPreview_saysWhyNothingWouldHappen(t *testing.T) {
	w := newWorld(t)
	preview := must(w.engine.Preview(t.Context(), w.request("basic", map[string]any{"message": 7})))(t)
	if preview.Refused == nil || preview.Refused.Reason != release.ReasonValuesInvalid {
		t.Errorf("got %+v", preview.Refused)
	}
}
