package release_test

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/plan"
	"github.com/dpi-operator/dpi-operator/internal/preview"
	"github.com/dpi-operator/dpi-operator/internal/release"
)

// report folds a comparison as it is shown.
func report(comparison preview.Comparison) preview.Component {
	wanted := plan.Plan{Steps: []plan.Step{{Component: "app", Action: plan.ActionUpgrade}}}
	return preview.Fold(preview.Input{Wanted: wanted, Comparisons: map[string]preview.Comparison{"app": comparison}}).Components[0]
}

// states are the objects of a component by kind and name, with what becomes of them.
func states(component preview.Component) map[string]preview.State {
	out := map[string]preview.State{}
	for _, object := range component.Objects {
		out[object.Kind+" "+object.Name] = object.State
	}
	return out
}

func wantStates(t *testing.T, component preview.Component, want map[string]preview.State) {
	t.Helper()
	got := states(component)
	for name, state := range want {
		if got[name] != state {
			t.Errorf("%s: got %q, want %q", name, got[name], state)
		}
	}
}

func TestCompare_anUpgradeObjectByObject(t *testing.T) {
	w := newWorld(t)
	fresh := report(must(w.engine.Compare(t.Context(), w.request("basic", nil)))(t))
	wantStates(t, fresh, map[string]preview.State{"Deployment app": preview.Create, "Secret app-password": preview.Create})
	w.settle(w.request("basic", map[string]any{"extra": true}))

	before := w.versions()
	same := must(w.engine.Compare(t.Context(), w.request("basic", map[string]any{"extra": true})))(t)
	if same.Operation != "" || same.Revision != 1 {
		t.Errorf("got %+v", same)
	}
	change := report(must(w.engine.Compare(t.Context(), w.request("basic", map[string]any{"message": "two"})))(t))
	wantStates(t, change, map[string]preview.State{
		"Deployment app": preview.Update, "ConfigMap app-settings": preview.Update, "ConfigMap app-extra": preview.Remove,
		"Service app": preview.Unchanged, "Secret app-password": preview.Unchanged,
	})
	if !slices.Equal(change.Restarts, []string{"Deployment app"}) {
		t.Errorf("got %v", change.Restarts)
	}
	for _, object := range change.Objects {
		if object.Name == "app-settings" && (len(object.Changes) != 1 || object.Changes[0].Path != "data.message" || object.Changes[0].After != "two") {
			t.Errorf("got %+v", object.Changes)
		}
	}
	if after := w.versions(); len(after) != len(before) {
		t.Errorf("a look wrote: %v, then %v", before, after)
	}
}

func TestCompare_leavesReplicasToAnAutoscaler(t *testing.T) {
	w := newWorld(t)
	w.settle(w.request("basic", nil))
	scaled := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "app", Namespace: w.namespace}}
	w.read("app", scaled)
	w.scale(scaled, 7, "autoscaler")
	change := report(must(w.engine.Compare(t.Context(), w.request("basic", map[string]any{"message": "two"})))(t))
	for _, object := range change.Objects {
		for _, field := range object.Changes {
			if strings.HasPrefix(field.Path, "spec.replicas") {
				t.Errorf("got %+v", field)
			}
		}
	}
}

func TestCompare_saysWhatTheClusterWouldRefuse(t *testing.T) {
	w := newWorld(t)
	w.settle(w.request("basic", nil))
	broken := report(must(w.engine.Compare(t.Context(), w.request("basic", map[string]any{"broken": true, "message": "two"})))(t))
	wantStates(t, broken, map[string]preview.State{"Service app-broken": preview.Unknown, "ConfigMap app-settings": preview.Update})
	for _, object := range broken.Objects {
		if object.Name == "app-broken" && !strings.Contains(object.Note, "700000") && !strings.Contains(object.Note, "65535") {
			t.Errorf("got %q", object.Note)
		}
	}
}

func TestCompare_ofAnImmutableFieldSaysThatItIsOne(t *testing.T) {
	w := newWorld(t)
	w.settle(w.request("state", nil))
	request := w.request("state", map[string]any{"image": "registry.example.org/db:2", "storage": "9Gi"})
	change := report(must(w.engine.Compare(t.Context(), request))(t))
	wantStates(t, change, map[string]preview.State{"StatefulSet app": preview.Unknown, "Job app-load": preview.Unknown})
	request.Policy.Recreate = release.RecreateJobs
	change = report(must(w.engine.Compare(t.Context(), request))(t))
	wantStates(t, change, map[string]preview.State{"StatefulSet app": preview.Unknown, "Job app-load": preview.Update})
}

func TestCompare_aForeignObjectIsRefused(t *testing.T) {
	w := newWorld(t)
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "app-settings", Namespace: w.namespace}}
	if err := w.client.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	refused := must(w.engine.Compare(t.Context(), w.request("basic", nil)))(t)
	if !strings.Contains(refused.Refused, "exists and belongs to") {
		t.Errorf("got %+v", refused)
	}
}

func TestCompareRemoval_keepsDataAndWhatAsksForIt(t *testing.T) {
	w := newWorld(t)
	w.settle(w.request("state", nil))
	kept := report(must(w.engine.CompareRemoval(t.Context(), w.removal(release.KeepVolumes)))(t))
	wantStates(t, kept, map[string]preview.State{
		"StatefulSet app": preview.Remove, "PersistentVolumeClaim app-backup": preview.Keep, "ConfigMap app-kept": preview.Keep,
	})
	gone := report(must(w.engine.CompareRemoval(t.Context(), w.removal(release.DeleteVolumes)))(t))
	wantStates(t, gone, map[string]preview.State{"PersistentVolumeClaim app-backup": preview.Remove, "ConfigMap app-kept": preview.Keep})
}

func TestCompare_showsDefinitionsThatWouldBreakStoredObjects(t *testing.T) {
	w := newWorld(t)
	t.Cleanup(func() { removeDefinition(t) })
	fresh := report(must(w.engine.Compare(t.Context(), w.request("defs", nil)))(t))
	wantStates(t, fresh, map[string]preview.State{"CustomResourceDefinition widgets.test.example.org": preview.Create})
	w.wantState(w.settle(w.request("defs", nil)), release.StateDeployed, 1)

	live := widgetDefinition()
	w.check(w.client.Get(t.Context(), client.ObjectKeyFromObject(live), live))
	versions, _, _ := unstructured.NestedSlice(live.Object, "spec", "versions")
	w.check(unstructured.SetNestedField(versions[0].(map[string]any), "string",
		"schema", "openAPIV3Schema", "properties", "spec", "properties", "size", "type"))
	w.check(unstructured.SetNestedSlice(live.Object, versions, "spec", "versions"))
	w.check(w.client.Update(t.Context(), live))

	request := w.request("defs", map[string]any{"size": 4})
	refused := report(must(w.engine.Compare(t.Context(), request))(t))
	if !strings.Contains(refused.Refused, "v1.spec.size changes its type from string to integer") {
		t.Errorf("got %+v", refused)
	}
	request.Policy.CRDs = release.CRDForce
	forced := report(must(w.engine.Compare(t.Context(), request))(t))
	if forced.Refused != "" || len(forced.Objects) == 0 || !slices.Equal(forced.Objects[0].Breaks, []string{"v1.spec.size changes its type from string to integer"}) {
		t.Errorf("got %+v", forced)
	}
	request.Policy.CRDs = release.CRDCreate
	left := report(must(w.engine.Compare(t.Context(), request))(t))
	if left.Refused != "" || left.Objects[0].State != preview.Unchanged || left.Objects[0].Breaks != nil {
		t.Errorf("got %+v", left)
	}
}

func TestCompare_aKindThatIsStillToComeHoldsNothingElseUp(t *testing.T) {
	w := newWorld(t)
	seen := report(must(w.engine.Compare(t.Context(), w.request("gadget", nil)))(t))
	wantStates(t, seen, map[string]preview.State{"Gadget app": preview.Create, "ConfigMap app": preview.Create})
	for _, object := range seen.Objects {
		if object.Kind == "Gadget" && !strings.HasPrefix(object.Note, "not tried: the cluster does not serve elsewhere.example.org/v1 Gadget") {
			t.Errorf("got %q", object.Note)
		}
	}
	if seen.Refused != "" {
		t.Errorf("got %q", seen.Refused)
	}
}
