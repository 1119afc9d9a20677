package render

import (
	"encoding/base64"
	"errors"
	"fmt"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dpi-operator/dpi-operator/internal/placeholder"
)

// ErrSecretExposed means that a secret value would be written where it can be read.
var ErrSecretExposed = errors.New("a secret value would stand in clear text")

// IsSecret recognises Kubernetes' own Secret.
func IsSecret(object *unstructured.Unstructured) bool {
	return object.GetKind() == "Secret" && object.GroupVersionKind().Group == ""
}

// SecretData calls visit with each decoded entry of a Secret's data, and stores what it returns. What is not base64 is left
// to the API server to refuse.
func SecretData(object *unstructured.Unstructured, visit func(key, value string) (string, error)) error {
	entries, _ := object.Object["data"].(map[string]any)
	for key, entry := range entries {
		text, _ := entry.(string)
		decoded, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			continue
		}
		changed, err := visit(key, string(decoded))
		if err != nil {
			return err
		}
		if changed != string(decoded) {
			entries[key] = base64.StdEncoding.EncodeToString([]byte(changed))
		}
	}
	return nil
}

// secretsOf returns the references that an object's text stands for. In a Secret's data they stay, for whoever applies it;
// in the environment and the arguments of containers they become references to the Secret; anywhere else they are refused.
func secretsOf(object *unstructured.Unstructured) ([]placeholder.Reference, error) {
	seen := map[placeholder.Reference]bool{}
	rest := object.Object
	if IsSecret(object) {
		// The visitor cannot fail.
		_ = SecretData(object, func(_, value string) (string, error) {
			for _, reference := range placeholder.Find(value) {
				seen[reference] = true
			}
			return value, nil
		})
		rest = map[string]any{"metadata": object.Object["metadata"]}
	} else if spec := podSpec(object); spec != nil {
		containers(spec, func(container map[string]any) {
			for _, reference := range referContainer(container) {
				seen[reference] = true
			}
		})
	}
	if path, reference := exposed(rest, ""); path != "" {
		return nil, fmt.Errorf("%s: %w: %s takes key %s of Secret %s; only a Secret, and the environment and arguments of a container, can: patch it, or use another mapping",
			IDOf(object), ErrSecretExposed, path, reference.Key, reference.Secret)
	}
	return placeholder.Sorted(seen), nil
}

// referContainer replaces text that stands for secrets in the environment and the arguments of a container.
func referContainer(container map[string]any) []placeholder.Reference {
	var added []any
	var found []placeholder.Reference
	names := map[placeholder.Reference]string{}
	variable := func(reference placeholder.Reference) string {
		if names[reference] == "" {
			names[reference] = fmt.Sprintf("DPI_SECRET_%d", len(names)+1)
			added = append(added, map[string]any{"name": names[reference], "valueFrom": keyRef(reference)})
		}
		return "$(" + names[reference] + ")"
	}
	rewrite := func(text string) string {
		for _, reference := range placeholder.Find(text) {
			found = append(found, reference)
			text = strings.ReplaceAll(text, reference.Text(), variable(reference))
		}
		return text
	}
	env, _ := container["env"].([]any)
	for _, each := range env {
		entry, _ := each.(map[string]any)
		value, _ := entry["value"].(string)
		references := placeholder.Find(value)
		if len(references) == 1 && value == references[0].Text() {
			found = append(found, references...)
			delete(entry, "value")
			entry["valueFrom"] = keyRef(references[0])
			continue
		}
		if len(references) > 0 {
			entry["value"] = rewrite(value)
		}
	}
	for _, field := range []string{"command", "args"} {
		list, _ := container[field].([]any)
		for i, each := range list {
			if text, ok := each.(string); ok {
				list[i] = rewrite(text)
			}
		}
	}
	if len(added) > 0 {
		// Before the others: a variable can refer to those above it only.
		container["env"] = append(added, env...)
	}
	return found
}

func keyRef(reference placeholder.Reference) map[string]any {
	return map[string]any{"secretKeyRef": map[string]any{"name": reference.Secret, "key": reference.Key}}
}

// exposed returns the first path, in the order of names, whose text stands for a secret.
func exposed(data any, path string) (string, placeholder.Reference) {
	switch typed := data.(type) {
	case string:
		if found := placeholder.Find(typed); len(found) > 0 {
			return path, found[0]
		}
	case map[string]any:
		keys := make([]string, 0, len(typed))
		for key := range typed {
			keys = append(keys, key)
		}
		sort.Strings(keys)
		for _, key := range keys {
			if at, reference := exposed(typed[key], path+"."+key); at != "" {
				return at, reference
			}
		}
	case []any:
		for i, child := range typed {
			if at, reference := exposed(child, fmt.Sprintf("%s[%d]", path, i)); at != "" {
				return at, reference
			}
		}
	}
	return "", placeholder.Reference{}
}
