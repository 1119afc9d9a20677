package observe_test

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/render"
	"github.com/dpi-operator/dpi-operator/internal/testenv"
)

func TestChangesWakeTheComponent(t *testing.T) {
	b := setUp(t)
	shop := types.NamespacedName{Namespace: testenv.Namespace(t, config), Name: "shop"}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: shop.Namespace, Labels: map[string]string{
		v1alpha1.ComponentLabel: shop.Name, v1alpha1.ComponentNamespaceLabel: shop.Namespace,
	}}}
	b.Track(shop, idOf(clusterRoleKind, "", role.Name))
	waitFor(t, "watches", func() bool { return b.requests.open("/pods") == 1 && b.requests.open("/clusterroles") == 1 })

	web := pod(shop, "web-1")
	must(t, b.client.Create(t.Context(), web))
	b.wokenUp(t, shop)
	must(t, b.client.Create(t.Context(), role))
	b.wokenUp(t, shop)
	b.quiet(t)

	web.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIPs: []corev1.PodIP{{IP: "10.0.0.7"}}, PodIP: "10.0.0.7"}
	start := time.Now()
	must(t, b.client.Status().Update(t.Context(), web))
	b.wokenUp(t, shop)
	t.Logf("woken %s after the write began", time.Since(start).Round(time.Millisecond))
	b.quiet(t)

	web.Status.PodIPs, web.Status.PodIP = []corev1.PodIP{{IP: "10.0.0.8"}}, "10.0.0.8"
	must(t, b.client.Status().Update(t.Context(), web))
	select {
	case got := <-b.woken:
		t.Errorf("%s is woken by what nobody looks at", got)
	case <-time.After(500 * time.Millisecond):
	}
	must(t, b.client.Delete(t.Context(), web, client.GracePeriodSeconds(0)))
	b.wokenUp(t, shop)
	must(t, b.client.Delete(t.Context(), role))
	b.wokenUp(t, shop)
}

func TestAWatchGoesWithItsLastUser(t *testing.T) {
	b := setUp(t)
	namespace := testenv.Namespace(t, config)
	one, two := types.NamespacedName{Namespace: namespace, Name: "one"}, types.NamespacedName{Namespace: namespace, Name: "two"}
	secretOf, webOf := idOf(secretKind, namespace, "x"), idOf(deploymentKind, namespace, "x")
	b.objects(t, one, secretOf, webOf)
	b.objects(t, two, secretOf)
	waitFor(t, "five watches", func() bool { return b.requests.open("") == 6 })
	if b.requests.open("/secrets") != 1 {
		t.Errorf("%d watches of Secrets for two components", b.requests.open("/secrets"))
	}
	b.objects(t, one, webOf)
	if !slices.Contains(b.Watched(), secretKind) {
		t.Error("Secrets are not watched for the other component any more")
	}
	b.Forget(two)
	waitFor(t, "the watch of Secrets to end", func() bool { return b.requests.open("/secrets") == 0 })
	if b.requests.open("/deployments") != 1 {
		t.Error("the watch of Deployments ended, too")
	}
	b.Forget(one)
	waitFor(t, "all watches to end", func() bool { return b.requests.open("") == 0 && len(b.Watched()) == 0 })
}

func TestAKindThatAppearsAndVanishes(t *testing.T) {
	b := setUp(t)
	shop := types.NamespacedName{Namespace: testenv.Namespace(t, config), Name: "shop"}
	gvk := schema.GroupVersionKind{Group: "observe.example.org", Version: "v1", Kind: "Widget"}
	id := idOf(gvk, shop.Namespace, "main")
	got := b.objects(t, shop, id)
	if len(got.Objects) != 0 || !slices.Equal(got.Unwatched, []schema.GroupVersionKind{gvk}) {
		t.Fatalf("%+v", got)
	}

	definition := definitionOf(gvk)
	must(t, b.client.Create(t.Context(), definition))
	b.wokenUp(t, shop)
	widget := tree(gvk, shop, "main", map[string]any{"size": int64(3)})
	waitFor(t, "the kind to be served", func() bool { return b.client.Create(t.Context(), widget.DeepCopy()) == nil })
	waitFor(t, "the kind to be watched", func() bool { return len(b.objects(t, shop, id).Unwatched) == 0 })
	size, _, _ := unstructured.NestedInt64(find(b.objects(t, shop, id), id).Object, "spec", "size")
	if size != 3 {
		t.Errorf("size %d", size)
	}
	reads := b.requests.got("/widgets/main")
	b.objects(t, shop, id)
	if now := b.requests.got("/widgets/main"); now != reads {
		t.Error("an object that did not change is read again")
	}
	b.quiet(t)
	must(t, b.client.Patch(t.Context(), widget, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"size":4}}`))))
	b.wokenUp(t, shop)
	size, _, _ = unstructured.NestedInt64(find(b.objects(t, shop, id), id).Object, "spec", "size")
	if size != 4 {
		t.Errorf("size %d after the change", size)
	}

	b.quiet(t)
	must(t, b.client.Delete(t.Context(), definition))
	b.wokenUp(t, shop)
	waitFor(t, "the watch to end", func() bool { return b.requests.open("/widgets") == 0 })
	if got := b.objects(t, shop, id); find(got, id) != nil {
		t.Error("an object of a kind that is gone is still there")
	}
	b.quiet(t)
	before := b.requests.total()
	b.quiet(t)
	<-time.After(3 * time.Second)
	if after := b.requests.total(); after-before > 5 {
		t.Errorf("%d requests for a kind that is gone", after-before)
	}
	if n := b.lines.containing("Widget"); n > 2 {
		t.Errorf("%d lines in the log for a kind that came and went", n)
	}
}

func TestDefinitionsComeWithoutTheirSchemas(t *testing.T) {
	b := setUp(t)
	shop := types.NamespacedName{Namespace: testenv.Namespace(t, config), Name: "shop"}
	gvk := schema.GroupVersionKind{Group: "schemas.example.org", Version: "v1", Kind: "Gadget"}
	must(t, b.client.Create(t.Context(), definitionOf(gvk)))
	id := render.ID{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition", Name: "gadgets." + gvk.Group}
	waitFor(t, "the definition to be established", func() bool {
		got := find(b.objects(t, shop, id), id)
		if got == nil {
			return false
		}
		if _, found, _ := unstructured.NestedSlice(got.Object, "spec", "versions"); found {
			t.Fatal("schemas are kept")
		}
		conditions, _, _ := unstructured.NestedSlice(got.Object, "status", "conditions")
		return slices.ContainsFunc(conditions, func(c any) bool {
			condition, _ := c.(map[string]any)
			return condition["type"] == "Established" && condition["status"] == "True"
		})
	})
}

func TestStartsOnceAndOnTheLeader(t *testing.T) {
	b := setUp(t)
	b.Track(types.NamespacedName{Namespace: "default", Name: "any"})
	waitFor(t, "the start", func() bool { return b.requests.open("/pods") == 1 })
	if err := b.Start(t.Context()); err == nil {
		t.Error("started twice")
	}
	if !b.NeedLeaderElection() {
		t.Error("every replica watches")
	}
}

func definitionOf(gvk schema.GroupVersionKind) *unstructured.Unstructured {
	plural := map[string]string{"Widget": "widgets", "Gadget": "gadgets"}[gvk.Kind]
	definition := &unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{
			"group": gvk.Group, "scope": "Namespaced",
			"names": map[string]any{"kind": gvk.Kind, "plural": plural},
			"versions": []any{map[string]any{
				"name": gvk.Version, "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
			}},
		},
	}}
	definition.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	definition.SetName(plural + "." + gvk.Group)
	return definition
}

func parse(text string) resource.Quantity { return resource.MustParse(text) }
