package release_test

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/release"
)

// TestHooks_ofTwoEventsRunsAtEach: what it left at the first event is not taken for its run at the second.
func TestHooks_ofTwoEventsRunsAtEach(t *testing.T) {
	w := newWorld(t)
	request := w.request("events", nil)
	w.wantState(w.reconcile(request), release.StateProgressing, 1)
	before := &batchv1.Job{}
	w.read("app-both", before)
	w.finishJobs(batchv1.JobComplete)
	w.wantState(w.reconcile(request), release.StateProgressing, 1)
	after := &batchv1.Job{}
	w.read("app-both", after)
	if after.UID == before.UID {
		t.Error("the post-install hook did not run")
	}
	w.wantState(w.settle(request), release.StateDeployed, 1)
}

// TestHooks_definitionsAreNeverDeleted: with one would go all objects of its kind.
func TestHooks_definitionsAreNeverDeleted(t *testing.T) {
	w := newWorld(t)
	w.wantState(w.settle(w.request("events", nil)), release.StateDeployed, 1)
	definition := widgetDefinition()
	definition.SetName("parts." + w.namespace + ".example.org")
	w.check(w.client.Get(t.Context(), client.ObjectKeyFromObject(definition), definition))
	uid := definition.GetUID()

	w.wantState(w.settle(w.request("events", map[string]any{"any": "change"})), release.StateDeployed, 2)
	w.wantState(w.uninstall(release.DeleteVolumes), release.StateGone, 0)
	w.check(w.client.Get(t.Context(), client.ObjectKeyFromObject(definition), definition))
	if definition.GetUID() != uid || definition.GetDeletionTimestamp() != nil {
		t.Error("the definition was deleted")
	}
}
