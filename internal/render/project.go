package render

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	// bindingRoot is where Secrets are mounted, and bindingRootVariable tells the software so: servicebinding.io, application projection.
	bindingRoot         = "/bindings"
	bindingRootVariable = "SERVICE_BINDING_ROOT"
)

// ErrProjection means that a Secret is to be mounted where nothing is.
var ErrProjection = errors.New("cannot be mounted")

// Projection mounts a Secret into containers as servicebinding.io says: below the directory that SERVICE_BINDING_ROOT names,
// one file for each key.
type Projection struct {
	// Name of the directory.
	Name string `json:"name"`
	// Secret to mount.
	Secret string `json:"secret"`
	// Workload is a regular expression for names, anchored at both ends; empty means every Deployment, StatefulSet and
	// DaemonSet.
	Workload string `json:"workload,omitempty"`
	// Containers by name; empty means all.
	Containers []string `json:"containers,omitempty"`
}

// project mounts Secrets. One that reaches no container is an error: the software would look for it in vain.
func project(objects []*unstructured.Unstructured, projections []Projection) error {
	for _, projection := range projections {
		workload, err := regexp.Compile("^(?:" + projection.Workload + ")$")
		if err != nil {
			return fmt.Errorf("projection %s: %w: workload %q is not a regular expression", projection.Name, ErrProjection, projection.Workload)
		}
		reached := false
		for _, object := range objects {
			if object == nil || !isWorkload(object) || (projection.Workload != "" && !workload.MatchString(object.GetName())) {
				continue
			}
			reached = projection.into(podSpec(object)) || reached
		}
		if !reached {
			return fmt.Errorf("projection %s: %w: the chart has no workload %q with containers %q", projection.Name, ErrProjection, projection.Workload, projection.Containers)
		}
	}
	return nil
}

func (p Projection) into(spec map[string]any) bool {
	volume := "binding-" + p.Name
	reached := false
	for _, field := range []string{"initContainers", "containers"} {
		list, _ := spec[field].([]any)
		for _, each := range list {
			container, ok := each.(map[string]any)
			name, _ := container["name"].(string)
			if !ok || (len(p.Containers) > 0 && !slices.Contains(p.Containers, name)) {
				continue
			}
			root := rootOf(container)
			mounts, _ := container["volumeMounts"].([]any)
			container["volumeMounts"] = append(mounts, map[string]any{"name": volume, "mountPath": root + "/" + p.Name, "readOnly": true})
			reached = true
		}
	}
	if reached {
		volumes, _ := spec["volumes"].([]any)
		spec["volumes"] = append(volumes, map[string]any{"name": volume, "secret": map[string]any{"secretName": p.Secret}})
	}
	return reached
}

// rootOf returns the root that the container knows already, or gives it one.
func rootOf(container map[string]any) string {
	env, _ := container["env"].([]any)
	for _, each := range env {
		entry, _ := each.(map[string]any)
		if value, ok := entry["value"].(string); ok && entry["name"] == bindingRootVariable {
			return value
		}
	}
	container["env"] = append(env, map[string]any{"name": bindingRootVariable, "value": bindingRoot})
	return bindingRoot
}

func isWorkload(object *unstructured.Unstructured) bool {
	gvk := object.GroupVersionKind()
	switch gvk.Group + "/" + gvk.Kind {
	case "apps/Deployment", "apps/StatefulSet", "apps/DaemonSet":
		return true
	}
	return false
}
