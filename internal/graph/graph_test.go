package graph_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/internal/graph"
)

func TestOrder_putsNeedsFirst(t *testing.T) {
	var g graph.Graph
	g.Add("ehr", "db", "id")
	g.Add("id", "db")
	g.Add("fhir", "db")
	got, err := g.Order()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"db", "id", "ehr", "fhir"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestOrder_printsTheCircle(t *testing.T) {
	var g graph.Graph
	g.Add("entry", "a")
	g.Add("a", "b")
	g.Add("b", "c")
	g.Add("c", "a")
	_, err := g.Order()
	if _, ok := errors.AsType[*graph.CycleError](err); !ok {
		t.Fatalf("want a cycle, got %v", err)
	}
	if diff := cmp.Diff("cycle: a → b → c → a", err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestPath_isTheShortestWay(t *testing.T) {
	var g graph.Graph
	g.Add("a", "b", "c")
	g.Add("b", "d")
	g.Add("c", "e")
	g.Add("d", "e")
	g.Add("e", "a")
	for _, want := range [][]string{{"a", "c", "e"}, {"a", "c", "e", "a"}, {"d", "e"}} {
		if diff := cmp.Diff(want, g.Path(want[0], want[len(want)-1])); diff != "" {
			t.Error(diff)
		}
	}
	if got := g.Path("a", "nowhere"); got != nil {
		t.Errorf("got %v", got)
	}
}

func FuzzOrder(f *testing.F) {
	f.Add([]byte{0, 1, 1, 2})
	f.Fuzz(func(t *testing.T, edges []byte) {
		var g graph.Graph
		for i := 0; i+1 < len(edges); i += 2 {
			g.Add(string('a'+rune(edges[i]%8)), string('a'+rune(edges[i+1]%8)))
		}
		order, err := g.Order()
		if err != nil {
			return
		}
		position := map[string]int{}
		for i, node := range order {
			position[node] = i
		}
		for _, node := range order {
			for _, need := range g.Needs(node) {
				if position[need] >= position[node] {
					t.Fatalf("%s stands before %s, which it needs", node, need)
				}
			}
		}
	})
}
