package release_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/internal/release"
)

func crdWith(t *testing.T, scope, versions string) *unstructured.Unstructured {
	t.Helper()
	data, err := yaml.YAMLToJSON(fmt.Appendf(nil, "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"+
		"metadata: {name: x}\nspec: {scope: %s, versions: [%s]}\nstatus: {storedVersions: [v1]}", scope, versions))
	if err != nil {
		t.Fatal(err)
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestCRDProblems(t *testing.T) {
	version := func(name, schema string) string {
		return fmt.Sprintf("{name: %s, served: true, schema: {openAPIV3Schema: {type: object, properties: {spec: %s}}}}", name, schema)
	}
	before := version("v1", "{type: object, required: [a], properties: {a: {type: string}, list: {type: array, items: {type: object, properties: {b: {type: integer}}}}}}")
	for name, tc := range map[string]struct {
		scope, after string
		want         []string
	}{
		"nothing changes": {after: before},
		"a field is added": {
			after: version("v1", "{type: object, required: [a], properties: {a: {type: string}, list: {type: array, items: {type: object, properties: {b: {type: integer}}}}, c: {type: string}}}"),
		},
		"a version is added":             {after: before + "," + version("v2", "{type: object}")},
		"another scope":                  {scope: "Cluster", after: before, want: []string{"the scope changes from Namespaced to Cluster"}},
		"the stored version is removed":  {after: version("v2", "{type: object}"), want: []string{"version v1 is removed, and objects are stored in it"}},
		"a version is no longer served":  {after: "{name: v1, served: false}", want: []string{"version v1 is no longer served"}},
		"unknown fields are kept":        {after: version("v1", "{type: object, x-kubernetes-preserve-unknown-fields: true}")},
		"a required field has a default": {after: version("v1", "{type: object, required: [a, c], properties: {a: {type: string}, c: {type: string, default: x}, list: {type: array, items: {type: object, properties: {b: {type: integer}}}}}}")},
		"fields are dropped, changed, and become required": {
			after: version("v1", "{type: object, required: [a, list], properties: {list: {type: array, items: {type: object, properties: {b: {type: string}}}}}}"),
			want: []string{
				"v1.spec.list becomes required", "v1.spec.a is dropped", "v1.spec.list[].b changes its type from integer to string",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.scope == "" {
				tc.scope = "Namespaced"
			}
			got := release.CRDProblems(crdWith(t, "Namespaced", before), crdWith(t, tc.scope, tc.after))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
