package deployment_test

import (
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

// replicas asks for so many of the record store.
func replicas(text string) func(*v1alpha1.DPIDeployment) {
	return func(d *v1alpha1.DPIDeployment) {
		d.Spec.Components[1].Values = &apiextensionsv1.JSON{Raw: []byte(`{"replicas":` + text + `}`)}
	}
}

func (w *world) wantReplicas(text string) {
	w.t.Helper()
	component := w.components()["he-ehr"]
	if component == nil || !strings.Contains(string(component.Spec.Values.Raw), `"replicas":`+text) {
		w.t.Errorf("the component is %+v, want %s replicas", component, text)
	}
}

func TestManualApprovalWaitsForThatRevision(t *testing.T) {
	w := newWorld(t, true)
	w.deploy(database, records)
	w.update(func(d *v1alpha1.DPIDeployment) { d.Spec.Approval = v1alpha1.ApprovalManual })
	w.reconcile()
	w.wantReady(metav1.ConditionFalse, v1alpha1.ReasonAwaitingApproval, "Revision 1 waits for approval: kubectl dpi approve he -n "+w.namespace+" --revision 1")
	if conditions.Get(w.get(), v1alpha1.StalledCondition) != nil {
		t.Error("waiting for a person is not stalled")
	}
	if len(w.components()) > 0 {
		t.Error("components were made without approval")
	}

	w.update(approve("he-1"))
	w.reconcile()
	w.markAll()
	w.update(replicas("3"))
	w.reconcile()
	w.wantReady(metav1.ConditionTrue, v1alpha1.ReasonReady, "2 components work, 1 binding proved; revision 2 waits for approval")
	if object := w.get(); object.Status.Revision.Number != 1 || object.Status.Pending.Number != 2 {
		t.Errorf("got %+v, %+v", object.Status.Revision, object.Status.Pending)
	}

	// What was approved is one revision, not whatever comes next.
	w.update(replicas("4"))
	w.update(approve("he-2"))
	w.reconcile()
	if object := w.get(); object.Status.Pending == nil || object.Status.Pending.Number != 3 || object.Status.Revision.Number != 1 {
		t.Errorf("got %+v, %+v", object.Status.Revision, object.Status.Pending)
	}
	w.update(approve("he-3"))
	w.reconcile()
	w.wantReplicas("4")
	if object := w.get(); object.Status.Pending != nil || object.Status.Revision.Number != 3 {
		t.Errorf("got %+v, %+v", object.Status.Revision, object.Status.Pending)
	}
}

func approve(revision string) func(*v1alpha1.DPIDeployment) {
	return func(d *v1alpha1.DPIDeployment) {
		metav1.SetMetaDataAnnotation(&d.ObjectMeta, v1alpha1.ApproveAnnotation, revision)
	}
}

func TestTheWholeStackGoesBackToAnOlderRevision(t *testing.T) {
	w := newWorld(t, true)
	w.deploy(database, records)
	w.update(replicas("1"))
	w.reconcile()
	w.update(replicas("2"))
	w.reconcile()
	w.wantReplicas("2")

	w.update(func(d *v1alpha1.DPIDeployment) { d.Spec.Revision = 1 })
	w.reconcile()
	w.wantReplicas("1")
	if object := w.get(); object.Status.Revision.Number != 1 {
		t.Errorf("got %+v", object.Status.Revision)
	}
	// Held is held, whatever else is declared meanwhile.
	w.update(replicas("5"))
	w.reconcile()
	w.wantReplicas("1")

	w.update(func(d *v1alpha1.DPIDeployment) { d.Spec.Revision = 0 })
	w.reconcile()
	w.wantReplicas("5")
}

func TestARevisionThatIsNotKeptIsRefused(t *testing.T) {
	w := newWorld(t, true)
	w.deploy(database, records)
	w.reconcile()
	w.update(func(d *v1alpha1.DPIDeployment) { d.Spec.Revision = 7 })
	w.reconcile()
	w.wantReady(metav1.ConditionFalse, v1alpha1.ReasonRevisionNotFound, "the revisions kept are 1; choose one of them")
	if len(w.components()) != 2 {
		t.Error("what runs was touched")
	}
}

func TestAskingTheDeploymentAsksItsComponents(t *testing.T) {
	w := newWorld(t, true)
	w.deploy(database, records)
	w.reconcile()
	w.update(func(d *v1alpha1.DPIDeployment) {
		metav1.SetMetaDataAnnotation(&d.ObjectMeta, v1alpha1.ResetAtAnnotation, "noon")
	})
	w.reconcile()
	for name, component := range w.components() {
		if component.Annotations[v1alpha1.ResetAtAnnotation] != "noon" {
			t.Errorf("%s was not asked: %v", name, component.Annotations)
		}
	}
}

func TestAskingTheDeploymentForNewCredentialsAsksItsBindingsOnce(t *testing.T) {
	w := newWorld(t, true)
	w.deploy(database, records)
	ask := func(value string) {
		w.update(func(d *v1alpha1.DPIDeployment) {
			metav1.SetMetaDataAnnotation(&d.ObjectMeta, v1alpha1.RotateAtAnnotation, value)
		})
		w.reconcile()
	}
	want := func(value string) {
		t.Helper()
		for _, binding := range w.bindings() {
			if got := binding.Annotations[v1alpha1.RotateAtAnnotation]; got != value {
				t.Errorf("%s was asked %q, want %q", binding.Name, got, value)
			}
		}
	}
	ask("before it was made")
	want("")
	ask("noon")
	want("noon")
	ask("evening/another-binding")
	want("noon")
	binding := w.bindings()[0]
	metav1.SetMetaDataAnnotation(&binding.ObjectMeta, v1alpha1.RotateAtAnnotation, "by hand")
	if err := cluster.Update(t.Context(), &binding); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	want("by hand")
	ask("night/" + binding.Name)
	want("night")
}
