package httpupsert

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/values"
)

// field is one that an object has to have.
type field struct {
	path    string
	value   any
	compare v1alpha1.HTTPComparison
}

// differences names the fields in which the object is not as wanted. It says nothing about their values, which may be secret.
func differences(object map[string]any, wanted []field) []string {
	var out []string
	for _, each := range wanted {
		if each.compare == v1alpha1.CompareWriteOnly {
			continue
		}
		current, _ := values.Get(object, each.path)
		same := holds(current, each.value)
		if each.compare == v1alpha1.CompareSet {
			same = sameItems(current, each.value)
		}
		if !same {
			out = append(out, each.path)
		}
	}
	return out
}

// lay puts the fields over what exists and returns a new object.
func lay(object map[string]any, wanted []field) (map[string]any, error) {
	out := values.Merge(object, nil)
	for _, each := range wanted {
		if err := values.Set(out, each.path, each.value); err != nil {
			return nil, fmt.Errorf("field %s: %w", each.path, err)
		}
	}
	return out, nil
}

// holds reports whether what exists has everything that is wanted. Maps may have more keys, at every level: servers add
// identifiers and defaults of their own.
func holds(current, wanted any) bool {
	switch w := wanted.(type) {
	case map[string]any:
		c, ok := current.(map[string]any)
		if !ok {
			return false
		}
		for key, value := range w {
			if !holds(c[key], value) {
				return false
			}
		}
		return true
	case []any:
		c, ok := current.([]any)
		return (ok || current == nil && len(w) == 0) && slices.EqualFunc(c, w, holds)
	default:
		return reflect.DeepEqual(current, wanted)
	}
}

func sameItems(current, wanted any) bool {
	have, isList := current.([]any)
	want, ok := wanted.([]any)
	return ok && (isList || current == nil) && slices.Equal(sorted(have), sorted(want))
}

// sorted writes each item down, so that items of any kind have an order.
func sorted(list []any) []string {
	out := make([]string, 0, len(list))
	for _, item := range list {
		// Plain data can always be written as JSON.
		text, _ := json.Marshal(item)
		out = append(out, string(text))
	}
	slices.Sort(out)
	return out
}

// plain makes of the result of an expression what comes back from JSON: whole numbers are int64, no list is null.
func plain(value any) (any, error) {
	raw, err := json.Marshal(withLists(value))
	if err != nil {
		return nil, err
	}
	return values.DecodeAny(raw)
}

func withLists(value any) any {
	switch v := value.(type) {
	case []any:
		out := make([]any, 0, len(v))
		for _, item := range v {
			out = append(out, withLists(item))
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			out[key] = withLists(item)
		}
		return out
	default:
		return v
	}
}
