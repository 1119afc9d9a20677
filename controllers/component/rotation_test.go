package component_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

// bindingWith makes or changes the binding of app, which is proved with credentials of that version.
func (w *world) bindingWith(version int64) {
	w.t.Helper()
	binding := &v1alpha1.Binding{ObjectMeta: w.meta("app-database"), Spec: v1alpha1.BindingSpec{
		Contract: "postgresql-v1", Type: "postgresql", SecretName: "app-database",
		Provider:     v1alpha1.BindingProvider{Component: "db"},
		Consumer:     v1alpha1.BindingConsumer{Component: "app", Requirement: "database"},
		Outputs:      []v1alpha1.BindingOutput{{Name: "password", Origin: v1alpha1.OriginGenerated}},
		Verification: v1alpha1.BindingVerification{Method: "postgresql-v1"},
	}}
	if !w.read(binding.Name, binding) {
		w.must(cluster.Create(w.t.Context(), binding))
	}
	conditions.MarkReady(binding, conditions.True(v1alpha1.ReasonReady, "Proved"), conditions.Resting)
	binding.Status.Credentials = &v1alpha1.BindingCredentials{Version: version, Since: metav1.Now()}
	w.must(cluster.Status().Update(w.t.Context(), binding))
}

func TestRotatedCredentialsReplaceThePods(t *testing.T) {
	w := newWorld(t)
	w.component("db", "config", greeting)
	w.bindingWith(0)
	w.component("app", "web", "", func(spec *v1alpha1.ComponentSpec) {
		spec.Bindings = []v1alpha1.ComponentBinding{{Name: "app-database"}}
	})
	w.wantReady("app", isFalse, v1alpha1.ReasonRolloutInProgress, "")
	w.rollOut("app", 1)
	w.wantReady("app", isTrue, v1alpha1.ReasonReady, "")
	annotation := func() string {
		var deployment appsv1.Deployment
		w.read("app", &deployment)
		return deployment.Spec.Template.Annotations[v1alpha1.CredentialsAnnotation]
	}
	if got := annotation(); got != "" || w.get("app").Status.Credentials != nil {
		t.Fatalf("first credentials are marked: %q", got)
	}

	seen := map[string]bool{}
	for version := int64(1); version <= 2; version++ {
		w.bindingWith(version)
		w.eventually(func() string {
			if seen[annotation()] || annotation() == "" {
				return "the pods are not replaced: " + annotation()
			}
			return ""
		})
		seen[annotation()] = true
		w.wantReady("app", isFalse, v1alpha1.ReasonRolloutInProgress, "")
		w.rollOut("app", 1)
		w.wantReady("app", isTrue, v1alpha1.ReasonReady, "")
		if diff := cmp.Diff([]v1alpha1.CredentialsVersion{{Binding: "app-database", Version: version}}, w.get("app").Status.Credentials); diff != "" {
			t.Error(diff)
		}
	}
}
