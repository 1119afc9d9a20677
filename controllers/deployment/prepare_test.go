package deployment_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

// prepares has the database prepared before others may bind.
func (w *world) prepares() {
	w.t.Helper()
	var good v1alpha1.DigitalPublicGood
	if err := cluster.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "postgresql"}, &good); err != nil {
		w.t.Fatal(err)
	}
	good.Spec.Prepare = []v1alpha1.PrepareStep{{Name: "roles", Endpoint: good.Spec.Endpoints[0].Name, Provisioner: "own", AdminCredential: "admin"}}
	if err := cluster.Update(w.t.Context(), &good); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) says(binding string, verdict conditions.Verdict) {
	w.t.Helper()
	var object v1alpha1.Binding
	if err := cluster.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: binding}, &object); err != nil {
		w.t.Fatal(err)
	}
	conditions.MarkReady(&object, verdict, conditions.Reconciling)
	if err := cluster.Status().Update(w.t.Context(), &object); err != nil {
		w.t.Fatal(err)
	}
}

func TestADeploymentNamesThePreparationThatHoldsItUp(t *testing.T) {
	w := newWorld(t, true)
	w.prepares()
	w.deploy(database, records)
	w.reconcile()
	w.markAll()
	w.reconcile()
	w.wantReady(metav1.ConditionTrue, v1alpha1.ReasonReady, "2 bindings proved")

	w.says("he-ehr-database", conditions.False(v1alpha1.ReasonWaitingForPreparation, "Waiting for preparation roles of he-db"))
	w.reconcile()
	w.wantReady(metav1.ConditionFalse, v1alpha1.ReasonBindingNotReady, "binding he-ehr-database: Waiting for preparation roles of he-db")
	w.says("he-db-prepare-roles", conditions.False(v1alpha1.ReasonProvisioningFailed, "NotPermitted: no"))
	w.reconcile()
	w.wantReady(metav1.ConditionFalse, v1alpha1.ReasonBindingNotReady, "binding he-db-prepare-roles: NotPermitted: no")
}
