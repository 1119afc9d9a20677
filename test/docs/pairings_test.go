package docs_test

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

const (
	pairingsPage = "../../docs/pairings.md"
	mostFields   = 6
)

var (
	// A row begins with who uses whom; steps and fields begin with their number.
	pairing = regexp.MustCompile(`(?m)^\| [^|]+ ← [^|]+ \| (\d+):? [^|]+ \| [^|]+ \| (\d+)[^|]* \|$`)
	sums    = regexp.MustCompile(`its edges take (\d+) fields in all where the second column adds up to (\d+) steps`)
)

func TestPairingsPage_countsWhatTheTemplateHas(t *testing.T) {
	said := sums.FindStringSubmatch(read(t, pairingsPage))
	if said == nil {
		t.Fatalf("%s does not say %q", pairingsPage, sums)
	}
	ofTemplate, _, _ := strings.Cut(read(t, pairingsPage), said[0])
	steps, fields := 0, 0
	for _, row := range pairing.FindAllStringSubmatch(ofTemplate, -1) {
		steps += number(t, row[1])
		fields += number(t, row[2])
	}
	if counted := fieldsOfEdges(t, "templates/health-exchange.yaml"); number(t, said[1]) != counted || fields != counted {
		t.Errorf("the edges of the template take %d fields; the page says %s and its rows add up to %d", counted, said[1], fields)
	}
	if number(t, said[2]) != steps {
		t.Errorf("the page says %s steps, and its rows add up to %d", said[2], steps)
	}
}

func TestPairingsPage_noEdgeTakesMoreThanSixFields(t *testing.T) {
	rows := pairing.FindAllStringSubmatch(read(t, pairingsPage), -1)
	if all := strings.Count(read(t, pairingsPage), "\n| ") - strings.Count(read(t, pairingsPage), "\n| Consumer") - strings.Count(read(t, pairingsPage), "\n| ---"); len(rows) != all {
		t.Errorf("%d of %d rows can be read", len(rows), all)
	}
	for _, row := range rows {
		if number(t, row[2]) > mostFields || number(t, row[1]) < number(t, row[2]) {
			t.Errorf("too many fields: %s", row[0])
		}
	}
}

// fieldsOfEdges counts what a template says of its edges; a parameter is a field, whatever it holds.
func fieldsOfEdges(t *testing.T, file string) int {
	t.Helper()
	var template v1alpha1.StackTemplate
	if err := yaml.Unmarshal([]byte(read(t, filepath.Join(catalogFolder, file))), &template); err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, component := range template.Spec.Components {
		for _, edge := range component.Bindings {
			content, err := json.Marshal(edge)
			if err != nil {
				t.Fatal(err)
			}
			var fields map[string]any
			if err := json.Unmarshal(content, &fields); err != nil {
				t.Fatal(err)
			}
			parameters, _ := fields["parameters"].(map[string]any)
			delete(fields, "parameters")
			count += len(fields) + len(parameters)
		}
	}
	return count
}

func number(t *testing.T, text string) int {
	t.Helper()
	value, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return value
}
