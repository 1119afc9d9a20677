package health_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/internal/health"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

var update = flag.Bool("update", false, "write the golden files anew")

// observedAt is the time of every observation in testdata.
var observedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// scenario is an in.yaml. Names stand for objects of the same namespace; the kind of each is spelled as in `apps/v1 Deployment web`.
type scenario struct {
	Inventory  []string          `json:"inventory"`
	MayVanish  []string          `json:"mayVanish"`
	Unreadable map[string]string `json:"unreadable"`
	Objects    []map[string]any  `json:"objects"`
	Warnings   []health.Warning  `json:"warnings"`
	Rules      []health.Rule     `json:"rules"`
	Settle     string            `json:"settle"`
	Age        string            `json:"age"`
	Deadline   string            `json:"deadline"`
}

// verdict is a want.yaml: an Assessment without what says nothing.
type verdict struct {
	State         health.State      `json:"state"`
	Ready         int               `json:"ready"`
	Total         int               `json:"total"`
	Object        string            `json:"object,omitempty"`
	Cause         string            `json:"cause,omitempty"`
	Reason        health.Reason     `json:"reason,omitempty"`
	Message       string            `json:"message,omitempty"`
	Logs          *health.LogSource `json:"logs,omitempty"`
	Overdue       bool              `json:"overdue,omitempty"`
	NeedsWarnings bool              `json:"needsWarnings,omitempty"`
	StableSince   string            `json:"stableSince,omitempty"`
	Next          string            `json:"next,omitempty"`
}

func TestAssess(t *testing.T) {
	cases, err := filepath.Glob("testdata/*/in.yaml")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, path := range cases {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			in := load(t, path)
			got := fold(health.Assess(in))
			golden := filepath.Join(dir, "want.yaml")
			text, err := yaml.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(golden, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(text)); diff != "" {
				t.Error(diff)
			}
			slices.Reverse(in.Objects)
			slices.Reverse(in.Warnings)
			if diff := cmp.Diff(got, fold(health.Assess(in))); diff != "" {
				t.Errorf("the order of objects matters: %s", diff)
			}
		})
	}
}

func load(t *testing.T, path string) health.Input {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var s scenario
	if err := yaml.UnmarshalStrict(raw, &s); err != nil {
		t.Fatal(err)
	}
	rules, err := health.CompileRules(s.Rules)
	if err != nil {
		t.Fatal(err)
	}
	in := health.Input{Warnings: s.Warnings, Rules: rules, Settle: span(t, s.Settle), Deadline: span(t, s.Deadline), Now: observedAt}
	in.DeadlineStart = observedAt.Add(-span(t, s.Age))
	for _, name := range s.Inventory {
		in.Inventory = append(in.Inventory, parseID(t, name))
	}
	for _, name := range s.MayVanish {
		in.MayVanish = append(in.MayVanish, parseID(t, name))
	}
	for name, why := range s.Unreadable {
		in.Unreadable = map[render.ID]string{parseID(t, name): why}
	}
	for i := range in.Warnings {
		in.Warnings[i].Namespace = "shop"
	}
	for _, content := range s.Objects {
		in.Objects = append(in.Objects, decode(t, content))
	}
	return in
}

// decode goes through JSON, so that numbers are what an API server sends.
func decode(t *testing.T, content map[string]any) unstructured.Unstructured {
	t.Helper()
	raw, err := yaml.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	raw, err = yaml.YAMLToJSON(raw)
	if err != nil {
		t.Fatal(err)
	}
	var object unstructured.Unstructured
	if err := object.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	object.SetNamespace("shop")
	return object
}

func span(t *testing.T, text string) time.Duration {
	t.Helper()
	if text == "" {
		return 0
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func parseID(t *testing.T, text string) render.ID {
	t.Helper()
	var apiVersion, kind, name string
	if n := split(text, &apiVersion, &kind, &name); n != 3 {
		t.Fatalf("%q: want `apiVersion Kind name`", text)
	}
	gvk := schema.FromAPIVersionAndKind(apiVersion, kind)
	return render.ID{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind, Namespace: "shop", Name: name}
}

func split(text string, into ...*string) int {
	n := 0
	for word := range strings.FieldsSeq(text) {
		if n < len(into) {
			*into[n] = word
		}
		n++
	}
	return n
}

func fold(a health.Assessment) verdict {
	v := verdict{State: a.State, Ready: a.Ready, Total: a.Total, Overdue: a.Overdue, NeedsWarnings: a.NeedsWarnings}
	if a.NextCheckAfter > 0 {
		v.Next = a.NextCheckAfter.String()
	}
	if !a.StableSince.IsZero() {
		v.StableSince = a.StableSince.UTC().Format(time.RFC3339)
	}
	if b := a.Blocker; b != nil {
		v.Object, v.Reason, v.Message, v.Logs = b.Object.String(), b.Reason, b.Message, b.NeedsLogsOf
		if b.Cause != b.Object {
			v.Cause = b.Cause.String()
		}
	}
	return v
}
