package infer

import (
	"cmp"
	"maps"
	"slices"
)

// Component is what is known of one component of a deployment.
type Component struct {
	Brings, Uses []Thing
	// Declared names the components that it is declared to depend on.
	Declared []string
	// Waived names the components that it shall not wait for; `*` stands for all.
	Waived []string
}

// Enforcement says whether an edge is waited for.
type Enforcement string

const (
	// Enforced edges are waited for, and hold up the deletion of what is used.
	Enforced Enforcement = "Enforced"
	// Waived edges are not, because the user said so.
	Waived Enforcement = "Waived"
	// Cyclic edges are not, because components would wait for each other.
	Cyclic Enforcement = "Cycle"
)

// Edge says that a component uses what another brings.
type Edge struct {
	// Component that brings the Thing, the most telling one if there are several.
	Component string
	Thing     Thing
	Enforcement
}

// Edges returns the edges of one component, sorted by the component they lead to. Where it is declared to depend on that
// anyway there is none. All components of a deployment come to the same conclusion about which edge of a cycle is dropped:
// edges are taken in one order, the most telling things first, and one that closes a cycle with declared edges or with
// those taken before is dropped.
func Edges(name string, components map[string]Component) []Edge {
	graph := map[string][]string{}
	for from, component := range components {
		graph[from] = slices.Clone(component.Declared)
	}
	var edges []Edge
	for _, candidate := range candidates(components) {
		from, edge := candidate.from, candidate.Edge
		waived := components[from].Waived
		switch {
		case slices.Contains(waived, edge.Component), slices.Contains(waived, "*"):
			edge.Enforcement = Waived
		case reaches(graph, edge.Component, from):
			edge.Enforcement = Cyclic
		default:
			edge.Enforcement = Enforced
			graph[from] = append(graph[from], edge.Component)
		}
		if from == name {
			edges = append(edges, edge)
		}
	}
	slices.SortFunc(edges, func(a, b Edge) int { return cmp.Compare(a.Component, b.Component) })
	return edges
}

type candidate struct {
	from string
	Edge
}

// candidates lists one edge for each pair of components, in the order in which they are taken.
func candidates(components map[string]Component) []candidate {
	bringers := map[Thing][]string{}
	for _, name := range slices.Sorted(maps.Keys(components)) {
		for _, thing := range components[name].Brings {
			bringers[thing] = append(bringers[thing], name)
		}
	}
	var found []candidate
	for from, component := range components {
		best := map[string]Thing{}
		for _, thing := range component.Uses {
			for _, to := range bringers[thing] {
				known, exists := best[to]
				if to != from && !slices.Contains(component.Declared, to) && (!exists || byRank(thing, known) < 0) {
					best[to] = thing
				}
			}
		}
		for to, thing := range best {
			found = append(found, candidate{from, Edge{Component: to, Thing: thing}})
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(byRank(a.Thing, b.Thing), cmp.Compare(a.from, b.from), cmp.Compare(a.Component, b.Component))
	})
	return found
}

// reaches reports whether a way leads from one component to another.
func reaches(graph map[string][]string, from, to string) bool {
	seen := map[string]bool{}
	open := []string{from}
	for len(open) > 0 {
		here := open[len(open)-1]
		open = open[:len(open)-1]
		if here == to {
			return true
		}
		if !seen[here] {
			seen[here] = true
			open = append(open, graph[here]...)
		}
	}
	return false
}
