package preview

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/aymanbagabas/go-udiff"
	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/internal/phrase"
	"github.com/dpi-operator/dpi-operator/internal/plan"
)

// contextLines are shown around a changed line of a text.
const contextLines = 2

var signs = map[State]string{Create: "+", Update: "~", Remove: "-", Keep: "=", Unknown: "?"}

// Text says a report for people. Objects that do not change are only counted.
func Text(report Report) string {
	var out strings.Builder
	for _, component := range report.Components {
		writeComponent(&out, component, report.Compared)
	}
	writeWiring(&out, report.Wiring)
	if report.Compared {
		writeSummary(&out, report)
	}
	return out.String()
}

func writeComponent(out *strings.Builder, component Component, compared bool) {
	if !compared || isQuiet(component) {
		return
	}
	fmt.Fprintf(out, "%s: %s\n", component.Name, headline(component))
	if component.Refused != "" {
		fmt.Fprintf(out, "  refused: %s\n", printable(component.Refused))
	}
	if component.Skipped != "" {
		fmt.Fprintf(out, "  not compared: %s\n", printable(component.Skipped))
	}
	for _, change := range component.Settings {
		writeChange(out, "  ", change)
	}
	unchanged := 0
	for _, object := range component.Objects {
		if object.State == Unchanged && len(object.Breaks) == 0 {
			unchanged++
			continue
		}
		writeObject(out, object)
	}
	if unchanged > 0 {
		fmt.Fprintf(out, "  %s unchanged\n", phrase.Count(unchanged, "object"))
	}
	for _, hook := range component.Hooks {
		fmt.Fprintf(out, "  runs: %s\n", hook)
	}
	for _, workload := range component.Restarts {
		fmt.Fprintf(out, "  restarts: %s\n", workload)
	}
	out.WriteString("\n")
}

// isQuiet tells whether there is nothing to say about a component.
func isQuiet(component Component) bool {
	return component.Operation == "" && component.Refused == "" && component.Skipped == "" && len(component.Settings) == 0 &&
		component.Action != plan.ActionRemove
}

func headline(component Component) string {
	switch {
	case component.Action == plan.ActionRemove && component.Release != "":
		return "release " + component.Release + " is uninstalled"
	case component.Action == plan.ActionRemove:
		return "is no longer used"
	case component.Operation == "" && component.Revision > 0:
		return fmt.Sprintf("release %s stays at revision %d", component.Release, component.Revision)
	case component.Operation == "" && component.Release != "":
		return "release " + component.Release
	case component.Release == "":
		return string(component.Action)
	case component.Revision == 0:
		return fmt.Sprintf("%s release %s", strings.ToLower(component.Operation), component.Release)
	}
	return fmt.Sprintf("%s release %s from revision %d", strings.ToLower(component.Operation), component.Release, component.Revision)
}

func writeObject(out *strings.Builder, object Object) {
	sign, known := signs[object.State]
	if !known {
		sign = " "
	}
	fmt.Fprintf(out, "  %s %s", sign, object.ID)
	if object.Note != "" {
		fmt.Fprintf(out, " (%s)", printable(object.Note))
	}
	out.WriteString("\n")
	for _, problem := range object.Breaks {
		fmt.Fprintf(out, "      breaks stored objects: %s\n", printable(problem))
	}
	for _, change := range object.Changes {
		writeChange(out, "      ", change)
	}
}

func writeChange(out *strings.Builder, indent string, change Change) {
	fmt.Fprintf(out, "%s%s", indent, printable(change.Path))
	if change.Hidden {
		fmt.Fprintf(out, " %s (a Secret's value is not shown)\n", change.Verb)
		return
	}
	out.WriteString("\n")
	for _, line := range lines(change) {
		fmt.Fprintf(out, "%s%s\n", indent, printable(line))
	}
}

// lines of a change, each with the sign of what happens to it.
func lines(change Change) []string {
	before, after := textOf(change.Before), textOf(change.After)
	switch change.Verb {
	case Added:
		return signed("+ ", after)
	case Removed:
		return signed("- ", before)
	case Changed:
	}
	if before == after {
		// They differ in type or in line breaks only.
		before, after = exact(change.Before), exact(change.After)
	}
	if !isList(change.Before, change.After) && (!strings.Contains(before, "\n") || !strings.Contains(after, "\n")) {
		return append(signed("- ", before), signed("+ ", after)...)
	}
	return unified(before, after)
}

func isList(before, after any) bool {
	_, was := before.([]any)
	_, is := after.([]any)
	return was && is
}

func unified(before, after string) []string {
	before, after = before+"\n", after+"\n"
	diff, err := udiff.ToUnifiedDiff("before", "after", before, udiff.Lines(before, after), contextLines)
	if err != nil {
		return append(signed("- ", before), signed("+ ", after)...)
	}
	var out []string
	for i, hunk := range diff.Hunks {
		if i > 0 || hunk.FromLine > 1 {
			out = append(out, "  …")
		}
		for _, line := range hunk.Lines {
			sign := map[udiff.OpKind]string{udiff.Delete: "- ", udiff.Insert: "+ ", udiff.Equal: "  "}[line.Kind]
			out = append(out, strings.TrimRight(sign+strings.TrimSuffix(line.Content, "\n"), " "))
		}
	}
	return out
}

func signed(sign, text string) []string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		out = append(out, strings.TrimRight(sign+line, " "))
	}
	return out
}

// textOf writes a value as YAML does; a text of several lines as it is.
func textOf(value any) string {
	if text, ok := value.(string); ok && strings.Contains(strings.TrimSuffix(text, "\n"), "\n") {
		return strings.TrimSuffix(text, "\n")
	}
	data, err := yaml.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return strings.TrimSuffix(string(data), "\n")
}

func exact(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(data)
}

// printable keeps what charts and clusters say from steering the terminal.
func printable(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }) {
		return text
	}
	return strings.Trim(strconv.Quote(text), `"`)
}

func writeWiring(out *strings.Builder, wiring []Edge) {
	unchanged := 0
	var changed strings.Builder
	for _, edge := range wiring {
		if edge.State == Unchanged {
			unchanged++
			continue
		}
		fmt.Fprintf(&changed, "  %s %s\n", signs[edge.State], sentenceOf(edge))
		if asked := withoutEmpty(edge.Parameters); len(asked) > 0 {
			fmt.Fprintf(&changed, "      asks for %s\n", printable(exact(asked)))
		}
		if len(edge.Outputs) > 0 && edge.Preparation == "" {
			fmt.Fprintf(&changed, "      receives %s\n", strings.Join(edge.Outputs, ", "))
		}
		for _, change := range edge.Changes {
			writeChange(&changed, "      ", change)
		}
	}
	if changed.Len() == 0 {
		return
	}
	out.WriteString("wiring:\n" + changed.String())
	if unchanged > 0 {
		fmt.Fprintf(out, "  %s unchanged\n", phrase.Count(unchanged, "binding"))
	}
	out.WriteString("\n")
}

func sentenceOf(edge Edge) string {
	if edge.Preparation != "" {
		return edge.Provider + " is prepared: " + edge.Preparation
	}
	if edge.Publishes != "" {
		return fmt.Sprintf("%s publishes %s under %s (%s)", edge.Provider, edge.Consumer, edge.Publishes, edge.Contract)
	}
	if edge.Behind != "" {
		return fmt.Sprintf("%s uses %s via %s for %s (%s)", edge.Consumer, edge.Behind, edge.Provider, edge.Requirement, edge.Contract)
	}
	return fmt.Sprintf("%s uses %s for %s (%s)", edge.Consumer, edge.Provider, edge.Requirement, edge.Contract)
}

// withoutEmpty leaves out parameters that ask for nothing.
func withoutEmpty(parameters map[string]any) map[string]any {
	out := map[string]any{}
	for name, value := range parameters {
		switch content := value.(type) {
		case []any:
			if len(content) == 0 {
				continue
			}
		case map[string]any:
			if len(content) == 0 {
				continue
			}
		}
		out[name] = value
	}
	return out
}

func writeSummary(out *strings.Builder, report Report) {
	if !report.WouldChange {
		out.WriteString("nothing would change\n")
		return
	}
	var parts []string
	for _, each := range []struct {
		state State
		words string
	}{
		{Create, "to create"}, {Update, "to change"}, {Remove, "to remove"}, {Keep, "kept"}, {Unknown, "not compared"}, {Unchanged, "unchanged"},
	} {
		if count := report.Objects[each.state]; count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count, each.words))
		}
	}
	restarts := 0
	for _, component := range report.Components {
		restarts += len(component.Restarts)
	}
	if restarts > 0 {
		parts = append(parts, phrase.Count(restarts, "workload")+" to restart")
	}
	if len(parts) > 0 {
		fmt.Fprintf(out, "objects: %s\n", strings.Join(parts, ", "))
	}
}
