package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/internal/phrase"
	"github.com/dpi-operator/dpi-operator/internal/plan"
	"github.com/dpi-operator/dpi-operator/internal/preview"
)

// document is a plan as data.
type document struct {
	plan.Plan
	// Preview says what it would change in the cluster that was asked.
	Preview *preview.Report `json:"preview,omitempty"`
}

func (o *planOptions) print(shown planned) error {
	if o.output == "" {
		return printPlan(o.streams.Out, shown)
	}
	content := document{Plan: shown.plan}
	if shown.online {
		content.Preview = &shown.report
	}
	if o.output == "json" {
		encoder := json.NewEncoder(o.streams.Out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(content)
	}
	data, err := yaml.Marshal(content)
	if err == nil {
		_, err = o.streams.Out.Write(data)
	}
	return err
}

func printPlan(out io.Writer, shown planned) error {
	computed := shown.plan
	source := "components written out"
	if computed.Template != "" {
		source = "template " + computed.Template
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s, %s, from %s\n",
		shown.key, phrase.Count(len(computed.Components), "component"), phrase.Count(len(computed.Bindings), "binding"), source)
	if shown.online {
		text.WriteString(standing(shown.report) + "\n")
	}
	text.WriteString("\n")
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "STEP\tACTION\tCOMPONENT\tGOOD\tAFTER\tREASON")
	for i, step := range computed.Steps {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s %s\t%s\t%s\n", i+1, step.Action, step.Component, step.Good, versionChange(step), dash(strings.Join(step.After, ", ")), step.Reason)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(&text, "\n%splan %s\n", preview.Text(shown.report), computed.Digest)
	_, err := io.WriteString(out, text.String())
	return err
}

// standing says how the plan stands to what is in force.
func standing(report preview.Report) string {
	var text string
	switch {
	case report.InForce == report.Revision && report.InForce != 0:
		text = fmt.Sprintf("revision %d, which is in force", report.Revision)
	case report.Stored:
		text = fmt.Sprintf("revision %d", report.Revision)
	default:
		text = fmt.Sprintf("would be revision %d", report.Revision)
	}
	switch {
	case report.InForce == 0:
		text += "; none is in force"
	case report.InForce != report.Revision:
		text += fmt.Sprintf("; revision %d is in force", report.InForce)
	}
	if report.Approval != "" {
		text += "\n" + report.Approval
	}
	return text
}

func versionChange(step plan.Step) string {
	if step.From == "" {
		return step.Version
	}
	return step.From + " → " + step.Version
}

func dash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}
