package component_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

// objects are the values of the chart `any`: what it is to render. `NS` stands for the test's namespace, which also makes
// names of things without a namespace the test's own.
func (w *world) objects(objects ...string) string {
	return strings.ReplaceAll(`{"objects":[`+strings.Join(objects, ",")+`]}`, "NS", w.namespace)
}

const (
	storageClass = `{"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":"fast-NS"},"provisioner":"example.org/fast"}`
	claim        = `{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"data"},"spec":{"storageClassName":"fast-NS","accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`
	definition   = `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.NS.example.org"},` +
		`"spec":{"group":"NS.example.org","scope":"Namespaced","names":{"plural":"widgets","singular":"widget","kind":"Widget","listKind":"WidgetList"},` +
		`"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`
	widget = `{"apiVersion":"NS.example.org/v1","kind":"Widget","metadata":{"name":"one"}}`
	marker = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"marker"}}`
)

// pending is a Deployment that becomes ready when a test says so.
func pending(name string) string {
	return fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":%[1]q},"spec":{"selector":{"matchLabels":{"app":%[1]q}},`+
		`"template":{"metadata":{"labels":{"app":%[1]q}},"spec":{"containers":[{"name":"c","image":"registry.example.org/c:1"}]}}}}`, name)
}

func secret(name string) string {
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":%q},"stringData":{"key":"value"}}`, name)
}

// podWith uses a Secret and says in a ConfigMap that it is there.
func podWith(name, secretName string) string {
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q},"spec":{"containers":[{"name":"c","image":"registry.example.org/c:1",`+
		`"envFrom":[{"secretRef":{"name":%q}}]}]}}`, name, secretName)
}

func (w *world) wantEdges(name string, want ...v1alpha1.InferredDependency) {
	w.t.Helper()
	w.eventually(func() string {
		return cmp.Diff(want, w.get(name).Status.InferredDependencies)
	})
}

func TestAStorageClassOfAnotherIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.annotations = map[string]string{v1alpha1.StackSizeAnnotation: "2"}
	w.component("app", "any", w.objects(claim))
	w.wantReady("app", isFalse, v1alpha1.ReasonWaitingForDependency, "Waiting for the components of the stack to be declared: it may bring StorageClass fast-"+w.namespace)
	w.component("storage", "any", w.objects(storageClass, pending("driver")))
	w.wantReady("app", isFalse, v1alpha1.ReasonWaitingForDependency, "Waiting for component storage: it brings StorageClass fast-"+w.namespace)
	if w.read("data", &corev1.PersistentVolumeClaim{}) {
		t.Error("the claim was made although its class is not ready")
	}
	w.wantEdges("app", v1alpha1.InferredDependency{Component: "storage", Because: "StorageClass fast-" + w.namespace, Enforcement: v1alpha1.DependencyEnforced})
	// By watch, not by a timer.
	w.rollOut("driver", 1)
	w.eventually(func() string {
		if !w.read("data", &corev1.PersistentVolumeClaim{}) {
			return "the claim is not made"
		}
		return ""
	})
}

func TestAKindOfAnotherIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.component("user", "any", w.objects(widget, secret("from-user"), pending("user")))
	w.wantReady("user", isFalse, v1alpha1.ReasonReleaseFailed, "the cluster does not serve "+w.namespace+".example.org/v1 Widget")
	w.component("end", "any", w.objects(podWith("end", "from-user")))
	w.component("operator", "any", w.objects(definition, pending("operator")))
	w.wantReady("user", isFalse, v1alpha1.ReasonWaitingForDependency, "Waiting for component operator: it brings kind Widget."+w.namespace+".example.org")
	w.wantReady("end", isFalse, v1alpha1.ReasonWaitingForDependency, "Waiting for component user: it brings Secret from-user")
	w.rollOut("operator", 1)
	one := &unstructured.Unstructured{}
	one.SetGroupVersionKind(schema.GroupVersionKind{Group: w.namespace + ".example.org", Version: "v1", Kind: "Widget"})
	w.eventually(func() string {
		if !w.read("one", one) {
			return "the Widget is not made"
		}
		return ""
	})
	w.rollOut("user", 1)
	w.wantReady("end", isFalse, v1alpha1.ReasonRolloutInProgress, "Pod end")
}

func TestASecretThatIsElsewhereIsNotWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.must(cluster.Create(t.Context(), &corev1.Secret{ObjectMeta: w.meta("shared")}))
	w.component("other", "any", w.objects(secret("shared"), pending("other")))
	w.wantReady("other", isFalse, v1alpha1.ReasonForeignObject, "")
	w.component("app", "any", w.objects(podWith("app", "shared"), marker))
	w.wantReady("app", isFalse, v1alpha1.ReasonRolloutInProgress, "Pod app")
}

func TestWaivedEdgesAreSaidAndNotWaitedFor(t *testing.T) {
	for _, waived := range []string{"other", "*"} {
		t.Run(waived, func(t *testing.T) {
			w := newWorld(t)
			w.component("other", "any", w.objects(secret("shared"), podWith("other", "shared")))
			w.wantReady("other", isFalse, v1alpha1.ReasonRolloutInProgress, "")
			w.component("app", "any", w.objects(podWith("app", "shared"), marker), policy(v1alpha1.ReleasePolicy{Waive: []string{waived}}))
			w.wantReady("app", isFalse, v1alpha1.ReasonRolloutInProgress, "Pod app")
			w.wantEdges("app", v1alpha1.InferredDependency{Component: "other", Because: "Secret shared", Enforcement: v1alpha1.DependencyWaived})
			w.must(cluster.Delete(t.Context(), w.get("other")))
			w.wantGone("other", &v1alpha1.Component{})
		})
	}
}

func TestEdgesThatCloseACircleAreSaidAndNotWaitedFor(t *testing.T) {
	w := newWorld(t)
	// b is declared to need a, and a's chart uses what b's brings.
	w.component("a", "any", w.objects(podWith("a", "of-b"), marker))
	w.component("b", "any", w.objects(secret("of-b")), dependsOn("a"))
	w.wantReady("a", isFalse, v1alpha1.ReasonRolloutInProgress, "Pod a")
	w.wantEdges("a", v1alpha1.InferredDependency{Component: "b", Because: "Secret of-b", Enforcement: v1alpha1.DependencyCyclic})
}

func TestDeletionWaitsForThoseWhoseChartsUseIt(t *testing.T) {
	w := newWorld(t)
	w.component("storage", "any", w.objects(storageClass))
	w.component("app", "any", w.objects(claim))
	w.wantEdges("app", v1alpha1.InferredDependency{Component: "storage", Because: "StorageClass fast-" + w.namespace, Enforcement: v1alpha1.DependencyEnforced})
	w.eventually(func() string {
		if !w.read("data", &corev1.PersistentVolumeClaim{}) {
			return "the claim is not made"
		}
		return ""
	})
	w.must(cluster.Delete(t.Context(), w.get("storage")))
	w.eventually(func() string {
		ready := conditions.Get(w.get("storage"), v1alpha1.ReadyCondition)
		if ready.Reason != string(v1alpha1.ReasonWaitingForConsumers) || ready.Message != "Still used by component app" {
			return "storage says " + ready.Reason + " " + ready.Message
		}
		return ""
	})
	w.must(cluster.Delete(t.Context(), w.get("app")))
	w.wantGone("app", &v1alpha1.Component{})
	w.wantGone("storage", &v1alpha1.Component{})
	w.eventually(func() string {
		class := &storagev1.StorageClass{}
		class.Name = "fast-" + w.namespace
		if err := cluster.Get(t.Context(), client.ObjectKeyFromObject(class), class); !apierrors.IsNotFound(err) {
			return "the class is still there"
		}
		return ""
	})
}

func TestAComponentThatDoesNotRenderHoldsUpNobody(t *testing.T) {
	w := newWorld(t)
	w.component("broken", "config", "")
	w.component("absent", "none", "")
	w.component("app", "any", w.objects(podWith("app", "whose"), marker))
	w.wantReady("app", isFalse, v1alpha1.ReasonRolloutInProgress, "Pod app")
	w.wantReady("broken", isFalse, v1alpha1.ReasonRenderFailed, "")
}
