package plan

import (
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/graph"
)

// Waits are what Components wait for before they start, each by the Component's namespace and name.
type Waits map[types.NamespacedName][]types.NamespacedName

// WaitsOf lists what a Component waits for before it starts: what it depends on, and those at the other end of its edges with gate
// Ready. Bindings are by name; one that is not there is left out.
func WaitsOf(namespace string, component v1alpha1.ComponentSpec, bindings map[string]v1alpha1.BindingSpec) []types.NamespacedName {
	var out []types.NamespacedName
	for _, object := range component.DependsOn {
		out = append(out, types.NamespacedName{Namespace: namespace, Name: string(object)})
	}
	for _, each := range component.Bindings {
		edge, ok := bindings[each.Name]
		if !ok || each.GetGate() != v1alpha1.GateReady {
			continue
		}
		out = append(out, edge.Provider.Key(namespace))
		if edge.Via != nil {
			out = append(out, types.NamespacedName{Namespace: namespace, Name: edge.Via.Component})
		}
	}
	return out
}

// checkCircles returns a *Problem where a component of the stack and components of other deployments wait for each other, otherwise nil.
// A circle within the stack is found when it is planned; one through others can close later, when they change.
func checkCircles(in Input, components []v1alpha1.RevisionComponent, bindings []v1alpha1.RevisionBinding) *Problem {
	if len(in.Waits) == 0 {
		return nil
	}
	edges, shown, g := newEdges(components, bindings), map[string]string{}, in.Waits.graph()
	for _, component := range components {
		key := types.NamespacedName{Namespace: in.Deployment.Namespace, Name: component.Object}
		shown[key.String()] = component.Name
		add(g, key, WaitsOf(key.Namespace, component.Spec, edges.bindings))
	}
	for _, component := range components {
		key := types.NamespacedName{Namespace: in.Deployment.Namespace, Name: component.Object}.String()
		if way := g.Path(key, key); way != nil {
			return problem(v1alpha1.ReasonDependencyCycle, "components of several deployments wait for each other: %s; remove one of these edges", arrows(way, shown))
		}
	}
	return nil
}

// circleBack returns a *Problem where a component of another deployment, which is not in force, will not be either before this one is:
// its deployment waits for a component of the stack.
func (ms *members) circleBack(consumer string, awaited types.NamespacedName) *Problem {
	g := ms.in.Waits.graph()
	for _, m := range ms.list {
		own := types.NamespacedName{Namespace: ms.in.Deployment.Namespace, Name: m.object}.String()
		if way := g.Path(awaited.String(), own); way != nil {
			return problem(v1alpha1.ReasonDependencyCycle,
				"deployments wait for each other: %s → %s; each starts as a whole once the next one is in force, so leave one of these edges out, or add it when both are in force",
				consumer, arrows(way, map[string]string{own: m.name}))
		}
	}
	return nil
}

func (w Waits) graph() *graph.Graph {
	var g graph.Graph
	for component, waits := range w {
		add(&g, component, waits)
	}
	return &g
}

func add(g *graph.Graph, component types.NamespacedName, waits []types.NamespacedName) {
	g.Add(component.String())
	for _, other := range waits {
		g.Add(component.String(), other.String())
	}
}

// arrows prints a way, with the names that are shown for those of the stack.
func arrows(way []string, shown map[string]string) string {
	names := make([]string, 0, len(way))
	for _, each := range way {
		if name, own := shown[each]; own {
			each = name
		}
		names = append(names, each)
	}
	return strings.Join(names, " → ")
}
