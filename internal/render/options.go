package render

import "k8s.io/apimachinery/pkg/runtime/schema"

// Options say how rendered objects are changed. The zero value changes nothing but the namespace.
type Options struct {
	// Namespace given to namespaced objects that name none.
	Namespace string
	// Scopes says which kinds are namespaced (true) or cluster-scoped (false). Kinds that are missing here count as
	// what BuiltinScope says, and as namespaced if it does not know them either.
	Scopes map[schema.GroupKind]bool
	// ObjectLabels are set on every object.
	ObjectLabels map[string]string
	// ClusterObjectLabels are set on cluster-scoped objects besides.
	ClusterObjectLabels map[string]string
	// PodLabels are set on every object and on every pod template; never on a selector, which is immutable.
	PodLabels map[string]string
	// WorkloadAnnotations are set on the pod templates of Deployments, StatefulSets and DaemonSets, whose pods are replaced
	// when one changes. The template of a Job is immutable, so it gets none.
	WorkloadAnnotations map[string]string
	// Images are rewritten by the first rule with the longest matching prefix.
	Images []ImageRule
	// Projections mount Secrets into workloads, after the patches.
	Projections []Projection
	// Patches are applied in order, once namespaces are set and before labels and images: what a patch adds is labelled
	// and mirrored like the rest.
	Patches []Patch
}

// ImageRule moves images from one registry or repository prefix to another.
type ImageRule struct {
	// Prefix of the full reference (`docker.io/library/` is spelled out for short names), matched at a path boundary:
	// `docker.io`, `ghcr.io/example`.
	Prefix string `json:"prefix"`
	// Replacement of the prefix: `mirror.example.org/dpi`.
	Replacement string `json:"replacement"`
}

// Patch changes the objects that its target selects; one that selects none is an error.
type Patch struct {
	// Target is optional for a strategic merge patch that names its object itself.
	Target *Target `json:"target,omitempty"`
	// Patch is YAML or JSON: a strategic merge patch (an object) or a JSON 6902 patch (a list).
	Patch string `json:"patch"`
}

// Target selects objects. Empty fields select all; name, namespace and kind are anchored regular expressions, as in a
// kustomization.
type Target struct {
	Group              string `json:"group,omitempty"`
	Version            string `json:"version,omitempty"`
	Kind               string `json:"kind,omitempty"`
	Namespace          string `json:"namespace,omitempty"`
	Name               string `json:"name,omitempty"`
	LabelSelector      string `json:"labelSelector,omitempty"`
	AnnotationSelector string `json:"annotationSelector,omitempty"`
}
