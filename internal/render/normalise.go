package render

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// normalise changes what means the same to `helm install` but not to server-side apply.
func normalise(object *unstructured.Unstructured) ([]string, error) {
	group := object.GroupVersionKind().Group
	emptyStrings(object)
	if isBuiltinGroup(group) && object.GetKind() != "CustomResourceDefinition" {
		dropNulls(object.Object)
	}
	delete(object.Object, "status")
	if err := mergeStringData(object); err != nil {
		return nil, err
	}
	spec := podSpec(object)
	if spec == nil {
		return nil, nil
	}
	return dropDuplicates(object, spec), nil
}

// isBuiltinGroup tells Kubernetes' own kinds from custom ones, in which null can have a meaning.
func isBuiltinGroup(group string) bool {
	return !strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io")
}

// emptyStrings gives entries without a value that must be strings the empty one, as the API server does with what Helm sends
// at an install: a container that takes a key of a ConfigMap or Secret into its environment does not start without that key.
func emptyStrings(object *unstructured.Unstructured) {
	paths := [][]string{{"metadata", "labels"}, {"metadata", "annotations"}}
	for _, template := range templatePaths(object) {
		paths = append(paths, slices.Concat(template, []string{"metadata", "labels"}), slices.Concat(template, []string{"metadata", "annotations"}))
	}
	kind := object.GroupVersionKind().GroupKind()
	if kind.Group == "" && (kind.Kind == "ConfigMap" || kind.Kind == "Secret") {
		paths = append(paths, []string{"data"}, []string{"stringData"})
	}
	for _, path := range paths {
		entries, _, _ := unstructured.NestedFieldNoCopy(object.Object, path...)
		texts, _ := entries.(map[string]any)
		for key, value := range texts {
			if value == nil {
				texts[key] = ""
			}
		}
	}
}

// dropNulls removes fields without a value: templates leave them behind, and applying one means to own and empty it.
func dropNulls(value any) {
	switch typed := value.(type) {
	case map[string]any:
		for key, child := range typed {
			if child == nil {
				delete(typed, key)
				continue
			}
			dropNulls(child)
		}
	case []any:
		for _, child := range typed {
			dropNulls(child)
		}
	}
}

// mergeStringData moves a Secret's stringData into data: a key that is dropped from stringData later would stay in data
// for ever.
func mergeStringData(object *unstructured.Unstructured) error {
	if object.GetKind() != "Secret" || object.GroupVersionKind().Group != "" {
		return nil
	}
	plain, found, err := unstructured.NestedStringMap(object.Object, "stringData")
	if err != nil {
		return fmt.Errorf("%w: %s: stringData must map names to strings; quote numbers and booleans", ErrInvalidObject, IDOf(object))
	}
	if !found {
		return nil
	}
	data, ok := object.Object["data"].(map[string]any)
	if !ok {
		data = map[string]any{}
	}
	for key, value := range plain {
		data[key] = base64.StdEncoding.EncodeToString([]byte(value))
	}
	object.Object["data"] = data
	delete(object.Object, "stringData")
	return nil
}

// dropDuplicates removes entries of lists that server-side apply treats as maps. Of two environment variables the last one
// counts, as for the kubelet; elsewhere only equal entries are dropped and the API server judges the others.
func dropDuplicates(object *unstructured.Unstructured, spec map[string]any) []string {
	var warnings []string
	containers(spec, func(container map[string]any) {
		env, dropped := lastByName(container["env"])
		if len(dropped) > 0 {
			container["env"] = env
			warnings = append(warnings, fmt.Sprintf("%s: container %v sets %s twice; the last one counts",
				IDOf(object), container["name"], strings.Join(dropped, ", ")))
		}
		for _, field := range []string{"ports", "volumeMounts"} {
			container[field] = withoutEqual(container[field])
			if container[field] == nil {
				delete(container, field)
			}
		}
	})
	for _, field := range []string{"volumes", "imagePullSecrets"} {
		if spec[field] != nil {
			spec[field] = withoutEqual(spec[field])
		}
	}
	return warnings
}

func lastByName(value any) ([]any, []string) {
	list, _ := value.([]any)
	last := map[any]int{}
	for i, item := range list {
		if entry, ok := item.(map[string]any); ok {
			last[entry["name"]] = i
		}
	}
	var kept []any
	var dropped []string
	for i, item := range list {
		entry, ok := item.(map[string]any)
		if ok && last[entry["name"]] != i {
			dropped = append(dropped, fmt.Sprint(entry["name"]))
			continue
		}
		kept = append(kept, item)
	}
	return kept, dropped
}

func withoutEqual(value any) any {
	list, ok := value.([]any)
	if !ok {
		return value
	}
	kept := make([]any, 0, len(list))
	for _, item := range list {
		known := false
		for _, other := range kept {
			known = known || reflect.DeepEqual(item, other)
		}
		if !known {
			kept = append(kept, item)
		}
	}
	return kept
}
