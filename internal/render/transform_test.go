package render_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/internal/render"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// options is how golden cases write render.Options.
type options struct {
	Namespace           string              `json:"namespace"`
	ClusterScoped       []string            `json:"clusterScoped"`
	ObjectLabels        map[string]string   `json:"objectLabels"`
	PodLabels           map[string]string   `json:"podLabels"`
	ClusterObjectLabels map[string]string   `json:"clusterObjectLabels"`
	Images              []render.ImageRule  `json:"images"`
	Patches             []render.Patch      `json:"patches"`
	WorkloadAnnotations map[string]string   `json:"workloadAnnotations"`
	Projections         []render.Projection `json:"projections"`
}

func (o options) convert() render.Options {
	scopes := map[schema.GroupKind]bool{}
	for _, kind := range o.ClusterScoped {
		scopes[schema.ParseGroupKind(kind)] = false
	}
	return render.Options{
		Namespace: o.Namespace, Scopes: scopes, ObjectLabels: o.ObjectLabels, PodLabels: o.PodLabels,
		ClusterObjectLabels: o.ClusterObjectLabels, Images: o.Images, Patches: o.Patches,
		WorkloadAnnotations: o.WorkloadAnnotations, Projections: o.Projections,
	}
}

func parse(tb testing.TB, text string) []*unstructured.Unstructured {
	tb.Helper()
	var objects []*unstructured.Unstructured
	for document := range strings.SplitSeq(text, "\n---\n") {
		data, err := yaml.YAMLToJSON([]byte(document))
		if err != nil {
			tb.Fatal(err)
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(data); err != nil {
			tb.Fatal(err)
		}
		objects = append(objects, object)
	}
	return objects
}

func TestTransform_golden(t *testing.T) {
	cases, err := filepath.Glob("testdata/*/in.yaml")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range cases {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var given options
			if err := yaml.UnmarshalStrict(read(t, filepath.Join(dir, "options.yaml")), &given); err != nil {
				t.Fatal(err)
			}
			objects := parse(t, string(read(t, file)))
			result, err := render.Transform(objects, given.convert())
			if err != nil {
				t.Fatal(err)
			}
			got := write(t, result)
			golden := filepath.Join(dir, "want.yaml")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(read(t, golden)), got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(parse(t, string(read(t, file))), objects); diff != "" {
				t.Errorf("the input was changed: %s", diff)
			}
		})
	}
}

func read(tb testing.TB, file string) []byte {
	tb.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func write(t *testing.T, result render.Result) string {
	t.Helper()
	var b strings.Builder
	for _, warning := range result.Warnings {
		b.WriteString("# " + warning + "\n")
	}
	for _, object := range result.Objects {
		b.WriteString("---\n")
		if object == nil {
			b.WriteString("# deleted\n")
			continue
		}
		data, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(data)
	}
	return b.String()
}

func TestTransform_refuses(t *testing.T) {
	object := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
	for name, tc := range map[string]struct {
		object string
		patch  render.Patch
		want   string
	}{
		"a patch that selects nothing":      {object, render.Patch{Target: &render.Target{Kind: "Secret", Name: "b"}, Patch: "data: {}"}, "patch 1 selects no object (kind Secret, name b)"},
		"a patch for an object that is not": {object, render.Patch{Patch: "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}"}, "selects no object"},
		"an operation that does not fit":    {object, render.Patch{Target: &render.Target{Kind: "ConfigMap"}, Patch: `[{op: replace, path: /data/x, value: y}]`}, "patch 1 on ConfigMap shop/a"},
		"operations without a target":       {object, render.Patch{Patch: `[{op: add, path: /data, value: {}}]`}, "needs a target"},
		"a patch that is no YAML":           {object, render.Patch{Patch: `{`}, "patch 1"},
		"a patch that is a word":            {object, render.Patch{Patch: `hello`}, "must be an object or a list"},
		"a wrong expression":                {object, render.Patch{Target: &render.Target{Name: "("}, Patch: "data: {}"}, "patch 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := render.Transform(parse(t, tc.object), render.Options{Namespace: "shop", Patches: []render.Patch{tc.patch}})
			if !errors.Is(err, render.ErrPatch) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	_, err := render.Transform(parse(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {port: 1}"), render.Options{})
	if !errors.Is(err, render.ErrInvalidObject) || !strings.Contains(err.Error(), "Secret a: stringData must map names to strings") {
		t.Errorf("got %v", err)
	}
}

func TestCheckUnique(t *testing.T) {
	twice := parse(t, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n---\napiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: a}")
	err := render.CheckUnique(twice)
	if !errors.Is(err, render.ErrDuplicate) || !strings.HasPrefix(err.Error(), "Deployment a: rendered twice") {
		t.Errorf("got %v", err)
	}
	if err := render.CheckUnique(twice[:1]); err != nil {
		t.Error(err)
	}
}

func TestRewriteImage(t *testing.T) {
	rules := []render.ImageRule{{Prefix: "docker.io", Replacement: "m"}, {Prefix: "docker.io/library/postgres", Replacement: "own/pg"}}
	for image, want := range map[string]string{
		"nginx": "m/library/nginx", "nginx:1@sha256:a": "m/library/nginx:1@sha256:a", "docker.io/nginx": "m/library/nginx",
		"a/b": "m/a/b", "postgres:17": "own/pg:17", "postgresql:17": "m/library/postgresql:17",
		"registry.example.org/x": "registry.example.org/x", "localhost/x": "localhost/x", "host:5000/x": "host:5000/x",
	} {
		if got := render.RewriteImage(image, rules); got != want {
			t.Errorf("%s became %s, want %s", image, got, want)
		}
	}
}

func FuzzTransform(f *testing.F) {
	for _, name := range []string{"labels", "patches", "normalise", "images", "scopes"} {
		for document := range strings.SplitSeq(string(read(f, "testdata/"+name+"/in.yaml")), "\n---\n") {
			f.Add([]byte(document), "spec: {a: b}")
		}
	}
	f.Fuzz(func(t *testing.T, document []byte, patch string) {
		data, err := yaml.YAMLToJSON(document)
		if err != nil {
			return
		}
		object := &unstructured.Unstructured{}
		if object.UnmarshalJSON(data) != nil {
			return
		}
		given := render.Options{
			Namespace: "shop", PodLabels: map[string]string{"a": "b"}, Images: []render.ImageRule{{Prefix: "docker.io", Replacement: "m"}},
			Patches: []render.Patch{{Target: &render.Target{}, Patch: patch}},
		}
		once, err := render.Transform([]*unstructured.Unstructured{object}, given)
		if err != nil || once.Objects[0] == nil {
			return
		}
		given.Patches = nil
		given.Images = nil
		twice, err := render.Transform(once.Objects, given)
		if err != nil {
			t.Fatalf("the result cannot be transformed again: %v", err)
		}
		if diff := cmp.Diff(once.Objects, twice.Objects); diff != "" {
			t.Errorf("transforming again changes it: %s", diff)
		}
	})
}
