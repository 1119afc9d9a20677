package preview

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Verb is what happens to a field.
type Verb string

// Verbs of changes.
const (
	Added   Verb = "added"
	Removed Verb = "removed"
	Changed Verb = "changed"
)

// Change is one field that would differ.
type Change struct {
	// Path such as `spec.template.spec.containers[web].image`. Items of lists go by their name where they have one.
	Path string `json:"path"`
	Verb Verb   `json:"change"`
	// Before and After are the values, nil where there is none.
	Before any `json:"before,omitempty"`
	After  any `json:"after,omitempty"`
	// Hidden is set where the values are those of a Secret, and left out.
	Hidden bool `json:"hidden,omitempty"`
}

// bookkeeping are fields of metadata that the cluster writes for itself.
var bookkeeping = []string{
	"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds",
}

// lastApplied repeats a whole object, a Secret's values included.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// Diff lists the fields in which two versions of an object differ, in a stable order. Status and what the cluster writes for
// itself do not count. The values of Secrets are left out. Neither version may be nil.
func Diff(before, after *unstructured.Unstructured) []Change {
	changes := Fields(declared(before), declared(after))
	if after.GetKind() != "Secret" || after.GroupVersionKind().Group != "" {
		return changes
	}
	return hide(changes)
}

// Fields lists the differences of two trees of plain data, in a stable order.
func Fields(before, after map[string]any) []Change {
	return compareMaps("", before, after)
}

// declared is an object without what the cluster writes for itself.
func declared(object *unstructured.Unstructured) map[string]any {
	fields := maps.Clone(object.Object)
	delete(fields, "status")
	metadata, _ := fields["metadata"].(map[string]any)
	metadata = maps.Clone(metadata)
	for _, name := range bookkeeping {
		delete(metadata, name)
	}
	if annotations, ok := metadata["annotations"].(map[string]any); ok {
		annotations = maps.Clone(annotations)
		delete(annotations, lastApplied)
		metadata["annotations"] = annotations
		if len(annotations) == 0 {
			delete(metadata, "annotations")
		}
	}
	fields["metadata"] = metadata
	if object.GetKind() == "Secret" && object.GroupVersionKind().Group == "" {
		// A map of its own for each, so that every key is named by itself.
		for _, name := range []string{"data", "stringData"} {
			if fields[name] == nil {
				fields[name] = map[string]any{}
			}
		}
	}
	return fields
}

var secretValue = regexp.MustCompile(`^(data|stringData)[.\[]`)

func hide(changes []Change) []Change {
	for i := range changes {
		if secretValue.MatchString(changes[i].Path) || changes[i].Path == "data" || changes[i].Path == "stringData" {
			changes[i].Before, changes[i].After, changes[i].Hidden = nil, nil, true
		}
	}
	return changes
}

func compare(path string, before, after any) []Change {
	if reflect.DeepEqual(before, after) {
		return nil
	}
	switch was := before.(type) {
	case map[string]any:
		if is, ok := after.(map[string]any); ok {
			return compareMaps(path, was, is)
		}
	case []any:
		if is, ok := after.([]any); ok {
			return compareLists(path, was, is)
		}
	}
	return []Change{{Path: path, Verb: Changed, Before: before, After: after}}
}

func compareMaps(path string, before, after map[string]any) []Change {
	keys := map[string]bool{}
	for key := range before {
		keys[key] = true
	}
	for key := range after {
		keys[key] = true
	}
	var changes []Change
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		was, had := before[key]
		is, has := after[key]
		below := join(path, key)
		switch {
		case !had:
			changes = append(changes, Change{Path: below, Verb: Added, After: is})
		case !has:
			changes = append(changes, Change{Path: below, Verb: Removed, Before: was})
		default:
			changes = append(changes, compare(below, was, is)...)
		}
	}
	return changes
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func join(path, key string) string {
	switch {
	case !plainKey.MatchString(key):
		return path + "[" + strconv.Quote(key) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

// identities are the fields by which Kubernetes tells the items of its lists apart, the most telling first.
var identities = []string{"name", "mountPath", "containerPort", "port", "key", "type", "uid", "ip"}

func compareLists(path string, before, after []any) []Change {
	if isPlain(before) && isPlain(after) {
		return []Change{{Path: path, Verb: Changed, Before: before, After: after}}
	}
	for _, field := range identities {
		was, known := named(before, field)
		is, alsoKnown := named(after, field)
		if known && alsoKnown {
			return compareNamed(path, was, is)
		}
	}
	var changes []Change
	for i := range max(len(before), len(after)) {
		below := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case i >= len(before):
			changes = append(changes, Change{Path: below, Verb: Added, After: after[i]})
		case i >= len(after):
			changes = append(changes, Change{Path: below, Verb: Removed, Before: before[i]})
		default:
			changes = append(changes, compare(below, before[i], after[i])...)
		}
	}
	return changes
}

// isPlain tells whether a list holds neither maps nor lists.
func isPlain(list []any) bool {
	return !slices.ContainsFunc(list, func(item any) bool {
		switch item.(type) {
		case map[string]any, []any:
			return true
		}
		return false
	})
}

// items of a list by what they are called, in order.
type items struct {
	order  []string
	byName map[string]any
}

// named reports false unless each item has the field, and no two the same.
func named(list []any, field string) (items, bool) {
	out := items{byName: map[string]any{}}
	for _, item := range list {
		fields, ok := item.(map[string]any)
		if !ok || fields[field] == nil {
			return items{}, false
		}
		name := fmt.Sprint(fields[field])
		if _, taken := out.byName[name]; taken {
			return items{}, false
		}
		out.byName[name] = item
		out.order = append(out.order, name)
	}
	return out, true
}

func compareNamed(path string, before, after items) []Change {
	var changes []Change
	var stayed, stays []string
	for _, name := range before.order {
		if _, kept := after.byName[name]; !kept {
			changes = append(changes, Change{Path: path + "[" + name + "]", Verb: Removed, Before: before.byName[name]})
			continue
		}
		stayed = append(stayed, name)
	}
	for _, name := range after.order {
		was, had := before.byName[name]
		if !had {
			changes = append(changes, Change{Path: path + "[" + name + "]", Verb: Added, After: after.byName[name]})
			continue
		}
		stays = append(stays, name)
		changes = append(changes, compare(path+"["+name+"]", was, after.byName[name])...)
	}
	if !slices.Equal(stayed, stays) {
		changes = append(changes, Change{Path: path + " (order)", Verb: Changed, Before: anys(stayed), After: anys(stays)})
	}
	return changes
}

func anys(names []string) []any {
	out := make([]any, 0, len(names))
	for _, name := range names {
		out = append(out, name)
	}
	return out
}
