package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	reasonsPage = "../../docs/reasons.md"
	reasonsCode = "../../api/v1alpha1/conditions.go"
)

func TestEveryReasonIsDocumentedAndNoOther(t *testing.T) {
	declared := constantsOf(t, reasonsCode, "ConditionReason")
	documented := make([]string, 0, len(declared))
	for _, entry := range entriesOf(t) {
		documented = append(documented, entry.reason)
	}
	slices.Sort(declared)
	slices.Sort(documented)
	if diff := cmp.Diff(declared, documented); diff != "" {
		t.Errorf("%s has to have one entry per reason of %s (-declared +documented):\n%s", reasonsPage, reasonsCode, diff)
	}
}

func TestEveryReasonSaysWhereItAppearsWhatItMeansAndItsCure(t *testing.T) {
	for _, entry := range entriesOf(t) {
		paragraphs := strings.Split(strings.TrimSpace(entry.text), "\n\n")
		complete := len(paragraphs) >= 3 &&
			strings.HasPrefix(paragraphs[0], "On: ") &&
			!strings.HasPrefix(paragraphs[1], "Cure: ") &&
			strings.HasPrefix(paragraphs[len(paragraphs)-1], "Cure: ")
		if !complete {
			t.Errorf("%s: the entry of %s has to be a paragraph `On: …`, its meaning, and a paragraph `Cure: …`", reasonsPage, entry.reason)
		}
	}
}

func TestReasonsAreDistinct(t *testing.T) {
	values := constantsOf(t, reasonsCode, "ConditionReason")
	if len(values) < 50 {
		t.Fatalf("found %d reasons; the parser lost some", len(values))
	}
	seen := map[string]bool{}
	for _, value := range values {
		if seen[value] {
			t.Errorf("two reasons have the value %s", value)
		}
		seen[value] = true
	}
}

// entry is one reason of the page.
type entry struct{ reason, text string }

// entriesOf cuts the page at its third-level headings.
func entriesOf(t *testing.T) []entry {
	t.Helper()
	var entries []entry
	current := -1
	for line := range strings.Lines(read(t, reasonsPage)) {
		switch {
		case strings.HasPrefix(line, "### "):
			entries = append(entries, entry{reason: strings.TrimSpace(strings.TrimPrefix(line, "### "))})
			current = len(entries) - 1
		case strings.HasPrefix(line, "## "):
			current = -1
		case current >= 0:
			entries[current].text += line
		}
	}
	return entries
}

// constantsOf returns the values of the typed string constants of a Go file.
func constantsOf(t *testing.T, path, typeName string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); !ok || name.Name != typeName {
			return true
		}
		for _, value := range spec.Values {
			text, err := strconv.Unquote(value.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, text)
		}
		return true
	})
	return values
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
