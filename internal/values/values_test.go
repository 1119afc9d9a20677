package values_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/internal/values"
)

func TestMerge_theLaterWordWins(t *testing.T) {
	base := values.Tree{"a": values.Tree{"x": int64(1), "y": int64(2)}, "list": []any{"one"}, "kept": "k"}
	over := values.Tree{"a": values.Tree{"y": int64(3)}, "list": []any{"two"}, "kept": nil}
	want := values.Tree{"a": values.Tree{"x": int64(1), "y": int64(3)}, "list": []any{"two"}, "kept": nil}
	if diff := cmp.Diff(want, values.Merge(base, over)); diff != "" {
		t.Error(diff)
	}
	if base["a"].(values.Tree)["y"] != int64(2) {
		t.Error("the base was changed")
	}
}

func TestSet(t *testing.T) {
	tree := values.Tree{"image": values.Tree{"tag": "1"}}
	if err := values.Set(tree, `image.registry`, "r"); err != nil {
		t.Fatal(err)
	}
	if err := values.Set(tree, `annotations.example\.org/name`, "n"); err != nil {
		t.Fatal(err)
	}
	want := values.Tree{"image": values.Tree{"tag": "1", "registry": "r"}, "annotations": values.Tree{"example.org/name": "n"}}
	if diff := cmp.Diff(want, tree); diff != "" {
		t.Error(diff)
	}
	if err := values.Set(tree, "image.tag.deeper", "x"); err == nil {
		t.Error("a path through text was accepted")
	}
}

func TestDecode_keepsWholeNumbersWhole(t *testing.T) {
	tree, err := values.Decode([]byte(`{"port": 10000000, "ratio": 0.5}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(values.Tree{"port": int64(10000000), "ratio": 0.5}, tree); diff != "" {
		t.Error(diff)
	}
	if _, err := values.Decode([]byte(`[1]`)); err == nil {
		t.Error("a list was accepted as values")
	}
}

func FuzzMerge(f *testing.F) {
	f.Add(`{"a":{"b":1}}`, `{"a":{"c":2}}`)
	f.Fuzz(func(t *testing.T, base, over string) {
		below, err := values.Decode([]byte(base))
		if err != nil {
			return
		}
		above, err := values.Decode([]byte(over))
		if err != nil {
			return
		}
		merged := values.Merge(below, above)
		if diff := cmp.Diff(merged, values.Merge(merged, above)); diff != "" {
			t.Errorf("merging twice differs: %s", diff)
		}
		if _, err := json.Marshal(merged); err != nil {
			t.Error(err)
		}
	})
}
