package component_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

func TestAComponentWaitsForAProviderInAnotherNamespaceAndIsKeptByItsUsers(t *testing.T) {
	platform, clinic := newWorld(t), newWorld(t)
	platform.component("db", "config", greeting, func(spec *v1alpha1.ComponentSpec) { spec.Suspend = true })
	clinic.component("db", "config", greeting) // of the same name, and nobody's provider
	binding := &v1alpha1.Binding{ObjectMeta: clinic.meta("cfg-database"), Spec: v1alpha1.BindingSpec{
		Contract: "postgresql-v1", Type: "postgresql", SecretName: "cfg-database",
		Provider:     v1alpha1.BindingProvider{Namespace: platform.namespace, Component: "db"},
		Consumer:     v1alpha1.BindingConsumer{Component: "cfg", Requirement: "database"},
		Outputs:      []v1alpha1.BindingOutput{{Name: "host", Origin: v1alpha1.OriginProvider, Value: new("db")}},
		Verification: v1alpha1.BindingVerification{Method: "postgresql-v1"},
	}}
	clinic.must(cluster.Create(t.Context(), binding))
	clinic.mark(binding, conditions.True(v1alpha1.ReasonReady, "Proved"))
	clinic.component("cfg", "config", greeting, func(spec *v1alpha1.ComponentSpec) {
		spec.Bindings = []v1alpha1.ComponentBinding{{Name: "cfg-database"}}
	})
	clinic.eventually(func() string {
		ready := conditions.Get(clinic.get("cfg"), v1alpha1.ReadyCondition)
		if want := "Waiting for component " + platform.namespace + "/db"; ready == nil || ready.Message != want {
			return "tells something else of the other namespace"
		}
		return ""
	})
	platform.update("db", func(c *v1alpha1.Component) { c.Spec.Suspend = false })
	clinic.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")

	platform.must(cluster.Delete(t.Context(), platform.get("db")))
	platform.wantReady("db", isFalse, v1alpha1.ReasonWaitingForConsumers, "Still used by binding "+clinic.namespace+"/cfg-database")
	clinic.must(cluster.Delete(t.Context(), clinic.get("db")))
	clinic.wantGone("db", &v1alpha1.Component{})
	if !platform.read("db", &corev1.ConfigMap{}) {
		t.Fatal("the provider was uninstalled while it is used")
	}
	clinic.must(cluster.Delete(t.Context(), binding))
	platform.wantGone("db", &v1alpha1.Component{})
}

func TestForceDeleteLetsAProviderGoThatOtherNamespacesUse(t *testing.T) {
	platform, clinic := newWorld(t), newWorld(t)
	platform.component("db", "config", greeting)
	platform.wantReady("db", isTrue, v1alpha1.ReasonReady, "")
	clinic.must(cluster.Create(t.Context(), &v1alpha1.Binding{ObjectMeta: clinic.meta("cfg-database"), Spec: v1alpha1.BindingSpec{
		Contract: "postgresql-v1", Type: "postgresql", SecretName: "cfg-database",
		Provider:     v1alpha1.BindingProvider{Namespace: platform.namespace, Component: "db"},
		Consumer:     v1alpha1.BindingConsumer{Component: "cfg", Requirement: "database"},
		Outputs:      []v1alpha1.BindingOutput{{Name: "host", Origin: v1alpha1.OriginProvider, Value: new("db")}},
		Verification: v1alpha1.BindingVerification{Method: "postgresql-v1"},
	}}))
	platform.must(cluster.Delete(t.Context(), platform.get("db")))
	platform.wantReady("db", isFalse, v1alpha1.ReasonWaitingForConsumers, clinic.namespace+"/cfg-database")
	platform.update("db", func(c *v1alpha1.Component) {
		c.Annotations = map[string]string{v1alpha1.ForceDeleteAnnotation: "true"}
	})
	platform.wantGone("db", &v1alpha1.Component{})
}
