package parity_test

import (
	"encoding/base64"
	"reflect"
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
			data[key] = base64.StdEncoding.EncodeToString([]byte(value.(string)))
		}
		delete(each, "stringData")
		changed = true
	}
	return dropNulls(each) || changed
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

// hideDuplicates leaves only the last of two environment variables of one name, in the cluster and in the record.
func hideDuplicates(helm, _ *snapshot) bool {
	found := false
	for _, each := range helm.everywhere() {
		containers, _ := field(each, "spec", "template", "spec")["containers"].([]any)
		for _, container := range containers {
			env, _ := container.(object)["env"].([]any)
			var kept []any
			for i, variable := range env {
				if !isNamedIn(variable, env[i+1:]) {
					kept = append(kept, variable)
				}
			}
			if len(kept) < len(env) {
				container.(object)["env"] = kept
				found = true
			}
		}
	}
	return found
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
