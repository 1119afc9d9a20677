package preview

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/plan"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

func revision(t *testing.T, path string) *v1alpha1.StackRevisionSpec {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var spec v1alpha1.StackRevisionSpec
	if err := yaml.UnmarshalStrict(data, &spec); err != nil {
		t.Fatal(err)
	}
	return &spec
}

func workload(kind, image string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": kind, "metadata": map[string]any{"name": "he-fhir", "namespace": "moh"},
		"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "fhir", "image": image}}}}},
	}}
}

func id(kind, name string) render.ID {
	return render.ID{Version: "v1", Kind: kind, Namespace: "moh", Name: name}
}

// upgrade is a stack of which everything happens to some part.
func upgrade(t *testing.T) Input {
	t.Helper()
	before, after := revision(t, "testdata/fold/before.yaml"), revision(t, "testdata/fold/after.yaml")
	held := workload("StatefulSet", "fhir:2")
	if err := unstructured.SetNestedField(held.Object, "OnDelete", "spec", "updateStrategy", "type"); err != nil {
		t.Fatal(err)
	}
	return Input{
		InForce: before, Wanted: plan.OfRevision(before, after), Number: 3, Stored: true, Approval: "it waits for approval",
		Comparisons: map[string]Comparison{
			"fhir": {
				Operation: "upgrade", Revision: 4, Hooks: []string{"pre-upgrade hook Job he-fhir-migrate"},
				Pairs: []Pair{
					{ID: render.ID{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition", Name: "things.example.org"},
						State: Update, Breaks: []string{"v1.spec.size is dropped"}},
					{ID: id("Deployment", "he-fhir"), Before: workload("Deployment", "fhir:1"), After: workload("Deployment", "fhir:2")},
					{ID: id("StatefulSet", "he-fhir"), Before: workload("StatefulSet", "fhir:1"), After: held},
					{ID: id("Service", "he-fhir"), Before: workload("Service", "fhir:1"), After: workload("Service", "fhir:1")},
					{ID: id("ConfigMap", "new"), After: workload("ConfigMap", "")},
					{ID: id("Widget", "later"), State: Create, Note: "not tried: namespace moh does not exist"},
					{ID: id("Job", "load"), State: Unknown, Note: "it must be deleted and made again: spec.template: field is immutable"},
					{ID: id("ConfigMap", "old"), Before: workload("ConfigMap", "")},
					{ID: id("PersistentVolumeClaim", "data"), State: Keep, Note: "volumes are kept"},
				},
			},
			"db":   {Revision: 1, Pairs: []Pair{{ID: id("StatefulSet", "he-db"), State: Unchanged}}},
			"gate": {Skipped: "cannot get chart gate 1.0.0"},
			"web":  {Refused: "ConfigMap moh/web: exists and belongs to somebody else"},
			"old":  {Operation: "uninstall", Revision: 2, Pairs: []Pair{{ID: id("Service", "he-old"), State: Remove}}},
		},
	}
}

func TestFold_everythingThatCanHappen(t *testing.T) {
	report := Fold(upgrade(t))
	golden(t, "testdata/fold/want.txt", Text(report))
	data, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/fold/want.json", string(data)+"\n")
	for line := range strings.Lines(Text(report)) {
		if trimmed := strings.TrimRight(line, " \n"); trimmed != strings.TrimSuffix(line, "\n") {
			t.Errorf("the line ends in blanks: %q", line)
		}
	}
}

func TestFold_theSameStackChangesNothing(t *testing.T) {
	before := revision(t, "testdata/fold/before.yaml")
	report := Fold(Input{InForce: before, Wanted: plan.OfRevision(before, before), Number: before.Number, Stored: true, Comparisons: map[string]Comparison{}})
	if report.WouldChange || Text(report) != "nothing would change\n" {
		t.Errorf("got %+v:\n%s", report, Text(report))
	}
}

func TestFold_whatWasNotComparedMayBeDifferent(t *testing.T) {
	before := revision(t, "testdata/fold/before.yaml")
	in := Input{InForce: before, Wanted: plan.OfRevision(before, before), Comparisons: map[string]Comparison{"fhir": {Skipped: "forbidden"}}}
	if report := Fold(in); !report.WouldChange || strings.Contains(Text(report), "nothing would change") {
		t.Errorf("got %s", Text(report))
	}
}

func TestFold_aReleaseThatIsNotAsWantedIsAChange(t *testing.T) {
	before := revision(t, "testdata/fold/before.yaml")
	for name, comparison := range map[string]Comparison{
		"to be repeated": {Operation: "upgrade", Revision: 3},
		"to be made":     {Operation: "install"},
	} {
		in := Input{InForce: before, Wanted: plan.OfRevision(before, before), Comparisons: map[string]Comparison{"fhir": comparison}}
		if report := Fold(in); !report.WouldChange || !strings.Contains(Text(report), "fhir: "+comparison.Operation+" release he-fhir") {
			t.Errorf("%s: got %s", name, Text(report))
		}
	}
}
