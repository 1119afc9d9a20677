package parity_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const page = "../../docs/helm-compatibility.md"

// TestThePageListsTheDifferences: the table of the documentation is that of the tests.
func TestThePageListsTheDifferences(t *testing.T) {
	const heading = "| Difference | Helm | The operator | Why |\n| --- | --- | --- | --- |\n"
	text := string(must(os.ReadFile(page))(t))
	_, rest, found := strings.Cut(text, heading)
	if !found {
		t.Fatalf("%s has no table that begins with %s", page, heading)
	}
	got, _, _ := strings.Cut(rest, "\n\n")
	var want strings.Builder
	for _, d := range differences {
		want.WriteString("| " + strings.Join([]string{d.about, d.helm, d.ours, d.why}, " | ") + " |\n")
	}
	if diff := cmp.Diff(want.String(), strings.TrimSpace(got)+"\n"); diff != "" {
		t.Errorf("%s, -want +got; the table should be:\n%s\n%s", page, diff, want.String())
	}
}
