package apply

import (
	"fmt"
	"maps"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What Helm writes on the objects of a release, and we do, too, so that both know them.
const (
	releaseNameAnnotation      = "meta.helm.sh/release-name"
	releaseNamespaceAnnotation = "meta.helm.sh/release-namespace"
	managedByLabel             = "app.kubernetes.io/managed-by"
	managedByHelm              = "Helm"

	// ComponentLabel names the owning component on every object.
	ComponentLabel = "dpi-operator.io/component"
	// HookAnnotation is what Helm's hooks carry.
	HookAnnotation = "helm.sh/hook"
	// FieldOwner is the field manager of everything that is applied.
	FieldOwner = "dpi-operator"

	keepAnnotation = "helm.sh/resource-policy"
)

// Ownership is the release that objects are applied or deleted for.
type Ownership struct {
	Release, Namespace, Component string
}

// mark writes the ownership on an object, as Helm does.
func (o Ownership) mark(object metav1.Object) {
	annotations := maps.Clone(object.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[releaseNameAnnotation] = o.Release
	annotations[releaseNamespaceAnnotation] = o.Namespace
	object.SetAnnotations(annotations)
	labels := maps.Clone(object.GetLabels())
	if labels == nil {
		labels = map[string]string{}
	}
	labels[managedByLabel] = managedByHelm
	object.SetLabels(labels)
}

// foreignOwner returns who else owns an object, in words; empty if it is ours.
func (o Ownership) foreignOwner(object metav1.Object) string {
	annotations := object.GetAnnotations()
	name, namespace := annotations[releaseNameAnnotation], annotations[releaseNamespaceAnnotation]
	component := object.GetLabels()[ComponentLabel]
	switch {
	case name == o.Release && namespace == o.Namespace:
		if component != "" && component != o.Component {
			return "component " + component
		}
		return ""
	case name != "":
		return fmt.Sprintf("Helm release %s/%s", namespace, name)
	case component != "" && component != o.Component:
		return "component " + component
	case component == o.Component && component != "":
		return ""
	}
	return writers(object)
}

// writers names the field managers of an object that says nothing about its owner.
func writers(object metav1.Object) string {
	var names []string
	for _, entry := range object.GetManagedFields() {
		if entry.Subresource == "" {
			names = append(names, entry.Manager)
		}
	}
	if len(names) == 0 {
		return "no Helm release or component"
	}
	return "no Helm release or component (written by " + strings.Join(names, ", ") + ")"
}

// IsKept tells whether an object asks to outlive its release.
func IsKept(object metav1.Object) bool {
	return strings.EqualFold(strings.TrimSpace(object.GetAnnotations()[keepAnnotation]), "keep")
}
