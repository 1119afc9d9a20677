package manifest_test

import (
	"strings"
	"testing"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/manifest"
)

func TestDecode_readsEveryDocument(t *testing.T) {
	objects, err := manifest.Decode([]byte(`
# only a comment
---
apiVersion: dpi-operator.io/v1alpha1
kind: DPIDeployment
metadata: {name: a}
spec: {environment: demo}
---
apiVersion: dpi-operator.io/v1alpha1
kind: Catalog
metadata: {name: b}
`))
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != 2 {
		t.Fatalf("got %d objects", len(objects))
	}
	if deployment, ok := objects[0].(*v1alpha1.DPIDeployment); !ok || deployment.Spec.Environment != v1alpha1.EnvironmentDemo {
		t.Errorf("got %#v", objects[0])
	}
}

func TestDecode_refuses(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"an unknown field": {"apiVersion: dpi-operator.io/v1alpha1\nkind: DPIDeployment\nspec: {surroundings: demo}", "surroundings"},
		"a doubled key":    {"kind: A\nkind: B", "kind"},
		"another API":      {"apiVersion: v1\nkind: Pod", "not a kind of dpi-operator.io/v1alpha1"},
		"no kind":          {"a: b", "not a kind of"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := manifest.Decode([]byte(tc.in))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want it to contain %q", err, tc.want)
			}
		})
	}
}
