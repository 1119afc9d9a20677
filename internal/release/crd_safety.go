package release

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// CRDProblems lists how replacing a definition would harm objects that exist: versions they are stored in or served at that
// vanish, another scope, fields that are dropped or change their type, and fields that become required. It is deliberately
// narrow: what it does not know it does not report.
func CRDProblems(live, wanted *unstructured.Unstructured) []string {
	var problems []string
	if was, is := field(live, "spec", "scope"), field(wanted, "spec", "scope"); was != is {
		problems = append(problems, fmt.Sprintf("the scope changes from %s to %s", was, is))
	}
	before, after := versionsOf(live), versionsOf(wanted)
	stored, _, _ := unstructured.NestedStringSlice(live.Object, "status", "storedVersions")
	for _, name := range stored {
		if _, kept := after[name]; !kept {
			problems = append(problems, fmt.Sprintf("version %s is removed, and objects are stored in it", name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		was, is := before[name], after[name]
		if is == nil {
			continue
		}
		if was["served"] == true && is["served"] != true {
			problems = append(problems, fmt.Sprintf("version %s is no longer served", name))
		}
		problems = append(problems, schemaProblems(schemaOf(was), schemaOf(is), name)...)
	}
	return problems
}

func field(object *unstructured.Unstructured, path ...string) string {
	value, _, _ := unstructured.NestedString(object.Object, path...)
	return value
}

func versionsOf(definition *unstructured.Unstructured) map[string]map[string]any {
	versions := map[string]map[string]any{}
	list, _, _ := unstructured.NestedSlice(definition.Object, "spec", "versions")
	for _, item := range list {
		if version, ok := item.(map[string]any); ok {
			versions[fmt.Sprint(version["name"])] = version
		}
	}
	return versions
}

func schemaOf(version map[string]any) map[string]any {
	schema, _, _ := unstructured.NestedMap(version, "schema", "openAPIV3Schema")
	return schema
}

// schemaProblems walks two schemas side by side. Where the new one keeps unknown fields, none is dropped.
func schemaProblems(was, is map[string]any, path string) []string {
	if len(was) == 0 || len(is) == 0 {
		return nil
	}
	if a, b := was["type"], is["type"]; a != nil && b != nil && a != b {
		return []string{fmt.Sprintf("%s changes its type from %v to %v", path, a, b)}
	}
	problems := requiredProblems(was, is, path)
	oldFields, _ := was["properties"].(map[string]any)
	newFields, _ := is["properties"].(map[string]any)
	open := is["x-kubernetes-preserve-unknown-fields"] == true || is["additionalProperties"] != nil
	for _, name := range slices.Sorted(maps.Keys(oldFields)) {
		oldField, _ := oldFields[name].(map[string]any)
		newField, kept := newFields[name].(map[string]any)
		if !kept && !open {
			problems = append(problems, fmt.Sprintf("%s.%s is dropped", path, name))
		}
		problems = append(problems, schemaProblems(oldField, newField, path+"."+name)...)
	}
	for _, key := range []string{"items", "additionalProperties"} {
		oldItems, _ := was[key].(map[string]any)
		newItems, _ := is[key].(map[string]any)
		problems = append(problems, schemaProblems(oldItems, newItems, path+"[]")...)
	}
	return problems
}

func requiredProblems(was, is map[string]any, path string) []string {
	var problems []string
	before, _ := was["required"].([]any)
	after, _ := is["required"].([]any)
	newFields, _ := is["properties"].(map[string]any)
	for _, name := range after {
		known, _ := newFields[fmt.Sprint(name)].(map[string]any)
		if !slices.Contains(before, name) && known["default"] == nil {
			problems = append(problems, fmt.Sprintf("%s.%v becomes required", path, name))
		}
	}
	return problems
}
