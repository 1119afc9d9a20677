package values

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Tree is the values of a chart: string keys to plain data.
type Tree = map[string]any

// Decode reads values from JSON; nothing gives an empty tree. Whole numbers stay whole.
func Decode(raw []byte) (Tree, error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return Tree{}, nil
	}
	value, err := DecodeAny(raw)
	if err != nil {
		return nil, err
	}
	if value == nil {
		return Tree{}, nil
	}
	tree, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("values must be a map")
	}
	return tree, nil
}

// DecodeAny reads any JSON value; whole numbers become int64, others float64.
func DecodeAny(raw []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not one JSON value")
	}
	return normalise(value), nil
}

// Merge lays over upon base and returns a new tree: maps are merged key by key, everything else is replaced. A null in
// over stays, so that Helm removes the chart's default.
func Merge(base, over Tree) Tree {
	out := make(Tree, len(base)+len(over))
	for key, value := range base {
		out[key] = Copy(value)
	}
	for key, value := range over {
		below, isTree := out[key].(map[string]any)
		above, overTree := value.(map[string]any)
		if isTree && overTree {
			out[key] = Merge(below, above)
			continue
		}
		out[key] = Copy(value)
	}
	return out
}

// Set puts the value at the dotted path, making maps on the way. It fails where the path runs through something that
// is not a map.
func Set(tree Tree, path string, value any) error {
	keys := SplitPath(path)
	for i, key := range keys[:len(keys)-1] {
		next, exists := tree[key]
		if !exists || next == nil {
			child := Tree{}
			tree[key] = child
			tree = child
			continue
		}
		child, ok := next.(map[string]any)
		if !ok {
			return fmt.Errorf("path %q: %q is not a map", path, strings.Join(keys[:i+1], "."))
		}
		tree = child
	}
	tree[keys[len(keys)-1]] = Copy(value)
	return nil
}

// Get returns what is at the dotted path.
func Get(tree Tree, path string) (any, bool) {
	var value any = tree
	for _, key := range SplitPath(path) {
		level, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = level[key]; !ok {
			return nil, false
		}
	}
	return value, true
}

// MergeByName lays a list of maps with a `name` over another: an entry replaces the one of its name, new ones follow. Nothing
// is an empty list.
func MergeByName(base, over any) ([]any, error) {
	var out []any
	place := map[any]int{}
	for _, list := range []any{base, over} {
		entries, ok := list.([]any)
		if !ok && list != nil {
			return nil, fmt.Errorf("want a list of entries with a name, not %T", list)
		}
		for _, each := range entries {
			entry, ok := each.(map[string]any)
			if !ok || entry["name"] == nil {
				return nil, errors.New("want a list of entries with a name")
			}
			if at, exists := place[entry["name"]]; exists {
				out[at] = Copy(entry)
				continue
			}
			place[entry["name"]] = len(out)
			out = append(out, Copy(entry))
		}
	}
	return out, nil
}

// SplitPath splits at dots; `\.` is a dot inside a key.
func SplitPath(path string) []string {
	var keys []string
	var key strings.Builder
	for i := 0; i < len(path); i++ {
		switch {
		case path[i] == '\\' && i+1 < len(path) && path[i+1] == '.':
			key.WriteByte('.')
			i++
		case path[i] == '.':
			keys = append(keys, key.String())
			key.Reset()
		default:
			key.WriteByte(path[i])
		}
	}
	return append(keys, key.String())
}

// Copy returns a deep copy of plain data.
func Copy(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			out[key] = Copy(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = Copy(item)
		}
		return out
	default:
		return v
	}
}

func normalise(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, item := range v {
			v[key] = normalise(item)
		}
		return v
	case []any:
		for i, item := range v {
			v[i] = normalise(item)
		}
		return v
	case json.Number:
		if whole, err := v.Int64(); err == nil {
			return whole
		}
		float, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return float
	default:
		return v
	}
}
