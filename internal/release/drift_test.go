package release_test

import (
	"errors"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/release"
)

func (w *world) driftRequest(deployed release.Outcome) release.DriftRequest {
	return release.DriftRequest{
		Namespace: w.namespace, Name: "app", Owner: release.Owner{Component: "app", Deployment: "shop"},
		Revision: deployed.Revision, Objects: deployed.Inventory,
	}
}

func TestDrift_ofWhatIsAsAppliedIsKnownWithoutAsking(t *testing.T) {
	w := newWorld(t)
	deployed := w.reconcile(w.request("three", nil))
	w.wantState(deployed, release.StateDeployed, 1)
	for _, found := range must(w.engine.Drift(t.Context(), w.driftRequest(deployed)))(t) {
		if found.State != release.DriftNone || found.Owned == "" {
			t.Errorf("got %+v", found)
		}
		at := slices.Index(deployed.Inventory, found.ID)
		if deployed.Owned[at] != found.Owned {
			t.Errorf("%s: the release says %q, the cluster %q", found.ID, deployed.Owned[at], found.Owned)
		}
	}

	again := must(w.newEngine(config, "holder-2").Reconcile(t.Context(), w.request("three", nil)))(t)
	if !slices.Equal(again.Owned, deployed.Owned) {
		t.Errorf("after a restart: %v, want %v", again.Owned, deployed.Owned)
	}
}

func TestDrift_isNotLookedForInAnotherRevision(t *testing.T) {
	w := newWorld(t)
	deployed := w.reconcile(w.request("three", nil))
	request := w.driftRequest(deployed)
	request.Revision = 7
	if found := must(w.engine.Drift(t.Context(), request))(t); found != nil {
		t.Errorf("got %+v", found)
	}
	if err := w.engine.Correct(t.Context(), request, release.Drift{}); err != nil {
		t.Error(err)
	}
}

func TestDrift_thatIsBeingDeletedIsMadeAgainLater(t *testing.T) {
	w := newWorld(t)
	deployed := w.reconcile(w.request("basic", nil))
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "app-settings", Namespace: w.namespace}}
	w.read("app-settings", config)
	config.Finalizers = []string{"example.org/hold"}
	if err := w.client.Update(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if err := w.client.Delete(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	request := w.driftRequest(deployed)
	found := must(w.engine.Drift(t.Context(), request))(t)
	gone := slices.IndexFunc(found, func(d release.Drift) bool { return d.ID.Kind == "ConfigMap" })
	if found[gone].State != release.DriftGone {
		t.Fatalf("got %+v", found[gone])
	}
	if err := w.engine.Correct(t.Context(), request, found[gone]); !errors.Is(err, apply.ErrTerminating) {
		t.Errorf("got %v", err)
	}
}
