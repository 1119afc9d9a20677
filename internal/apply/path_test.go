package apply

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

func tree() map[string]any {
	return map[string]any{
		"metadata": map[string]any{"labels": map[string]any{"a/b~c": "d"}, "finalizers": []any{"x", "y"}},
		"spec": map[string]any{"containers": []any{
			map[string]any{"name": "proxy"},
			map[string]any{"name": "web", "image": "one", "ports": []any{map[string]any{"containerPort": int64(80)}}},
		}},
	}
}

func TestPaths(t *testing.T) {
	web := fieldpath.KeyByFields("name", "web")
	port := fieldpath.KeyByFields("containerPort", 80, "protocol", "TCP")
	for name, tc := range map[string]struct {
		path    []any
		found   any
		pointer string
		left    func(map[string]any)
	}{
		"a field": {
			[]any{"metadata", "labels", "a/b~c"}, "d", "/metadata/labels/a~1b~0c",
			func(t map[string]any) { t["metadata"].(map[string]any)["labels"] = map[string]any{} },
		},
		"an item by its key": {
			[]any{"spec", "containers", web, "image"}, "one", "/spec/containers/1/image",
			func(t map[string]any) {
				delete(t["spec"].(map[string]any)["containers"].([]any)[1].(map[string]any), "image")
			},
		},
		"a key with a default left out": {
			[]any{"spec", "containers", web, "ports", port, "containerPort"}, int64(80), "/spec/containers/1/ports/0/containerPort",
			func(t map[string]any) {
				delete(t["spec"].(map[string]any)["containers"].([]any)[1].(map[string]any)["ports"].([]any)[0].(map[string]any), "containerPort")
			},
		},
		"an item of a set": {
			[]any{"metadata", "finalizers", value.NewValueInterface("y")}, "y", "/metadata/finalizers/1",
			func(t map[string]any) { t["metadata"].(map[string]any)["finalizers"] = []any{"x"} },
		},
		"what is not there": {
			[]any{"spec", "containers", fieldpath.KeyByFields("name", "none"), "image"}, nil, "/spec/containers/-/image",
			func(map[string]any) {},
		},
		"a field of what is none": {[]any{"metadata", "labels", "a/b~c", "deeper"}, nil, "/metadata/labels/a~1b~0c/deeper", func(map[string]any) {}},
	} {
		t.Run(name, func(t *testing.T) {
			path := fieldpath.MakePathOrDie(tc.path...)
			found, exists := at(tree(), path)
			if diff := cmp.Diff(tc.found, found); diff != "" && exists || exists != (tc.found != nil) {
				t.Errorf("at: %v, %t", found, exists)
			}
			if got := pointerTo(tree(), path); got != tc.pointer {
				t.Errorf("pointer: %s", got)
			}
			want := tree()
			tc.left(want)
			if diff := cmp.Diff(any(want), without(tree(), path)); diff != "" {
				t.Errorf("without (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOwnedDigest_followsOurFieldsAlone(t *testing.T) {
	object := func(entries ...metav1.ManagedFieldsEntry) *metav1.ObjectMeta {
		return &metav1.ObjectMeta{ManagedFields: entries}
	}
	entry := func(manager, fields string, operation metav1.ManagedFieldsOperationType) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Operation: operation, FieldsV1: metav1.NewFieldsV1(fields)}
	}
	ours := entry(FieldOwner, `{"f:spec":{}}`, metav1.ManagedFieldsOperationApply)
	base := OwnedDigest(object(ours))
	for name, tc := range map[string]struct {
		object *metav1.ObjectMeta
		same   bool
	}{
		"another manager":         {object(entry("x", `{"f:status":{}}`, metav1.ManagedFieldsOperationUpdate), ours), true},
		"an update of our own":    {object(ours, entry(FieldOwner, `{"f:x":{}}`, metav1.ManagedFieldsOperationUpdate)), true},
		"a field that is lost":    {object(entry(FieldOwner, `{}`, metav1.ManagedFieldsOperationApply)), false},
		"managers that are wiped": {object(), false},
	} {
		t.Run(name, func(t *testing.T) {
			digest := OwnedDigest(tc.object)
			if (digest == base) != tc.same {
				t.Errorf("got %q, base %q", digest, base)
			}
			for range 2 {
				if KeepOwnedDigest(tc.object); OwnedDigest(tc.object) != digest {
					t.Errorf("lost: %+v", tc.object.ManagedFields)
				}
			}
		})
	}
}
