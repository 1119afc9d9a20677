package parity_test

import (
	"encoding/base64"
	"reflect"
	"slices"
	"strings"
)

// hideTransforms does to the objects of Helm's record what the engine does to rendered objects before it applies them.
func hideTransforms(helm, ours *snapshot) bool {
	if helm.Record == nil {
		return false
	}
	found := false
	for name, each := range helm.Record.Manifest {
		found = transform(each, ours.Record.Manifest[name]) || found
	}
	for i, each := range helm.Record.Hooks {
		if i < len(ours.Record.Hooks) {
			found = transform(each.Object, ours.Record.Hooks[i].Object) || found
		}
	}
	return found
}

// transform changes an object of Helm's record, and tells whether it had to.
func transform(each, ours object) bool {
	changed := false
	if metadata := field(each, "metadata"); metadata["namespace"] == nil && field(ours, "metadata")["namespace"] == "NAMESPACE" {
		metadata["namespace"] = "NAMESPACE"
		changed = true
	}
	if plain := field(each, "stringData"); plain != nil {
		data := field(each, "data")
		if data == nil {
			data = object{}
			each["data"] = data
		}
		for key, value := range plain {
			text, _ := value.(string)
			data[key] = base64.StdEncoding.EncodeToString([]byte(text))
		}
		delete(each, "stringData")
		changed = true
	}
	for _, path := range [][]string{{"spec", "template"}, {"spec", "jobTemplate"}, {"spec", "jobTemplate", "spec", "template"}} {
		// The label of the operator had to go somewhere.
		if mine := field(ours, path...); field(each, path...)["metadata"] == nil && mine["metadata"] != nil && len(field(mine, "metadata")) == 0 {
			delete(mine, "metadata")
			changed = true
		}
	}
	for _, path := range textPaths(each) {
		texts := field(each, path...)
		for key, value := range texts {
			if value == nil {
				texts[key] = ""
				changed = true
			}
		}
	}
	return dropNulls(each) || changed
}

// textPaths lead to where a missing value is an empty text.
func textPaths(each object) [][]string {
	paths := [][]string{{"metadata", "labels"}, {"metadata", "annotations"}}
	if each["kind"] == "ConfigMap" || each["kind"] == "Secret" {
		paths = append(paths, []string{"data"})
	}
	return paths
}

// hideEmptied restores keys that Helm's upgrade removed because they have no value.
func hideEmptied(helm, ours *snapshot) bool {
	if helm.Record == nil {
		return false
	}
	found := false
	for name, each := range helm.Record.Manifest {
		for key, value := range field(each, "data") {
			live := field(helm.Objects[name], "data")
			if _, there := live[key]; value == nil && !there && field(ours.Objects[name], "data")[key] == "" {
				live[key] = ""
				found = true
			}
		}
	}
	return found
}

func dropNulls(value any) bool {
	found := false
	switch typed := value.(type) {
	case object:
		for key, child := range typed {
			if child == nil {
				delete(typed, key)
				found = true
			} else {
				found = dropNulls(child) || found
			}
		}
	case []any:
		for _, child := range typed {
			found = dropNulls(child) || found
		}
	}
	return found
}

// hideDuplicates leaves only the last of two environment variables of one name. In the cluster, an update by Helm changes
// their order, too.
func hideDuplicates(helm, ours *snapshot) bool {
	if helm.Record == nil {
		return false
	}
	found := false
	for name, each := range helm.Record.Manifest {
		if !dropHidden(each) {
			continue
		}
		found = true
		for _, live := range []object{helm.Objects[name], ours.Objects[name]} {
			dropHidden(live)
			for _, container := range containers(live) {
				slices.SortFunc(container["env"].([]any), byName)
			}
		}
	}
	return found
}

// containers of an object's pods that have an environment.
func containers(of object) []object {
	var found []object
	list, _ := field(of, "spec", "template", "spec")["containers"].([]any)
	for _, each := range list {
		if container := each.(object); container["env"] != nil {
			found = append(found, container)
		}
	}
	return found
}

func dropHidden(each object) bool {
	found := false
	for _, container := range containers(each) {
		env := container["env"].([]any)
		var kept []any
		for i, variable := range env {
			if !isNamedIn(variable, env[i+1:]) {
				kept = append(kept, variable)
			}
		}
		found = found || len(kept) < len(env)
		container["env"] = kept
	}
	return found
}

func byName(a, b any) int {
	return strings.Compare(a.(object)["name"].(string), b.(object)["name"].(string))
}

func isNamedIn(variable any, others []any) bool {
	for _, other := range others {
		if other.(object)["name"] == variable.(object)["name"] {
			return true
		}
	}
	return false
}

// hideDefinitionUpdates takes over our specification of a definition that Helm left at the one of an earlier chart.
func hideDefinitionUpdates(helm, ours *snapshot) bool {
	found := false
	for name, each := range helm.Objects {
		if mine := ours.Objects[name]; strings.HasPrefix(name, definition) && mine != nil && !reflect.DeepEqual(each["spec"], mine["spec"]) {
			each["spec"] = mine["spec"]
			found = true
		}
	}
	return found
}
