package plan

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// Action is what happens to a component.
type Action string

// Actions of a plan.
const (
	// ActionInstall makes a new release.
	ActionInstall Action = "install"
	// ActionUpgrade changes a release.
	ActionUpgrade Action = "upgrade"
	// ActionKeep changes nothing.
	ActionKeep Action = "keep"
	// ActionUse takes a good that runs elsewhere as it is.
	ActionUse Action = "use"
	// ActionWire gives a consumer outside the cluster its credentials.
	ActionWire Action = "wire"
	// ActionRemove takes a release away.
	ActionRemove Action = "remove"
)

// Step is one component's part of the plan, with its reason in words.
type Step struct {
	Component string `json:"component"`
	Action    Action `json:"action"`
	Good      string `json:"good"`
	Version   string `json:"version"`
	// From is the version in force before an upgrade to another one.
	From string `json:"from,omitempty"`
	// After lists the components that must be ready first.
	After []string `json:"after,omitempty"`
	// Prepares names what is done at the component before its consumers bind, in order.
	Prepares []string `json:"prepares,omitempty"`
	// Reason says what changes, and why it happens here in the order.
	Reason string `json:"reason"`
}

// Steps says what putting a stack in force would do to each component, in the order it would happen. The stack in force may
// be missing. Any two revisions can be compared, whichever came first.
func Steps(inForce *v1alpha1.StackRevisionSpec, components []v1alpha1.RevisionComponent, bindings []v1alpha1.RevisionBinding) []Step {
	before := map[string]v1alpha1.RevisionComponent{}
	if inForce != nil {
		for _, component := range inForce.Components {
			before[component.Name] = component
		}
	}
	edges := newEdges(components, bindings)
	out := make([]Step, 0, len(components))
	stays := map[string]bool{}
	for _, component := range components {
		stays[component.Name] = true
		step := Step{
			Component: component.Name, Good: component.Spec.Good.Name, Version: component.Spec.Good.Version,
			After: edges.after(component), Prepares: prepares(component.Spec), Reason: edges.reason(component),
		}
		was, existed := before[component.Name]
		if existed && was.Spec.Good.Name != component.Spec.Good.Name {
			existed = false
		}
		var changes []string
		if existed {
			changes = changedFields(was.Spec, component.Spec)
		}
		step.Action = action(component.Spec, existed, len(changes) > 0)
		if existed && was.Spec.Good.Version != component.Spec.Good.Version {
			step.From = was.Spec.Good.Version
		}
		if existed && was.Spec.Chart != nil && component.Spec.Chart == nil {
			step.Reason = fmt.Sprintf("runs elsewhere from now on, and data does not move with it; release %s is taken down once nobody uses it, and its data is kept; %s",
				was.Spec.ReleaseName, step.Reason)
		} else if len(changes) > 0 {
			step.Reason = "changes " + strings.Join(changes, ", ") + "; " + step.Reason
		}
		out = append(out, step)
	}
	return append(out, removals(inForce, stays)...)
}

func action(spec v1alpha1.ComponentSpec, existed, changed bool) Action {
	switch {
	case spec.Chart == nil && len(spec.Bindings) == 0:
		return ActionUse
	case spec.Chart == nil:
		return ActionWire
	case !existed:
		return ActionInstall
	case changed:
		return ActionUpgrade
	default:
		return ActionKeep
	}
}

// SameSpec tells whether two specifications say the same, however their free-form fields are written.
func SameSpec(a, b v1alpha1.ComponentSpec) bool { return len(changedFields(a, b)) == 0 }

// changedFields names the fields of a specification that differ, sorted.
func changedFields(was, is v1alpha1.ComponentSpec) []string {
	before, after := fieldsOf(was), fieldsOf(is)
	var out []string
	for name := range after {
		if !reflect.DeepEqual(before[name], after[name]) {
			out = append(out, name)
		}
	}
	for name := range before {
		if _, stays := after[name]; !stays {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// fieldsOf returns what JSON says, because the API server writes free-form fields its own way.
func fieldsOf(spec v1alpha1.ComponentSpec) map[string]any {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&spec)
	if err != nil {
		return map[string]any{"invalid": err.Error()}
	}
	return fields
}

// edges finds the two ends of a stack's bindings by the names of their components within the stack.
type edges struct {
	names    map[string]string
	bindings map[string]v1alpha1.BindingSpec
}

func newEdges(components []v1alpha1.RevisionComponent, bindings []v1alpha1.RevisionBinding) edges {
	e := edges{names: map[string]string{}, bindings: map[string]v1alpha1.BindingSpec{}}
	for _, component := range components {
		e.names[component.Object] = component.Name
	}
	for _, binding := range bindings {
		e.bindings[binding.Name] = binding.Spec
	}
	return e
}

func (e edges) name(object string) string {
	if name, known := e.names[object]; known {
		return name
	}
	return object
}

// provider names who provides: by its name within the stack, or with its namespace where that is another one.
func (e edges) provider(edge v1alpha1.BindingSpec) string {
	if edge.Provider.Namespace != "" {
		return edge.Provider.Name()
	}
	return e.name(edge.Provider.Component)
}

// after lists the components that must be ready first, sorted.
func (e edges) after(component v1alpha1.RevisionComponent) []string {
	set := map[string]bool{}
	for _, object := range component.Spec.DependsOn {
		set[e.name(string(object))] = true
	}
	for _, binding := range component.Spec.Bindings {
		if binding.GetGate() != v1alpha1.GateReady {
			continue
		}
		edge := e.bindings[binding.Name]
		set[e.provider(edge)] = true
		if edge.Via != nil {
			set[e.name(edge.Via.Component)] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

func (e edges) reason(component v1alpha1.RevisionComponent) string {
	var parts, uses []string
	for _, binding := range component.Spec.Bindings {
		edge := e.bindings[binding.Name]
		switch {
		case edge.Via != nil:
			uses = append(uses, fmt.Sprintf("%s via %s for %s (%s)", e.name(edge.Via.Component), e.provider(edge), edge.Consumer.Requirement, edge.Contract))
		case edge.Publishes != "":
			parts = append(parts, "is published by "+e.provider(edge))
		default:
			uses = append(uses, fmt.Sprintf("%s for %s (%s)", e.provider(edge), edge.Consumer.Requirement, edge.Contract))
		}
	}
	if len(uses) > 0 {
		parts = append(parts, "uses "+strings.Join(uses, ", "))
	}
	depends := map[string]bool{}
	for _, object := range component.Spec.DependsOn {
		depends[e.name(string(object))] = true
	}
	if len(depends) > 0 {
		parts = append(parts, "depends on "+names(depends))
	}
	if len(parts) == 0 {
		parts = append(parts, "needs nothing else")
	}
	parts = append(parts, preparationReason(component.Spec)...)
	return strings.Join(parts, "; ")
}

// removals are the components in force that the stack no longer has, consumers first.
func removals(inForce *v1alpha1.StackRevisionSpec, stays map[string]bool) []Step {
	if inForce == nil {
		return nil
	}
	var out []Step
	for _, gone := range slices.Backward(inForce.Components) {
		if stays[gone.Name] {
			continue
		}
		out = append(out, Step{
			Component: gone.Name, Action: ActionRemove, Good: gone.Spec.Good.Name, Version: gone.Spec.Good.Version,
			Reason: "no longer in the stack",
		})
	}
	return out
}
