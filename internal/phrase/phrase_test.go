package phrase_test

import (
	"testing"

	"github.com/dpi-operator/dpi-operator/internal/phrase"
)

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 bindings", 1: "1 binding", 2: "2 bindings"} {
		if got := phrase.Count(n, "binding"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestWork(t *testing.T) {
	for n, want := range map[int]string{0: "0 components work", 1: "1 component works", 5: "5 components work"} {
		if got := phrase.Work(n, "component"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
