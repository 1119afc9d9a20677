package component_test

import (
	"testing"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

func preparation(w *world, name, component string) *v1alpha1.Binding {
	return &v1alpha1.Binding{ObjectMeta: w.meta(name), Spec: v1alpha1.BindingSpec{
		Contract: v1alpha1.ContractPreparation, Type: "preparation", Preparation: "realm", SecretName: name,
		Provider:     v1alpha1.BindingProvider{Component: component, Provisioner: "own"},
		Outputs:      []v1alpha1.BindingOutput{{Name: "url", Origin: v1alpha1.OriginProvider, Value: new("http://x")}},
		Verification: v1alpha1.BindingVerification{Method: v1alpha1.ContractPreparation},
	}}
}

func TestAComponentIsReadyBeforeItIsPreparedAndGoesWithoutItsPreparation(t *testing.T) {
	w := newWorld(t)
	object := preparation(w, "id-prepare-realm", "id")
	w.must(cluster.Create(t.Context(), object))
	w.component("id", "config", greeting, func(spec *v1alpha1.ComponentSpec) {
		spec.Preparations = []v1alpha1.ComponentPreparation{{Name: "realm", Binding: object.Name}}
	})
	w.wantReady("id", isTrue, v1alpha1.ReasonReady, "")
	w.mark(object, conditions.False(v1alpha1.ReasonProvisioningFailed, "No"))
	w.must(cluster.Delete(t.Context(), w.get("id")))
	w.wantGone("id", &v1alpha1.Component{})
	if !w.read(object.Name, &v1alpha1.Binding{}) {
		t.Error("the preparation is not the component's to delete")
	}
}

func TestAComponentElsewhereStaysWhileItsPreparationIsTakenBack(t *testing.T) {
	w := newWorld(t)
	object := preparation(w, "id-prepare-realm", "id")
	object.Spec.DeletionPolicy, object.Finalizers = v1alpha1.DeleteData, []string{v1alpha1.Finalizer}
	w.must(cluster.Create(t.Context(), object))
	w.component("id", "", "")
	w.wantReady("id", isTrue, v1alpha1.ReasonReady, "")
	w.must(cluster.Delete(t.Context(), object))
	w.must(cluster.Delete(t.Context(), w.get("id")))
	w.wantReady("id", isFalse, v1alpha1.ReasonWaitingForConsumers, "Still used by binding id-prepare-realm")
	if !w.read(object.Name, object) {
		t.Fatal("the preparation went by itself")
	}
	object.Finalizers = nil
	w.must(cluster.Update(t.Context(), object))
	w.wantGone("id", &v1alpha1.Component{})
}
