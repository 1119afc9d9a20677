package helm_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/dpi-operator/dpi-operator/internal/helm"
)

// archive packs files into a chart named `web`.
func archive(tb testing.TB, files map[string]string) []byte {
	tb.Helper()
	var packed bytes.Buffer
	compressor := gzip.NewWriter(&packed)
	writer := tar.NewWriter(compressor)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := writer.WriteHeader(&tar.Header{Name: "web/" + name, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			tb.Fatal(err)
		}
		if _, err := writer.Write([]byte(files[name])); err != nil {
			tb.Fatal(err)
		}
	}
	if err := errors.Join(writer.Close(), compressor.Close()); err != nil {
		tb.Fatal(err)
	}
	return packed.Bytes()
}

func load(tb testing.TB, files map[string]string) *helm.Chart {
	tb.Helper()
	all := map[string]string{"Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.2.3\nappVersion: \"7\"\n"}
	maps.Copy(all, files)
	chart, err := helm.LoadChart(archive(tb, all))
	if err != nil {
		tb.Fatal(err)
	}
	return chart
}

func request(values map[string]any) helm.RenderRequest {
	return helm.RenderRequest{Release: "app", Namespace: "shop", Revision: 1, Values: values, KubeVersion: "v1.36.3"}
}

func TestLoadChart_refuses(t *testing.T) {
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"no archive":         {[]byte("hello"), "invalid chart"},
		"no chart":           {archive(t, map[string]string{"a": "b"}), "Chart.yaml"},
		"a library":          {archive(t, map[string]string{"Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\ntype: library"}), "cannot be installed"},
		"a missing subchart": {archive(t, map[string]string{"Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [{name: db, version: 1.x}]"}), "declares the subchart db"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := helm.LoadChart(tc.data)
			if !errors.Is(err, helm.ErrInvalidChart) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want it to contain %q", err, tc.want)
			}
		})
	}
}

func TestChart_info(t *testing.T) {
	info := load(t, map[string]string{"values.schema.json": "{}", "values.yaml": "a: 1"}).Info()
	if info.Name != "web" || info.Version != "1.2.3" || info.AppVersion != "7" || !info.HasSchema || !strings.HasPrefix(info.Digest, "sha256:") {
		t.Errorf("got %+v", info)
	}
}

func TestRender_errorsSayWhere(t *testing.T) {
	object := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
	for name, tc := range map[string]struct {
		files  map[string]string
		values map[string]any
		kind   error
		want   string
	}{
		"a value of the wrong type": {
			files:  map[string]string{"values.schema.json": `{"properties":{"db":{"properties":{"port":{"type":"integer"}}}}}`},
			values: map[string]any{"db": map[string]any{"port": "x"}}, kind: helm.ErrInvalidValues, want: "db.port: got string, want integer",
		},
		"a value that a subchart's schema refuses": {
			files: map[string]string{
				"charts/db/Chart.yaml": "apiVersion: v2\nname: db\nversion: 1.0.0", "charts/db/values.schema.json": `{"required":["size"]}`,
			}, kind: helm.ErrInvalidValues, want: "db: missing property 'size'",
		},
		"a schema from elsewhere": {
			files: map[string]string{"values.schema.json": `{"$ref":"https://example.org/schema.json"}`},
			kind:  helm.ErrInvalidChart, want: "is not fetched",
		},
		"a failing template": {
			files: map[string]string{"templates/a.yaml": `{{ fail "no domain given" }}`}, kind: helm.ErrRender, want: "no domain given",
		},
		"a template that renders no YAML": {
			files: map[string]string{"templates/a.yaml": "a: b: c"}, kind: helm.ErrRender, want: "templates/a.yaml",
		},
		"an object without a kind": {
			files: map[string]string{"templates/a.yaml": "a: b"}, kind: helm.ErrRender, want: "templates/a.yaml",
		},
		"an object without a name": {
			files: map[string]string{"templates/a.yaml": "apiVersion: v1\nkind: ConfigMap"}, kind: helm.ErrRender, want: "a ConfigMap has no name",
		},
		"another Kubernetes": {
			files: map[string]string{"Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\nkubeVersion: '<1.20'", "templates/a.yaml": object},
			kind:  helm.ErrIncompatible, want: "web 1.0.0 wants Kubernetes <1.20, this is v1.36.3",
		},
		"no definition among the definitions": {
			files: map[string]string{"crds/a.yaml": object}, kind: helm.ErrInvalidChart, want: "only CustomResourceDefinitions belong there",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, tc.files).Render(t.Context(), request(tc.values))
			if !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestRender_keepsWhatCounts(t *testing.T) {
	chart := load(t, map[string]string{
		"values.yaml": "replicas: 3",
		"templates/z.yaml": `
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: kinds}, data: {own: "{{ kindOf .Values.replicas }}", given: "{{ kindOf .Values.given }}"}}
  - {apiVersion: v1, kind: ServiceAccount, metadata: {name: listed}}
---
# only a comment
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {replicas: 2}
`,
		"templates/a.yaml":    "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n",
		"templates/NOTES.txt": "The password is hunter2",
		"templates/_help.tpl": "not rendered",
	})
	values := map[string]any{"given": int64(3)}
	for range 2 {
		rendered, err := chart.Render(t.Context(), request(values))
		if err != nil {
			t.Fatal(err)
		}
		got := make([]string, 0, len(rendered.Objects))
		for _, object := range rendered.Objects {
			got = append(got, object.Path+" "+object.Object.GetKind()+" "+object.Object.GetName())
		}
		want := []string{
			"web/templates/a.yaml Secret s", "web/templates/z.yaml Deployment web", "web/templates/z.yaml ConfigMap kinds",
			"web/templates/z.yaml ServiceAccount listed",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		data, _, _ := unstructured.NestedStringMap(rendered.Objects[2].Object.Object, "data")
		if diff := cmp.Diff(map[string]string{"own": "float64", "given": "float64"}, data); diff != "" {
			t.Error(diff)
		}
		if replicas, _, _ := unstructured.NestedInt64(rendered.Objects[1].Object.Object, "spec", "replicas"); replicas != 2 {
			t.Error("integers must stay integers")
		}
	}
	if diff := cmp.Diff(map[string]any{"given": int64(3)}, values); diff != "" {
		t.Errorf("the caller's values were changed: %s", diff)
	}
}

// A text at the end of a document keeps its last line break, as it does with Helm, which puts one after each document.
func TestRender_textAtTheEndOfADocument(t *testing.T) {
	chart := load(t, map[string]string{"templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  text: |\n    line\n"})
	rendered, err := chart.Render(t.Context(), request(nil))
	if err != nil {
		t.Fatal(err)
	}
	if text, _, _ := unstructured.NestedString(rendered.Objects[0].Object.Object, "data", "text"); text != "line\n" {
		t.Errorf("got %q", text)
	}
}

// lookup is a cluster with one Secret.
type lookup struct{ err error }

func (l lookup) Get(_ context.Context, gvk schema.GroupVersionKind, namespace, name string) (*unstructured.Unstructured, error) {
	if l.err != nil || gvk.Kind != "Secret" || namespace != "shop" || name != "known" {
		return nil, l.err
	}
	return &unstructured.Unstructured{Object: map[string]any{"data": map[string]any{"a": "b"}}}, nil
}

func (l lookup) List(context.Context, schema.GroupVersionKind, string) (*unstructured.UnstructuredList, error) {
	return nil, l.err
}

func TestRender_lookup(t *testing.T) {
	chart := load(t, map[string]string{"templates/a.yaml": `
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data:
  known: {{ (lookup "v1" "Secret" "shop" "known").data | toJson | quote }}
  unknown: {{ lookup "v1" "Secret" "shop" "unknown" | toJson | quote }}
  list: {{ lookup "v1" "Widget" "" "" | toJson | quote }}
`})
	rendered, err := chart.Render(t.Context(), helm.RenderRequest{Release: "app", Namespace: "shop", Lookup: lookup{}})
	if err != nil {
		t.Fatal(err)
	}
	data, _, _ := unstructured.NestedStringMap(rendered.Objects[0].Object.Object, "data")
	if diff := cmp.Diff(map[string]string{"known": `{"a":"b"}`, "unknown": "{}", "list": "{}"}, data); diff != "" {
		t.Error(diff)
	}

	// A template may swallow the error and make up a new password: the render must fail all the same.
	forbidden := errors.New("forbidden")
	_, err = chart.Render(t.Context(), helm.RenderRequest{Release: "app", Namespace: "shop", Lookup: lookup{err: forbidden}})
	if !errors.Is(err, forbidden) || errors.Is(err, helm.ErrRender) {
		t.Errorf("got %v", err)
	}
}
