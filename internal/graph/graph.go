package graph

import (
	"sort"
	"strings"
)

// Graph is a set of named nodes, each with the nodes it needs first. The zero value is empty and ready for use.
type Graph struct {
	needs map[string]map[string]bool
}

// CycleError says that nodes need each other in a circle. Path starts and ends with the same node.
type CycleError struct {
	Path []string
}

// Error prints the circle, e.g. `a → b → a`.
func (e *CycleError) Error() string {
	return "cycle: " + strings.Join(e.Path, " → ")
}

// Add makes sure the node exists and needs the others first.
func (g *Graph) Add(node string, needs ...string) {
	if g.needs == nil {
		g.needs = map[string]map[string]bool{}
	}
	if g.needs[node] == nil {
		g.needs[node] = map[string]bool{}
	}
	for _, need := range needs {
		g.needs[node][need] = true
		if g.needs[need] == nil {
			g.needs[need] = map[string]bool{}
		}
	}
}

// Needs lists what the node needs first, sorted.
func (g *Graph) Needs(node string) []string {
	return sortedKeys(g.needs[node])
}

// Order returns every node after all it needs; nodes that could stand in either order are sorted by name, so equal
// graphs give equal orders. A circle gives a *CycleError.
func (g *Graph) Order() ([]string, error) {
	const (
		unseen = iota
		open
		done
	)
	state := make(map[string]int, len(g.needs))
	order := make([]string, 0, len(g.needs))
	var path []string
	var visit func(node string) error
	visit = func(node string) error {
		switch state[node] {
		case done:
			return nil
		case open:
			return &CycleError{Path: circle(path, node)}
		}
		state[node] = open
		path = append(path, node)
		for _, need := range g.Needs(node) {
			if err := visit(need); err != nil {
				return err
			}
		}
		path = path[:len(path)-1]
		state[node] = done
		order = append(order, node)
		return nil
	}
	for _, node := range sortedKeys(g.needs) {
		if err := visit(node); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// Path returns the shortest way from a node to one that it needs, directly or through others: both ends included, and nil where there
// is none. Of several as short as each other it is the first by name.
func (g *Graph) Path(from, to string) []string {
	ways := [][]string{{from}}
	seen := map[string]bool{from: true}
	for len(ways) > 0 {
		way := ways[0]
		ways = ways[1:]
		for _, need := range g.Needs(way[len(way)-1]) {
			next := append(append([]string(nil), way...), need)
			if need == to {
				return next
			}
			if !seen[need] {
				seen[need] = true
				ways = append(ways, next)
			}
		}
	}
	return nil
}

func circle(path []string, node string) []string {
	for i, seen := range path {
		if seen == node {
			return append(append([]string(nil), path[i:]...), node)
		}
	}
	return append(path, node)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
