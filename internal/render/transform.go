package render

import (
	"errors"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dpi-operator/dpi-operator/internal/placeholder"
)

// ErrDuplicate means that two objects have the same identity: the cluster would keep only one of them.
var ErrDuplicate = errors.New("rendered twice")

// ErrInvalidObject means that an object has a field of the wrong type.
var ErrInvalidObject = errors.New("invalid object")

// Result of Transform.
type Result struct {
	// Objects at the same index as the input; nil where a patch deleted the object.
	Objects []*unstructured.Unstructured
	// Warnings for people, in order, without duplicates.
	Warnings []string
	// Secrets that the objects' text stood for, each once, sorted.
	Secrets []placeholder.Reference
}

// Transform returns changed copies of the objects: namespaces, patches, mounted Secrets, normalisation, references to
// secrets, labels, images, in this order.
// Errors are in the options or the objects; trying again does not help.
func Transform(objects []*unstructured.Unstructured, options Options) (Result, error) {
	result := Result{Objects: make([]*unstructured.Unstructured, len(objects))}
	for i, object := range objects {
		result.Objects[i] = object.DeepCopy()
		setNamespace(result.Objects[i], options)
	}
	if err := applyPatches(result.Objects, options.Patches); err != nil {
		return Result{}, err
	}
	if err := project(result.Objects, options.Projections); err != nil {
		return Result{}, err
	}
	secrets := map[placeholder.Reference]bool{}
	for _, object := range result.Objects {
		if object == nil {
			continue
		}
		warnings, err := normalise(object)
		if err != nil {
			return Result{}, err
		}
		references, err := secretsOf(object)
		if err != nil {
			return Result{}, err
		}
		for _, reference := range references {
			secrets[reference] = true
		}
		result.Warnings = append(result.Warnings, warnings...)
		setLabels(object, options)
		setWorkloadAnnotations(object, options.WorkloadAnnotations)
		rewriteImages(object, options.Images)
	}
	result.Secrets = placeholder.Sorted(secrets)
	return result, nil
}

// CheckUnique returns an ErrDuplicate that names the first identity found twice. The version does not count.
func CheckUnique(objects []*unstructured.Unstructured) error {
	seen := map[ID]bool{}
	for _, object := range objects {
		id := IDOf(object).Unversioned()
		if seen[id] {
			return fmt.Errorf("%s: %w; give one of the two another name, or turn one off", id, ErrDuplicate)
		}
		seen[id] = true
	}
	return nil
}

func setNamespace(object *unstructured.Unstructured, options Options) {
	if !options.namespaced(object) {
		object.SetNamespace("")
		return
	}
	if object.GetNamespace() == "" && options.Namespace != "" {
		object.SetNamespace(options.Namespace)
	}
}

func (o Options) namespaced(object *unstructured.Unstructured) bool {
	kind := object.GroupVersionKind().GroupKind()
	if namespaced, known := o.Scopes[kind]; known {
		return namespaced
	}
	return !IsBuiltinClusterScoped(kind)
}

func setLabels(object *unstructured.Unstructured, options Options) {
	addLabels(object.Object, options.ObjectLabels, "metadata")
	addLabels(object.Object, options.PodLabels, "metadata")
	if !options.namespaced(object) {
		addLabels(object.Object, options.ClusterObjectLabels, "metadata")
	}
	for _, path := range templatePaths(object) {
		addLabels(object.Object, options.PodLabels, append(path, "metadata")...)
	}
}

// setWorkloadAnnotations marks the templates of workloads that replace their pods when their template changes.
func setWorkloadAnnotations(object *unstructured.Unstructured, annotations map[string]string) {
	if isWorkload(object) {
		addStrings(object.Object, annotations, "spec", "template", "metadata", "annotations")
	}
}

func addLabels(root map[string]any, labels map[string]string, metadata ...string) {
	addStrings(root, labels, append(append([]string{}, metadata...), "labels")...)
}

// addStrings adds entries to a field of strings, making it where it is missing.
func addStrings(root map[string]any, entries map[string]string, path ...string) {
	if len(entries) == 0 {
		return
	}
	existing, _, _ := unstructured.NestedStringMap(root, path...)
	merged := maps.Clone(existing)
	if merged == nil {
		merged = map[string]string{}
	}
	maps.Copy(merged, entries)
	// Fails only where metadata is no object, which the API server will say better.
	_ = unstructured.SetNestedStringMap(root, merged, path...)
}

// templatePaths lists where an object keeps templates that carry labels of their own: pods and, in a CronJob, Jobs.
func templatePaths(object *unstructured.Unstructured) [][]string {
	gvk := object.GroupVersionKind()
	switch gvk.Group + "/" + gvk.Kind {
	case "apps/Deployment", "apps/StatefulSet", "apps/DaemonSet", "apps/ReplicaSet", "/ReplicationController", "batch/Job":
		return [][]string{{"spec", "template"}}
	case "batch/CronJob":
		return [][]string{{"spec", "jobTemplate"}, {"spec", "jobTemplate", "spec", "template"}}
	case "/PodTemplate":
		return [][]string{{"template"}}
	}
	return nil
}

// podSpec returns the pod spec of an object that has one, or nil. It is the object's own: changes to it stay.
func podSpec(object *unstructured.Unstructured) map[string]any {
	path := []string{"spec"}
	if object.GetKind() != "Pod" || object.GroupVersionKind().Group != "" {
		templates := templatePaths(object)
		if len(templates) == 0 {
			return nil
		}
		path = append(append([]string{}, templates[len(templates)-1]...), "spec")
	}
	field, found, err := unstructured.NestedFieldNoCopy(object.Object, path...)
	if !found || err != nil {
		return nil
	}
	spec, _ := field.(map[string]any)
	return spec
}

// containers calls visit with each container of a pod spec.
func containers(spec map[string]any, visit func(container map[string]any)) {
	for _, field := range []string{"initContainers", "containers", "ephemeralContainers"} {
		list, _ := spec[field].([]any)
		for _, item := range list {
			if container, ok := item.(map[string]any); ok {
				visit(container)
			}
		}
	}
}
