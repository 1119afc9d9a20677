package plan_test

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/manifest"
	"github.com/dpi-operator/dpi-operator/internal/plan"
)

var update = flag.Bool("update", false, "write the wanted plans anew")

func TestCompute_golden(t *testing.T) {
	cases, err := filepath.Glob("testdata/golden/*/in.yaml")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range cases {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			got, err := plan.Compute(plan.Input{Deployment: deployment(t, read(t, path)), Catalog: catalog(t, filepath.Join(dir, "goods.yaml"))})
			if err != nil {
				t.Fatal(err)
			}
			rendered, err := yaml.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			wantPath := filepath.Join(dir, "want.yaml")
			if *update {
				if err := os.WriteFile(wantPath, rendered, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(read(t, wantPath)), string(rendered)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCompute_refusesWithTheReason(t *testing.T) {
	cases := map[string]struct {
		spec       string
		wantReason v1alpha1.ConditionReason
		wantText   string
	}{
		"unknown good": {
			`{components: [{name: a, good: dhis3}]}`, v1alpha1.ReasonUnknownGood,
			`component a: good "dhis3" is unknown; the catalogue has ehrbase, field-app, keycloak, ping, postgresql`,
		},
		"unknown template": {`{template: {name: wealth}}`, v1alpha1.ReasonUnknownTemplate, `template "wealth" is unknown; the catalogue has health`},
		"template version": {`{template: {name: health, version: ">=2"}}`, v1alpha1.ReasonNoMatchingVersion, `template health is at version 1.2.0, which does not satisfy ">=2"`},
		"unknown parameter": {
			`{template: {name: health}, parameters: {realms: x}}`, v1alpha1.ReasonUnknownParameter,
			`template health: parameter "realms" is unknown; known are levels, realm`,
		},
		"parameter out of range": {
			`{template: {name: health}, parameters: {levels: 9}}`, v1alpha1.ReasonUnknownParameter, `template health: parameter "levels": maximum: got 9, want 8`,
		},
		"version that no entry satisfies": {
			`{components: [{name: a, good: ehrbase, version: "4.x"}]}`, v1alpha1.ReasonNoMatchingVersion,
			`component a: no version of good ehrbase satisfies "4.x"; the catalogue has 3.0.0, 2.16.0, 2.15.0`,
		},
		"requirement without provider": {
			`{components: [{name: a, good: ehrbase}]}`, v1alpha1.ReasonNoProvider,
			`component a: requirement database (postgresql-v1) has no provider in the stack; add one of these goods: postgresql`,
		},
		"requirement with two possible providers": {
			`{components: [{name: a, good: ehrbase}, {name: one, good: postgresql}, {name: two, good: postgresql}]}`, v1alpha1.ReasonAmbiguousProvider,
			`component a: requirement database (postgresql-v1) has more than one possible provider: one, two; name one under bindings`,
		},
		"named provider that provides something else": {
			`{components: [{name: a, good: ehrbase, bindings: [{requirement: database, component: b}]}, {name: b, good: ping, bindings: [{requirement: peer, component: b}]}]}`,
			v1alpha1.ReasonNoProvider, `component a: requirement database (postgresql-v1) is bound to b, whose good ping does not provide it`,
		},
		"unknown requirement": {
			`{components: [{name: a, good: ehrbase, bindings: [{requirement: databse, component: b}]}]}`, v1alpha1.ReasonUnknownRequirement,
			`component a: good ehrbase has no requirement "databse"; it has database, identity`,
		},
		"cycle": {
			`{components: [{name: a, good: ping, bindings: [{requirement: peer, component: b}]}, {name: b, good: ping, bindings: [{requirement: peer, component: a}]}]}`,
			v1alpha1.ReasonDependencyCycle, `components wait for each other: a → b → a; remove one of these edges`,
		},
		"unknown dependency": {
			`{components: [{name: a, good: postgresql, dependsOn: [b]}]}`, v1alpha1.ReasonUnknownComponent, `component a depends on "b", which is not in the stack; it has a`,
		},
		"parameter the contract does not know": {
			`{components: [{name: db, good: postgresql}, {name: a, good: ehrbase, bindings: [{requirement: database, component: db, parameters: {schema: x}}]}]}`,
			v1alpha1.ReasonUnknownParameter, `component a: requirement database: parameter "schema" is unknown; known are roles, schemas`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := plan.Compute(plan.Input{Deployment: deployment(t, wrap(tc.spec)), Catalog: catalog(t)})
			var problem *plan.Problem
			if !errors.As(err, &problem) {
				t.Fatalf("want a problem, got %v", err)
			}
			if problem.Reason != tc.wantReason || problem.Message != tc.wantText {
				t.Errorf("got %s: %s\nwant %s: %s", problem.Reason, problem.Message, tc.wantReason, tc.wantText)
			}
			if strings.Contains(problem.Message, "\n") {
				t.Error("the message has more than one line")
			}
		})
	}
}

func TestCompute_keepsTheVersionInForce(t *testing.T) {
	stack := `{components: [{name: db, good: postgresql}, {name: a, good: ehrbase, version: ">=2 <4"}]}`
	first := compute(t, stack, nil)
	if got := versionOf(first, "a"); got != "3.0.0" {
		t.Fatalf("a fresh stack takes the newest version, got %s", got)
	}
	current := revision(first)
	current.Components[1].Spec.Good.Version = "2.15.0"
	if got := versionOf(compute(t, stack, current), "a"); got != "2.15.0" {
		t.Errorf("the catalogue moved a running component to %s", got)
	}
	if got := versionOf(compute(t, strings.Replace(stack, ">=2 <4", ">=2.16 <4", 1), current), "a"); got != "2.16.0" {
		t.Errorf("want the newest version that 2.15.0 may move to, got %s", got)
	}
	_, err := plan.Compute(plan.Input{
		Deployment: deployment(t, wrap(strings.Replace(stack, ">=2 <4", "3.x", 1))), Catalog: catalog(t), Current: current,
	})
	want := "component a: good ehrbase cannot move from 2.15.0 to 3.0.0 in one step; the catalogue declares no such upgrade"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestCompute_saysWhatChanges(t *testing.T) {
	before := compute(t, `{components: [{name: db, good: postgresql}, {name: a, good: ehrbase, version: 2.15.x}, {name: old, good: postgresql}]}`+"", nil, "a")
	after := compute(t, `{components: [{name: db, good: postgresql}, {name: a, good: ehrbase, version: 2.16.x}]}`, revision(before))
	got := map[string]plan.Action{}
	for _, step := range after.Steps {
		got[step.Component] = step.Action
	}
	want := map[string]plan.Action{"db": plan.ActionKeep, "a": plan.ActionUpgrade, "old": plan.ActionRemove}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCompute_saysWhatBecomesOfAReleaseThatRunsElsewhere(t *testing.T) {
	const stack = `{components: [{name: db, good: postgresql%s}, {name: a, good: ehrbase, version: 2.15.x}]}`
	before := compute(t, fmt.Sprintf(stack, ""), nil)
	const external = `, external: {endpoints: [{name: sql, url: "tcp://db.example.org:5432"}], credentials: [{name: admin, secretName: dba}]}`
	after := compute(t, fmt.Sprintf(stack, external), revision(before))
	want := "runs elsewhere from now on, and data does not move with it; release he-db is taken down once nobody uses it, and its data is kept; needs nothing else"
	if step := after.Steps[0]; step.Component != "db" || step.Action != plan.ActionUse || step.Reason != want {
		t.Errorf("got %+v", step)
	}
	if before.Bindings[0].Name != after.Bindings[0].Name || before.Bindings[0].Spec.SecretName != after.Bindings[0].Spec.SecretName {
		t.Error("the edge is another one")
	}
}

func TestCompute_refusesProvisionalValuesThatThereAreNone(t *testing.T) {
	entries := catalog(t)
	entries.Goods["ehrbase"].Spec.Requires[0].Gate = v1alpha1.GateProvisional
	_, err := plan.Compute(plan.Input{Deployment: deployment(t, wrap(`{components: [{name: a, good: ehrbase}, {name: db, good: postgresql}]}`)), Catalog: entries})
	want := "component a: requirement database has gate Provisional, but contract postgresql-v1 declares no provisional value; use Ready, Resolved or After"
	if found, ok := errors.AsType[*plan.Problem](err); !ok || found.Message != want {
		t.Errorf("got %v", err)
	}
}

func TestCompute_refusesAnExternalProviderThatNobodyCanAsk(t *testing.T) {
	stack := func(binding, external string) (plan.Plan, error) {
		return plan.Compute(plan.Input{Catalog: catalog(t), Deployment: deployment(t, wrap(`{components: [{name: a, good: ehrbase, bindings: [{requirement: database`+binding+
			`}]}, {name: db, good: postgresql, external: {endpoints: [{name: sql, url: "tcp://db.example.org:5432"}]`+external+`}}]}`))})
	}
	_, err := stack("", "")
	want := `component db is external and gives no credential "admin", which is needed for requirement database of component a; ` +
		"name its Secret under external.credentials, or hand the consumer's own credentials over with given"
	if found, ok := errors.AsType[*plan.Problem](err); !ok || found.Message != want {
		t.Errorf("got %v", err)
	}
	handed, err := stack(", given: from-the-dba", "")
	if err != nil {
		t.Fatal(err)
	}
	if spec := handed.Bindings[0].Spec; spec.Given != "from-the-dba" || spec.Provider.Provisioner != "" || spec.Provider.AdminSecretName != "" {
		t.Errorf("something would be made at the provider: %+v", spec)
	}
	asked, err := stack("", ", credentials: [{name: admin, secretName: dba}]")
	if err != nil || asked.Bindings[0].Spec.Provider.AdminSecretName != "dba" {
		t.Errorf("got %+v, %v", asked.Bindings, err)
	}
}

func TestCompute_countsWhoFillsASlot(t *testing.T) {
	const two = `{name: p, good: ping, bindings: [{requirement: peer, component: q}]}, {name: q, good: ping, bindings: [{requirement: peer, component: p}]}`
	cases := map[string]struct {
		least, most      int32
		binding, members string
		want             []string
		text             string
	}{
		"all that there are":   {1, 3, "", two, []string{"p", "q"}, ""},
		"those that are named": {1, 3, "components: [q]", two, []string{"q"}, ""},
		"none of an empty one": {0, 3, "", two, nil, ""},
		"too few":              {3, 4, "", two, nil, "component a: requirement sources (fhir-r4-v1) needs at least 3, and the stack has p, q only; add one of these goods: hub, ping"},
		"too many":             {1, 1, "components: [p, q]", two, nil, "component a: requirement sources (fhir-r4-v1) takes at most 1, and is bound to p, q"},
		"too few are named":    {2, 3, "component: p", two, nil, "component a: requirement sources (fhir-r4-v1) needs at least 2, and is bound to p only"},
		"given for several":    {1, 3, "given: x", two, nil, "component a: requirement sources (fhir-r4-v1) has 2 providers, and one Secret cannot hold the credentials for all; take given away"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			entries := catalog(t)
			entries.Goods["ping"].Spec.Requires[0].Gate = v1alpha1.GateResolved
			hub := entries.Goods["ping"].DeepCopy()
			hub.Name = "hub"
			hub.Spec.Requires = []v1alpha1.Requirement{{Name: "sources", Contract: "fhir-r4-v1", Min: &test.least, Max: &test.most}}
			hub.Spec.Values = []v1alpha1.ValueMapping{{Path: "from", Expr: "bindings.?sources.orValue([]).map(b, b.component + ' ' + b.secretName)"}}
			entries.Goods["hub"] = hub
			binding := ""
			if test.binding != "" {
				binding = ", bindings: [{requirement: sources, " + test.binding + "}]"
			}
			got, err := plan.Compute(plan.Input{Catalog: entries, Deployment: deployment(t, wrap(`{components: [{name: a, good: hub`+binding+`}, `+test.members+`]}`))})
			if test.text != "" {
				if found, ok := errors.AsType[*plan.Problem](err); !ok || found.Message != test.text {
					t.Errorf("got %v\nwant %s", err, test.text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var providers []string
			for _, edge := range got.Bindings {
				if edge.Spec.Consumer.Component == "he-a" {
					name := strings.TrimPrefix(edge.Spec.Provider.Component, "he-")
					providers = append(providers, name)
					if edge.Name != "he-a-sources-"+name {
						t.Errorf("the binding is called %s", edge.Name)
					}
				}
			}
			if diff := cmp.Diff(test.want, providers); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCompute_isDeterministic(t *testing.T) {
	one := compute(t, `{template: {name: health}}`, nil)
	for range 20 {
		if diff := cmp.Diff(one, compute(t, `{template: {name: health}}`, nil)); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestSourceDigest_ignoresReporting(t *testing.T) {
	spec := deployment(t, wrap(`{template: {name: health}}`)).Spec
	before, err := plan.SourceDigest(spec)
	if err != nil {
		t.Fatal(err)
	}
	spec.Reporting = &v1alpha1.Reporting{Stage: "pilot"}
	spec.Suspend = true
	after, err := plan.SourceDigest(spec)
	if err != nil {
		t.Fatal(err)
	}
	if before != after {
		t.Error("reporting or suspension would make a new revision")
	}
}

// compute plans a stack; components named in twoDatabases take db where more than one would do.
func compute(t *testing.T, spec string, current *v1alpha1.StackRevisionSpec, twoDatabases ...string) plan.Plan {
	t.Helper()
	object := deployment(t, wrap(spec))
	for _, name := range twoDatabases {
		for i := range object.Spec.Components {
			if object.Spec.Components[i].Name == name {
				object.Spec.Components[i].Bindings = []v1alpha1.StackBinding{{Requirement: "database", Component: "db"}}
			}
		}
	}
	got, err := plan.Compute(plan.Input{Deployment: object, Catalog: catalog(t), Current: current})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func revision(p plan.Plan) *v1alpha1.StackRevisionSpec {
	return &v1alpha1.StackRevisionSpec{Components: p.Components, Bindings: p.Bindings, Digest: p.Digest, Number: 1}
}

func versionOf(p plan.Plan, name string) string {
	for _, component := range p.Components {
		if component.Name == name {
			return component.Spec.Good.Version
		}
	}
	return ""
}

func wrap(spec string) []byte {
	return []byte("apiVersion: dpi-operator.io/v1alpha1\nkind: DPIDeployment\nmetadata: {name: he, namespace: moh}\nspec: " + spec)
}

func deployment(t *testing.T, data []byte) *v1alpha1.DPIDeployment {
	t.Helper()
	objects, err := manifest.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return objects[0].(*v1alpha1.DPIDeployment)
}

// catalog is the one of all cases, with further entries of a case where its file exists.
func catalog(t *testing.T, further ...string) plan.Catalog {
	t.Helper()
	objects, err := manifest.Decode(read(t, "testdata/catalog.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range further {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		more, err := manifest.Decode(read(t, path))
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, more...)
	}
	return plan.CatalogOf(objects)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
