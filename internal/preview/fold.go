package preview

import (
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/plan"
)

// Input is everything a report is made from.
type Input struct {
	// InForce is the stack that runs; nil if there is none.
	InForce *v1alpha1.StackRevisionSpec
	// Wanted is the plan, and Number that of its revision; Stored tells that it exists.
	Wanted plan.Plan
	Number int64
	Stored bool
	// Approval says whether a person has to approve it; empty if nobody has.
	Approval string
	// Comparisons by component; nil where no cluster was asked.
	Comparisons map[string]Comparison
}

// Fold makes the report.
func Fold(in Input) Report {
	out := Report{
		Revision: in.Number, Stored: in.Stored, Approval: in.Approval, Compared: in.Comparisons != nil, Objects: map[State]int{},
	}
	if in.InForce != nil {
		out.InForce = in.InForce.Number
	}
	before, after := componentsOf(in.InForce), map[string]v1alpha1.RevisionComponent{}
	for _, component := range in.Wanted.Components {
		after[component.Name] = component
	}
	for _, step := range in.Wanted.Steps {
		component := foldComponent(step, before, after, in.Comparisons)
		for _, object := range component.Objects {
			out.Objects[object.State]++
		}
		out.WouldChange = out.WouldChange || changes(component, before)
		out.Components = append(out.Components, component)
	}
	out.Wiring = wiring(in.InForce, in.Wanted)
	for _, edge := range out.Wiring {
		out.WouldChange = out.WouldChange || edge.State != Unchanged
	}
	return out
}

func componentsOf(revision *v1alpha1.StackRevisionSpec) map[string]v1alpha1.RevisionComponent {
	out := map[string]v1alpha1.RevisionComponent{}
	if revision == nil {
		return out
	}
	for _, component := range revision.Components {
		out[component.Name] = component
	}
	return out
}

func changes(component Component, before map[string]v1alpha1.RevisionComponent) bool {
	_, existed := before[component.Name]
	// What could not be compared may be different.
	return !existed || component.Action == plan.ActionRemove || component.Operation != "" || component.Skipped != "" || len(component.Settings) > 0 ||
		component.Action == plan.ActionUpgrade || component.Action == plan.ActionInstall
}

func foldComponent(step plan.Step, before, after map[string]v1alpha1.RevisionComponent, compared map[string]Comparison) Component {
	was, existed := before[step.Component]
	is, stays := after[step.Component]
	out := Component{Name: step.Component, Action: step.Action, Release: is.Spec.ReleaseName}
	if !stays {
		out.Release = was.Spec.ReleaseName
	}
	comparison, known := compared[step.Component]
	if existed && stays {
		out.Settings = Fields(specOf(was.Spec), specOf(is.Spec))
		if known && comparison.Refused == "" && comparison.Skipped == "" {
			out.Settings = slices.DeleteFunc(out.Settings, showsInObjects)
		}
	}
	out.Operation, out.Revision, out.Hooks = comparison.Operation, comparison.Revision, comparison.Hooks
	out.Refused, out.Skipped = comparison.Refused, comparison.Skipped
	for _, pair := range comparison.Pairs {
		object := foldObject(pair)
		if object.Restarts {
			out.Restarts = append(out.Restarts, object.Kind+" "+object.Name)
		}
		out.Objects = append(out.Objects, object)
	}
	return out
}

// specOf is a specification as plain data.
func specOf(spec any) map[string]any {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pointerTo(spec))
	if err != nil {
		return map[string]any{"invalid": err.Error()}
	}
	return fields
}

func pointerTo(spec any) any {
	pointer := reflect.New(reflect.TypeOf(spec))
	pointer.Elem().Set(reflect.ValueOf(spec))
	return pointer.Interface()
}

func showsInObjects(change Change) bool {
	for _, field := range []string{"values", "patches"} {
		if rest, found := strings.CutPrefix(change.Path, field); found && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

func foldObject(pair Pair) Object {
	out := Object{ID: pair.ID, State: pair.State, Note: pair.Note, Breaks: pair.Breaks}
	if out.State != "" {
		return out
	}
	switch {
	case pair.After == nil:
		out.State = Remove
	case pair.Before == nil:
		out.State = Create
	default:
		out.Changes = Diff(pair.Before, pair.After)
		out.State = Unchanged
		if len(out.Changes) > 0 {
			out.State = Update
			out.Restarts, out.Note = restarts(pair)
		}
	}
	return out
}

// restarts tells whether the pods of a workload would be replaced, and says so where they wait for somebody.
func restarts(pair Pair) (bool, string) {
	switch pair.After.GroupVersionKind().GroupKind().String() {
	case "Deployment.apps", "StatefulSet.apps", "DaemonSet.apps":
	default:
		return false, ""
	}
	was, _, _ := unstructured.NestedFieldNoCopy(pair.Before.Object, "spec", "template")
	is, _, _ := unstructured.NestedFieldNoCopy(pair.After.Object, "spec", "template")
	if reflect.DeepEqual(was, is) {
		return false, ""
	}
	if strategy, _, _ := unstructured.NestedString(pair.After.Object, "spec", "updateStrategy", "type"); strategy == "OnDelete" {
		return false, "its pods change when somebody deletes them: updateStrategy is OnDelete"
	}
	return true, ""
}

func wiring(inForce *v1alpha1.StackRevisionSpec, wanted plan.Plan) []Edge {
	before := map[string]v1alpha1.BindingSpec{}
	names := map[string]string{}
	if inForce != nil {
		for _, binding := range inForce.Bindings {
			before[binding.Name] = binding.Spec
		}
		nameComponents(names, inForce.Components)
	}
	nameComponents(names, wanted.Components)
	var out []Edge
	stays := map[string]bool{}
	for _, binding := range wanted.Bindings {
		stays[binding.Name] = true
		edge := edgeOf(binding, names)
		was, existed := before[binding.Name]
		if !existed {
			edge.State = Create
			edge.Parameters, _ = specOf(binding.Spec)["parameters"].(map[string]any)
			for _, output := range binding.Spec.Outputs {
				edge.Outputs = append(edge.Outputs, output.Name)
			}
		} else if edge.Changes = Fields(specOf(was), specOf(binding.Spec)); len(edge.Changes) > 0 {
			edge.State = Update
		}
		out = append(out, edge)
	}
	if inForce == nil {
		return out
	}
	for _, binding := range inForce.Bindings {
		if !stays[binding.Name] {
			edge := edgeOf(binding, names)
			edge.State = Remove
			out = append(out, edge)
		}
	}
	return out
}

func nameComponents(names map[string]string, components []v1alpha1.RevisionComponent) {
	for _, component := range components {
		names[component.Object] = component.Name
	}
}

func edgeOf(binding v1alpha1.RevisionBinding, names map[string]string) Edge {
	spec := binding.Spec
	edge := Edge{
		Name: binding.Name, State: Unchanged, Consumer: names[spec.Consumer.Component], Requirement: spec.Consumer.Requirement,
		Provider: providerOf(spec.Provider, names), Contract: spec.Contract,
		Preparation: spec.Preparation, Publishes: spec.Publishes,
	}
	if spec.Via != nil {
		edge.Behind = names[spec.Via.Component]
	}
	return edge
}

// providerOf names the provider by its name within the stack; one of another deployment by its object's.
func providerOf(provider v1alpha1.BindingProvider, names map[string]string) string {
	if name, ok := names[provider.Component]; ok && provider.Namespace == "" {
		return name
	}
	return provider.Name()
}
