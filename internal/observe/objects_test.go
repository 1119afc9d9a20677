package observe_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/observe"
	"github.com/dpi-operator/dpi-operator/internal/render"
	"github.com/dpi-operator/dpi-operator/internal/testenv"
)

func TestObjectsAreReadTrimmedFromTheCache(t *testing.T) {
	b := setUp(t)
	shop := types.NamespacedName{Namespace: testenv.Namespace(t, config), Name: "shop"}
	other := types.NamespacedName{Namespace: shop.Namespace, Name: "other"}
	long := deployment(shop, "web")
	long.Annotations = map[string]string{"long": strings.Repeat("x", 1000), "short": "kept"}
	for _, object := range []client.Object{long, pod(shop, "web-1"), pod(other, "other-1"), secret(shop, "web")} {
		must(t, b.client.Create(t.Context(), object))
	}
	inventory := []render.ID{
		idOf(deploymentKind, shop.Namespace, "web"), idOf(secretKind, shop.Namespace, "web"), idOf(configMapKind, shop.Namespace, "gone"),
	}
	b.objects(t, shop, inventory...)
	before := b.requests.total()
	got := b.objects(t, shop, inventory[:2]...)
	if after := b.requests.total(); after != before {
		t.Errorf("a second read makes %d requests", after-before)
	}
	if len(got.Objects) != 3 || len(got.Unreadable) != 0 || len(got.Unwatched) != 0 {
		t.Fatalf("%+v", got)
	}
	web := find(got, inventory[0])
	if template, _, _ := unstructured.NestedSlice(web.Object, "spec", "template", "spec", "containers"); len(template) != 0 {
		t.Error("the pod template is kept")
	}
	if web.GetGeneration() != 1 || len(web.GetManagedFields()) != 0 || web.GetAnnotations()["short"] != "kept" ||
		!strings.HasPrefix(web.GetAnnotations()["long"], "trimmed:") {
		t.Errorf("%v", web.Object["metadata"])
	}
	if kept := find(got, inventory[1]); kept.Object["data"] != nil {
		t.Error("the content of a Secret is kept")
	}
	if find(got, idOf(podKind, shop.Namespace, "web-1")) == nil {
		t.Error("the component's pod is missing")
	}
	// What is handed out is the caller's.
	web.SetLabels(nil)
	if find(b.objects(t, shop, inventory...), inventory[0]).GetLabels()[v1alpha1.ComponentLabel] != "shop" {
		t.Error("the cache was changed")
	}
}

func TestObjectsWithoutTheLabelAreStillFound(t *testing.T) {
	b := setUp(t)
	shop := types.NamespacedName{Namespace: testenv.Namespace(t, config), Name: "shop"}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: shop.Namespace, Name: "data-db-0"}, Spec: corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources:   corev1.VolumeResourceRequirements{Requests: quantity("1Gi")},
	}}
	db := pod(shop, "db-0")
	db.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name},
	}}}
	web := deployment(shop, "web")
	for _, object := range []client.Object{claim, db, web} {
		must(t, b.client.Create(t.Context(), object))
	}
	id := idOf(deploymentKind, shop.Namespace, "web")
	b.objects(t, shop, id)
	b.quiet(t)
	must(t, b.client.Patch(t.Context(), web, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":null}}`))))
	b.wokenUp(t, shop)
	got := b.objects(t, shop, id)
	if find(got, id) == nil {
		t.Error("an object that lost its label counts as missing")
	}
	if find(got, idOf(claimKind, shop.Namespace, "data-db-0")) == nil {
		t.Error("the claim of a pod without a node is missing")
	}
}

func TestWritesAreSeenAtOnce(t *testing.T) {
	b := setUp(t)
	shop := types.NamespacedName{Namespace: testenv.Namespace(t, config), Name: "shop"}
	noting := b.Noting(b.client)
	ids := []render.ID{idOf(deploymentKind, shop.Namespace, "web"), idOf(secretKind, shop.Namespace, "web")}
	for i := range int64(50) {
		web := tree(deploymentKind, shop, "web", map[string]any{
			"replicas": i, "selector": map[string]any{"matchLabels": map[string]any{"app": "web"}},
			"template": map[string]any{
				"metadata": map[string]any{"labels": map[string]any{"app": "web"}},
				"spec":     map[string]any{"containers": []any{map[string]any{"name": "app", "image": "registry.example.org/web:1"}}},
			},
		})
		credentials := tree(secretKind, shop, "web", nil)
		credentials.Object["stringData"] = map[string]any{"password": fmt.Sprint("hunter", i)}
		for _, object := range []*unstructured.Unstructured{web, credentials} {
			must(t, noting.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("test"), client.ForceOwnership))
		}
		snapshot := b.objects(t, shop, ids...)
		if got := find(snapshot, ids[0]); got == nil || got.GetGeneration() != i+1 {
			t.Fatalf("write %d: %v", i, got)
		}
		if got := find(snapshot, ids[1]); got == nil || got.Object["data"] != nil || got.Object["stringData"] != nil {
			t.Fatalf("write %d: Secret is missing, or has its content", i)
		}
	}
	dry := tree(configMapKind, shop, "dry", nil)
	must(t, noting.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(dry), client.FieldOwner("test"), client.DryRunAll))
	if find(b.objects(t, shop, idOf(configMapKind, shop.Namespace, "dry")), idOf(configMapKind, shop.Namespace, "dry")) != nil {
		t.Error("a dry run counts as a write")
	}
	must(t, b.client.Delete(t.Context(), deployment(shop, "web")))
	waitFor(t, "the deleted object to be seen as gone", func() bool { return find(b.objects(t, shop, ids...), ids[0]) == nil })
}

func TestNamespacedRightsSuffice(t *testing.T) {
	shop := types.NamespacedName{Namespace: testenv.Namespace(t, config), Name: "shop"}
	elsewhere := types.NamespacedName{Namespace: testenv.Namespace(t, config), Name: "shop"}
	admin := setUp(t)
	limited := rest.CopyConfig(config)
	limited.Impersonate = rest.ImpersonationConfig{UserName: "operator-of-" + shop.Namespace, Groups: []string{"system:authenticated"}}
	for _, object := range []client.Object{
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: shop.Namespace, Name: "operator"}, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{"", "apps", "batch"}, Resources: []string{"*"}, Verbs: []string{"get", "list", "watch"},
		}}},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: shop.Namespace, Name: "operator"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "operator"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: limited.Impersonate.UserName}},
		},
		deployment(shop, "web"), deployment(elsewhere, "web"),
	} {
		must(t, admin.client.Create(t.Context(), object))
	}
	waitFor(t, "permissions", func() bool {
		b := setUpAs(t, limited, shop.Namespace)
		return b.client.List(t.Context(), &appsv1.DeploymentList{}, client.InNamespace(shop.Namespace)) == nil
	})
	b := setUpAs(t, limited, shop.Namespace)
	role := render.ID{Group: clusterRoleKind.Group, Version: "v1", Kind: "ClusterRole", Name: "shop"}
	web := idOf(deploymentKind, shop.Namespace, "web")
	got := b.objects(t, shop, web, role)
	if find(got, web) == nil {
		t.Error("the Deployment is missing")
	}
	if why := got.Unreadable[role]; why != "give the operator permission to get clusterrole" {
		t.Errorf("unreadable: %v", got.Unreadable)
	}
	if !slices.Equal(got.Unwatched, []schema.GroupVersionKind{clusterRoleKind}) {
		t.Errorf("unwatched: %v", got.Unwatched)
	}
	before := b.requests.total()
	b.quiet(t)
	if after := b.requests.total(); after-before > 2 {
		t.Errorf("%d requests for a kind that may not be watched", after-before)
	}
	must(t, admin.client.Create(t.Context(), pod(elsewhere, "web-1")))
	must(t, admin.client.Create(t.Context(), pod(shop, "web-1")))
	b.wokenUp(t, shop)
	b.quiet(t)
	if open := b.requests.open("/deployments"); open != 1 {
		t.Errorf("%d watches of Deployments", open)
	}
}

func TestConcurrentUse(t *testing.T) {
	b := setUp(t)
	namespace := testenv.Namespace(t, config)
	var users sync.WaitGroup
	for i := range 8 {
		component := types.NamespacedName{Namespace: namespace, Name: fmt.Sprint("c", i)}
		must(t, b.client.Create(t.Context(), deployment(component, component.Name)))
		must(t, b.client.Create(t.Context(), secret(component, component.Name)))
		users.Go(func() {
			for round := range 10 {
				id := idOf(deploymentKind, namespace, component.Name)
				if round%2 == 1 {
					id = idOf(secretKind, namespace, component.Name)
				}
				snapshot, err := b.Objects(context.WithoutCancel(t.Context()), observe.Request{Component: component, Inventory: []render.ID{id}})
				if err != nil || find(snapshot, id) == nil {
					t.Errorf("%s: %v, %d objects", id, err, len(snapshot.Objects))
				}
				if round%3 == 2 {
					b.Forget(component)
				}
			}
			b.Forget(component)
		})
	}
	users.Wait()
	if kinds := b.Watched(); len(kinds) != 0 {
		t.Errorf("still watched: %v", kinds)
	}
}

func TestWarnings(t *testing.T) {
	b := setUp(t)
	namespace := testenv.Namespace(t, config)
	none, err := b.Warnings(t.Context(), namespace)
	if err != nil || none == nil || len(none) != 0 {
		t.Fatalf("%v %v", none, err)
	}
	for _, kind := range []string{corev1.EventTypeNormal, corev1.EventTypeWarning} {
		must(t, b.client.Create(t.Context(), &corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web-1." + strings.ToLower(kind)}, Type: kind, Reason: "FailedMount", Message: "why",
			InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: namespace, Name: "web-1"},
		}))
	}
	warnings, err := b.Warnings(t.Context(), namespace)
	must(t, err)
	if len(warnings) != 1 || warnings[0].Kind != "Pod" || warnings[0].Name != "web-1" || warnings[0].Message != "why" {
		t.Errorf("%+v", warnings)
	}
}

func quantity(storage string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceStorage: parse(storage)}
}

func tree(gvk schema.GroupVersionKind, component types.NamespacedName, name string, spec map[string]any) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{}}
	object.SetGroupVersionKind(gvk)
	object.SetNamespace(component.Namespace)
	object.SetName(name)
	object.SetLabels(map[string]string{v1alpha1.ComponentLabel: component.Name})
	if spec != nil {
		object.Object["spec"] = spec
	}
	return object
}
