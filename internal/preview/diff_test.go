package preview

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run the test with -update to write it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// Each folder of testdata/diff holds two versions of an object, with what is shown of the change.
func TestDiff(t *testing.T) {
	paths, err := filepath.Glob("testdata/diff/*/in.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var in struct{ Before, After map[string]any }
			if err := yaml.Unmarshal(data, &in); err != nil {
				t.Fatal(err)
			}
			before, after := &unstructured.Unstructured{Object: in.Before}, &unstructured.Unstructured{Object: in.After}
			unchanged := before.DeepCopy()
			changes := Diff(before, after)
			if !cmp.Equal(unchanged.Object, before.Object) {
				t.Error("the object was changed by looking at it")
			}
			if again := Diff(before, before); len(again) > 0 {
				t.Errorf("an object differs from itself: %v", again)
			}
			asData, err := yaml.Marshal(changes)
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			for _, change := range changes {
				writeChange(&text, "", change)
			}
			if shown := text.String() + string(asData); strings.Contains(shown, "SENSITIVE") || strings.Contains(text.String(), "\x1b") {
				t.Errorf("a secret or a control character is shown:\n%s", shown)
			}
			golden(t, filepath.Join(dir, "want"), text.String())
		})
	}
}

func TestASecretThatBecomesOneFieldIsHiddenWhole(t *testing.T) {
	before := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "data": "SENSITIVE"}}
	after := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "data": map[string]any{"a": "SENSITIVE"}}}
	for _, change := range Diff(before, after) {
		if change.Before != nil || change.After != nil || !change.Hidden {
			t.Errorf("got %+v", change)
		}
	}
}
