package charts_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/dpi-operator/dpi-operator/internal/helm"
)

func operator(values map[string]any) helm.RenderRequest {
	in := request(values)
	in.Release, in.Namespace = "dpi-operator", "dpi-system"
	return in
}

var image = map[string]any{"registry": "registry.devcluster:5000", "tag": "dev"}

// Whoever installs without Helm must get the same operator with the same rights.
func TestOperator_chartAndKustomizationAreTheSame(t *testing.T) {
	byHelm := index(mustRender(t, "dpi-operator", operator(map[string]any{"image": image})))
	byKustomize := index(build(t, "config/default"))
	delete(byKustomize, "Namespace dpi-system")
	if diff := cmp.Diff(byHelm, byKustomize); diff != "" {
		t.Errorf("charts/dpi-operator (-) and config/default (+) differ:\n%s", diff)
	}
}

// index brings objects into a form that can be compared: without what only Helm writes.
func index(objects []*unstructured.Unstructured) map[string]any {
	indexed := map[string]any{}
	for _, object := range objects {
		labels := object.GetLabels()
		for _, byHelm := range []string{"app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"} {
			delete(labels, byHelm)
		}
		annotations := object.GetAnnotations()
		delete(annotations, "helm.sh/resource-policy")
		if object.GetKind() == "CustomResourceDefinition" {
			labels = nil
		}
		object.SetLabels(labels)
		object.SetAnnotations(annotations)
		indexed[object.GetKind()+" "+object.GetName()] = normalise(object.Object)
	}
	return indexed
}

// normalise makes equal numbers equal: decoders differ in the type they choose for them.
func normalise(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, each := range v {
			v[key] = normalise(each)
		}
	case []any:
		for i, each := range v {
			v[i] = normalise(each)
		}
	case int64:
		return float64(v)
	case int:
		return float64(v)
	}
	return value
}

func build(t *testing.T, path string) []*unstructured.Unstructured {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	var objects []*unstructured.Unstructured
	for _, resource := range built.Resources() {
		content, err := resource.Map()
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, &unstructured.Unstructured{Object: content})
	}
	return objects
}

func TestOperator_chartBringsTheDefinitionsOfTheAPI(t *testing.T) {
	generated := definitions(t, "config/crd")
	copied := definitions(t, "charts/dpi-operator/crds-source")
	for name, content := range generated {
		if !bytes.Equal(content, copied[name]) {
			t.Errorf("charts/dpi-operator/crds-source/%s is stale; run make generate", name)
		}
	}
	if len(copied) != len(generated) {
		t.Errorf("%d definitions in the chart, %d in config/crd", len(copied), len(generated))
	}
	for _, object := range mustRender(t, "dpi-operator", operator(map[string]any{"image": image})) {
		if object.GetKind() == "CustomResourceDefinition" && object.GetAnnotations()["helm.sh/resource-policy"] != "keep" {
			t.Errorf("%s goes with the release, and all objects of its kind with it", object.GetName())
		}
	}
}

func definitions(t *testing.T, path string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, path, "dpi-operator.io_*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no definitions in %s: %v", path, err)
	}
	found := map[string][]byte{}
	for _, file := range files {
		content, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			t.Fatal(err)
		}
		found[filepath.Base(file)] = content
	}
	return found
}

func TestOperator_namespacedModeHasNoRightOutsideItsNamespaces(t *testing.T) {
	objects := mustRender(t, "dpi-operator", operator(map[string]any{
		"image": image, "rbac": map[string]any{"scope": "namespaced"}, "watchNamespaces": []any{"moh", "moe"}, "catalogNamespace": "goods",
	}))
	for _, kind := range []string{"ClusterRole", "ClusterRoleBinding"} {
		if found := names(objects, kind); len(found) > 0 {
			t.Errorf("%s: %v", kind, found)
		}
	}
	var where []string
	for _, object := range objects {
		if object.GetKind() == "Role" {
			where = append(where, object.GetNamespace()+"/"+object.GetName())
		}
	}
	slices.Sort(where)
	want := []string{
		"dpi-system/dpi-operator-deployments", "dpi-system/dpi-operator-leader-election",
		"goods/dpi-operator-catalog", "goods/dpi-operator-deployments",
		"moe/dpi-operator-deployments", "moh/dpi-operator-deployments",
	}
	if diff := cmp.Diff(want, where); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
	args := podSpecs(t, objects)["Deployment"].Spec.Containers[0].Args
	if !slices.Contains(args, "--watch-namespaces=moh,moe") || !slices.Contains(args, "--catalog-namespace=goods") {
		t.Errorf("the manager is not told: %v", args)
	}
}

func TestOperator_namespacedModeNeedsNamespaces(t *testing.T) {
	_, err := chart(t, "dpi-operator").Render(t.Context(), operator(map[string]any{
		"image": image, "rbac": map[string]any{"scope": "namespaced"},
	}))
	if err == nil || !strings.Contains(err.Error(), "needs watchNamespaces") {
		t.Errorf("got %v", err)
	}
}

// Rights that would let the operator give out more than it has.
func TestOperator_cannotWidenItsRights(t *testing.T) {
	for _, object := range build(t, "config/rbac") {
		rules, _, err := unstructured.NestedSlice(object.Object, "rules")
		if err != nil {
			t.Fatal(err)
		}
		for _, rule := range rules {
			verbs, _, _ := unstructured.NestedStringSlice(rule.(map[string]any), "verbs")
			for _, verb := range []string{"*", "escalate", "bind", "impersonate"} {
				if slices.Contains(verbs, verb) {
					t.Errorf("%s: %s: verb %s", object.GetKind(), object.GetName(), verb)
				}
			}
		}
	}
}
