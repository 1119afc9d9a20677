package charts_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/dpi-operator/dpi-operator/internal/helm"
)

const (
	root        = "../.."
	kubeVersion = "v1.35.0"
	namespace   = "moh"
	release     = "health-exchange-part"
)

func chart(t *testing.T, path string) *helm.Chart {
	t.Helper()
	directory, err := filepath.Abs(filepath.Join(root, "charts", path))
	if err != nil {
		t.Fatal(err)
	}
	data, err := exec.Command("tar", "czf", "-", "-C", filepath.Dir(directory), filepath.Base(directory)).Output()
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := helm.LoadChart(data)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func request(values map[string]any) helm.RenderRequest {
	return helm.RenderRequest{
		Release: release, Namespace: namespace, Revision: 1, Operation: helm.Install, Values: values, KubeVersion: kubeVersion,
	}
}

func mustRender(t *testing.T, path string, in helm.RenderRequest) []*unstructured.Unstructured {
	t.Helper()
	rendered, err := chart(t, path).Render(t.Context(), in)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	objects := make([]*unstructured.Unstructured, 0, len(rendered.Objects))
	for _, each := range rendered.Objects {
		objects = append(objects, each.Object)
	}
	return objects
}

// podSpecs returns the pod template of every workload among the objects, by kind.
func podSpecs(t *testing.T, objects []*unstructured.Unstructured) map[string]corev1.PodTemplateSpec {
	t.Helper()
	found := map[string]corev1.PodTemplateSpec{}
	for _, object := range objects {
		switch object.GetKind() {
		case "Deployment":
			found["Deployment"] = convert[appsv1.Deployment](t, object).Spec.Template
		case "StatefulSet":
			found["StatefulSet"] = convert[appsv1.StatefulSet](t, object).Spec.Template
		}
	}
	return found
}

func convert[T any](t *testing.T, object *unstructured.Unstructured) T {
	t.Helper()
	var typed T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &typed, true); err != nil {
		t.Fatalf("%s %s: %v", object.GetKind(), object.GetName(), err)
	}
	return typed
}

func find(objects []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	for _, object := range objects {
		if object.GetKind() == kind && object.GetName() == name {
			return object
		}
	}
	return nil
}

func names(objects []*unstructured.Unstructured, kind string) []string {
	var found []string
	for _, object := range objects {
		if object.GetKind() == kind {
			found = append(found, object.GetName())
		}
	}
	return found
}
