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
	w.bindingSays("app-database", version, conditions.True(v1alpha1.ReasonReady, "Proved"))
}

// bindingSays makes or changes a binding of app whose credentials have that version.
func (w *world) bindingSays(name string, version int64, verdict conditions.Verdict) {
	w.t.Helper()
	binding := &v1alpha1.Binding{ObjectMeta: w.meta(name), Spec: v1alpha1.BindingSpec{
		Contract: "postgresql-v1", Type: "postgresql", SecretName: name,
		Provider:     v1alpha1.BindingProvider{Component: "db"},
		Consumer:     v1alpha1.BindingConsumer{Component: "app", Requirement: "database"},
		Outputs:      []v1alpha1.BindingOutput{{Name: "password", Origin: v1alpha1.OriginGenerated}},
		Verification: v1alpha1.BindingVerification{Method: "postgresql-v1"},
	}}
	if !w.read(binding.Name, binding) {
		w.must(cluster.Create(w.t.Context(), binding))
	}
	conditions.MarkReady(binding, verdict, conditions.Resting)
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

// New credentials, or a new address, are taken up by pods once they are proved: until then these go on with what they have read.
func TestPodsAreReplacedOnceTheNewCredentialsAreProved(t *testing.T) {
	w := newWorld(t)
	w.component("db", "config", greeting)
	proved := conditions.True(v1alpha1.ReasonReady, "Proved")
	w.bindingSays("app-cache", 0, proved)
	w.bindingSays("app-database", 0, proved)
	w.component("app", "web", "", func(spec *v1alpha1.ComponentSpec) {
		spec.Bindings = []v1alpha1.ComponentBinding{{Name: "app-database"}, {Name: "app-cache"}}
	})
	w.rollOut("app", 1)
	w.wantReady("app", isTrue, v1alpha1.ReasonReady, "")
	taken := func(want ...v1alpha1.CredentialsVersion) {
		t.Helper()
		w.wantReady("app", isFalse, v1alpha1.ReasonRolloutInProgress, "")
		w.rollOut("app", 1)
		w.wantReady("app", isTrue, v1alpha1.ReasonReady, "")
		if diff := cmp.Diff(want, w.get("app").Status.Credentials); diff != "" {
			t.Error(diff)
		}
	}
	w.bindingSays("app-database", 1, conditions.False(v1alpha1.ReasonVerificationFailed, "The new address is wrong"))
	w.bindingSays("app-cache", 1, proved)
	taken(v1alpha1.CredentialsVersion{Binding: "app-cache", Version: 1})
	w.bindingSays("app-database", 1, proved)
	taken(v1alpha1.CredentialsVersion{Binding: "app-database", Version: 1}, v1alpha1.CredentialsVersion{Binding: "app-cache", Version: 1})
}
