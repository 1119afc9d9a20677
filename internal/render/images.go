package render

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func rewriteImages(object *unstructured.Unstructured, rules []ImageRule) {
	spec := podSpec(object)
	if spec == nil || len(rules) == 0 {
		return
	}
	containers(spec, func(container map[string]any) {
		if image, ok := container["image"].(string); ok && image != "" {
			container["image"] = RewriteImage(image, rules)
		}
	})
	volumes, _ := spec["volumes"].([]any)
	for _, item := range volumes {
		volume, _ := item.(map[string]any)
		source, _ := volume["image"].(map[string]any)
		if reference, ok := source["reference"].(string); ok && reference != "" {
			source["reference"] = RewriteImage(reference, rules)
		}
	}
}

// RewriteImage returns the reference with the longest matching prefix replaced; one that no rule matches is returned as it is.
func RewriteImage(image string, rules []ImageRule) string {
	full := fullReference(image)
	best := -1
	for i, rule := range rules {
		if hasPathPrefix(full, rule.Prefix) && (best < 0 || len(rule.Prefix) > len(rules[best].Prefix)) {
			best = i
		}
	}
	if best < 0 {
		return image
	}
	prefix := strings.TrimSuffix(rules[best].Prefix, "/")
	return strings.TrimSuffix(rules[best].Replacement, "/") + strings.TrimPrefix(full, prefix)
}

// fullReference spells out what a short image name leaves out, as container runtimes do.
func fullReference(image string) string {
	first, rest, found := strings.Cut(image, "/")
	switch {
	case !found:
		return "docker.io/library/" + image
	case first == "docker.io" && !strings.Contains(rest, "/"):
		return "docker.io/library/" + rest
	case strings.ContainsAny(first, ".:") || first == "localhost":
		return image
	}
	return "docker.io/" + image
}

func hasPathPrefix(full, prefix string) bool {
	prefix = strings.TrimSuffix(prefix, "/")
	if prefix == "" || !strings.HasPrefix(full, prefix) {
		return false
	}
	rest := full[len(prefix):]
	return rest == "" || strings.ContainsAny(rest[:1], "/:@")
}
