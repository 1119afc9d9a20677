package apply

import (
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// at returns the value at a path of an object; found is false where the object has none.
func at(node any, path fieldpath.Path) (found any, exists bool) {
	for _, element := range path {
		switch typed := node.(type) {
		case map[string]any:
			if element.FieldName == nil {
				return nil, false
			}
			if node, exists = typed[*element.FieldName]; !exists {
				return nil, false
			}
		case []any:
			index := indexOf(typed, element)
			if index < 0 {
				return nil, false
			}
			node = typed[index]
		default:
			return nil, false
		}
	}
	return node, true
}

// without takes what is at a path out of an object, and returns what is left of the node. It changes the object in place.
func without(node any, path fieldpath.Path) any {
	if len(path) == 0 {
		return node
	}
	element, rest := path[0], path[1:]
	switch typed := node.(type) {
	case map[string]any:
		if element.FieldName == nil {
			return node
		}
		child, found := typed[*element.FieldName]
		switch {
		case found && len(rest) == 0:
			delete(typed, *element.FieldName)
		case found:
			typed[*element.FieldName] = without(child, rest)
		}
	case []any:
		index := indexOf(typed, element)
		switch {
		case index >= 0 && len(rest) == 0:
			return slices.Delete(typed, index, index+1)
		case index >= 0:
			typed[index] = without(typed[index], rest)
		}
	}
	return node
}

// indexOf finds an item of a list. A key that the item leaves out counts as equal: the cluster fills in its default.
func indexOf(list []any, element fieldpath.PathElement) int {
	return slices.IndexFunc(list, func(item any) bool {
		switch {
		case element.Value != nil:
			return value.Equals(*element.Value, value.NewValueInterface(item))
		case element.Key != nil:
			fields, isMap := item.(map[string]any)
			return isMap && hasKey(fields, *element.Key)
		default:
			return false
		}
	})
}

func hasKey(item map[string]any, key value.FieldList) bool {
	matched := 0
	for _, field := range key {
		is, set := item[field.Name]
		if !set {
			continue
		}
		if !value.Equals(field.Value, value.NewValueInterface(is)) {
			return false
		}
		matched++
	}
	return matched > 0
}

// pointerTo writes a path as a JSON pointer (RFC 6901) into an object. Items that the object does not have are `-`.
func pointerTo(object map[string]any, path fieldpath.Path) string {
	var out strings.Builder
	var node any = object
	for _, element := range path {
		step := "-"
		switch typed := node.(type) {
		case map[string]any:
			node = nil
			if element.FieldName != nil {
				node = typed[*element.FieldName]
			}
		case []any:
			node = nil
			if index := indexOf(typed, element); index >= 0 {
				node, step = typed[index], strconv.Itoa(index)
			}
		}
		if element.FieldName != nil {
			step = strings.NewReplacer("~", "~0", "/", "~1").Replace(*element.FieldName)
		}
		out.WriteString("/" + step)
	}
	return out.String()
}
