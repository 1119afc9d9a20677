package plan_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/plan"
)

const usesShared = `{components: [{name: a, good: ehrbase, bindings: [{requirement: database, from: {namespace: platform, deployment: shared, component: db}}]}, {name: id, good: keycloak, bindings: [{requirement: database, from: {namespace: platform, deployment: shared, component: db}}]}]}`

// shared is what a deployment in namespace platform has in force, with what it exports.
func shared(t *testing.T, exports string) map[v1alpha1.ProviderReference]plan.Neighbour {
	t.Helper()
	owner := deployment(t, []byte("apiVersion: dpi-operator.io/v1alpha1\nkind: DPIDeployment\nmetadata: {name: shared, namespace: platform}\n"+
		"spec: {components: [{name: db, good: postgresql}], exports: "+exports+"}"))
	made, err := plan.Compute(plan.Input{Deployment: owner, Catalog: catalog(t)})
	if err != nil {
		t.Fatal(err)
	}
	return map[v1alpha1.ProviderReference]plan.Neighbour{
		{Namespace: "platform", Deployment: "shared", Component: "db"}: {Deployment: owner, Component: &v1alpha1.Component{
			ObjectMeta: metav1.ObjectMeta{Namespace: "platform", Name: made.Components[0].Object}, Spec: made.Components[0].Spec,
		}},
	}
}

func TestCompute_bindsToAComponentThatAnotherNamespaceGrants(t *testing.T) {
	got, err := plan.Compute(plan.Input{
		Deployment: deployment(t, wrap(usesShared)), Catalog: catalog(t),
		Neighbours: shared(t, `[{component: db, contracts: [postgresql-v1], to: [{namespace: moh}]}]`),
	})
	if err != nil {
		t.Fatal(err)
	}
	var binding v1alpha1.RevisionBinding
	for _, each := range got.Bindings {
		if each.Name == "he-a-database-platform" {
			binding = each
		}
	}
	endpoint := v1alpha1.Endpoint{Name: "sql", URL: "tcp://shared-db.platform.svc.cluster.local:5432", Host: "shared-db.platform.svc.cluster.local", Port: 5432}
	want := v1alpha1.BindingProvider{
		Namespace: "platform", Component: "shared-db", Provisioner: "postgresql", AdminSecretName: "shared-db-admin-credential", Endpoint: &endpoint,
	}
	if diff := cmp.Diff(want, binding.Spec.Provider); diff != "" {
		t.Error(diff)
	}
	for _, output := range binding.Spec.Outputs {
		if output.Name == "database" && *output.Value != "moh_he_a_database" {
			t.Errorf("a name that another namespace could have too: %s", *output.Value)
		}
	}
	for _, step := range got.Steps {
		if !strings.Contains(step.Reason, "platform/shared-db for database (postgresql-v1)") {
			t.Errorf("the plan does not say from where: %+v", step)
		}
	}
}

func TestCompute_refusesAProviderElsewhere(t *testing.T) {
	const where = "component a: requirement database (postgresql-v1) is to come from deployment platform/shared, "
	withdraw := func(in map[v1alpha1.ProviderReference]plan.Neighbour, change func(*plan.Neighbour)) map[v1alpha1.ProviderReference]plan.Neighbour {
		for key, each := range in {
			change(&each)
			in[key] = each
		}
		return in
	}
	granted := `[{component: db, contracts: [postgresql-v1], to: [{namespace: moh}]}]`
	for name, each := range map[string]struct {
		neighbours map[v1alpha1.ProviderReference]plan.Neighbour
		reason     v1alpha1.ConditionReason
		text       string
	}{
		"no such deployment": {nil, v1alpha1.ReasonUnknownDeployment, where + "which does not exist where the operator works"},
		"not exported": {
			shared(t, `[]`), v1alpha1.ReasonNotExported,
			where + "which exports no component db under postgresql-v1; its owner can add to spec.exports there: {component: db, contracts: [postgresql-v1], to: [{namespace: moh}]}",
		},
		"exported under another contract": {shared(t, `[{component: db, contracts: [x-v1], to: [{namespace: moh}]}]`), v1alpha1.ReasonNotExported, "exports no component db under postgresql-v1"},
		"granted to another": {
			shared(t, `[{component: db, contracts: [postgresql-v1], to: [{namespace: clinic}, {namespace: moh, deployment: lims}]}]`), v1alpha1.ReasonNotGranted,
			where + "which exports component db, but not to this one; its owner can add to the export's to: {namespace: moh}",
		},
		"revoked": {
			shared(t, `[{component: db, contracts: [postgresql-v1], to: [{namespace: moh, access: Revoked}]}]`), v1alpha1.ReasonNotGranted,
			where + "which revoked the access of namespace moh to component db; ask its owner",
		},
		"not in force yet": {
			withdraw(shared(t, granted), func(n *plan.Neighbour) { n.Component = nil }), v1alpha1.ReasonWaitingForProvider,
			"Waiting for component db of deployment platform/shared, which is not in force",
		},
		"provides something else": {
			withdraw(shared(t, granted), func(n *plan.Neighbour) { n.Component.Spec.Good.Name = "ping" }), v1alpha1.ReasonNoProvider,
			"is to come from db of deployment platform/shared, whose good ping does not provide it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := plan.Compute(plan.Input{Deployment: deployment(t, wrap(usesShared)), Catalog: catalog(t), Neighbours: each.neighbours})
			problem, ok := errors.AsType[*plan.Problem](err)
			if !ok || problem.Reason != each.reason || !strings.Contains(problem.Message, each.text) {
				t.Errorf("got %+v\nwant %s %s", err, each.reason, each.text)
			}
			if problem != nil && strings.Contains(problem.Message, "clinic") {
				t.Error("tells whom else it is granted to")
			}
		})
	}
}

func TestCompute_theTermsOfAnExportWin(t *testing.T) {
	spec := `{components: [{name: a, good: ehrbase, bindings: [{requirement: database, parameters: {schemas: [mine]}, from: {namespace: platform, deployment: shared, component: db}}]}, {name: id, good: keycloak, bindings: [{requirement: database, from: {namespace: platform, deployment: shared, component: db}}]}]}`
	got, err := plan.Compute(plan.Input{
		Deployment: deployment(t, wrap(spec)), Catalog: catalog(t),
		Neighbours: shared(t, `[{component: db, contracts: [postgresql-v1], to: [{namespace: moh}], parameters: {schemas: [theirs]}}]`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if raw := string(got.Bindings[0].Spec.Parameters.Raw); !strings.Contains(raw, "theirs") || strings.Contains(raw, "mine") {
		t.Errorf("got %s", raw)
	}
}

func TestCompute_anotherDeploymentOfTheSameNamespaceNeedsNoExport(t *testing.T) {
	in := plan.Input{Deployment: deployment(t, wrap(strings.ReplaceAll(usesShared, "namespace: platform, ", ""))), Catalog: catalog(t)}
	for _, each := range shared(t, `[]`) {
		each.Deployment.Namespace, each.Component.Namespace = "moh", "moh"
		in.Neighbours = map[v1alpha1.ProviderReference]plan.Neighbour{plan.References(in.Deployment)[0]: each}
	}
	got, err := plan.Compute(in)
	if err != nil {
		t.Fatal(err)
	}
	if provider := got.Bindings[0].Spec.Provider; got.Bindings[0].Name != "he-a-database" || provider.Namespace != "" || provider.Component != "shared-db" {
		t.Errorf("got %s %+v", got.Bindings[0].Name, provider)
	}
}

func TestDecide_plansAnewWhenAProviderElsewhereMoved(t *testing.T) {
	granted := `[{component: db, contracts: [postgresql-v1], to: [{namespace: moh}]}]`
	in := plan.Input{Deployment: deployment(t, wrap(usesShared)), Catalog: catalog(t), Neighbours: shared(t, granted)}
	first, err := plan.Decide(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	stored := []v1alpha1.StackRevision{{Spec: v1alpha1.StackRevisionSpec{
		Number: 1, Source: first.Source, Digest: first.Plan.Digest, Components: first.Plan.Components, Bindings: first.Plan.Bindings,
	}}}
	decide := func() plan.Next {
		t.Helper()
		next, err := plan.Decide(in, stored)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	if decide().Revision == nil {
		t.Error("planned anew although nothing changed")
	}
	for _, each := range in.Neighbours {
		each.Component.Spec.Endpoints[0] = v1alpha1.Endpoint{Name: "sql", URL: "tcp://db.example.org:5433", Host: "db.example.org", Port: 5433}
	}
	if next := decide(); next.Revision != nil || next.Number != 2 || next.Plan.Bindings[0].Spec.Provider.Endpoint.Host != "db.example.org" {
		t.Errorf("the provider moved and the stack stays: %+v", next)
	}
	in.Neighbours = shared(t, `[]`)
	if decide().Revision == nil {
		t.Error("a withdrawn grant moves a stack in force")
	}
}

func TestCheck_exports(t *testing.T) {
	for exports, want := range map[string]string{
		`[{component: db, contracts: [postgresql-v1]}]`:             "",
		`[{component: cache, contracts: [postgresql-v1]}]`:          `spec.exports names component "cache", which is not in the stack; it has db`,
		`[{component: db, contracts: [postgresql-v1, fhir-r4-v1]}]`: "spec.exports offers component db under fhir-r4-v1, which its good postgresql does not provide",
	} {
		in := plan.Input{Deployment: deployment(t, wrap(`{components: [{name: db, good: postgresql}], exports: `+exports+`}`)), Catalog: catalog(t)}
		made, err := plan.Compute(in)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if problem := plan.Check(in, v1alpha1.StackRevisionSpec{Components: made.Components}); problem != nil {
			got = problem.Message
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSourceDigest_ignoresExports(t *testing.T) {
	spec := deployment(t, wrap(`{template: {name: health}}`)).Spec
	before, err := plan.SourceDigest(spec)
	if err != nil {
		t.Fatal(err)
	}
	spec.Exports = []v1alpha1.Export{{Component: "db"}}
	if after, err := plan.SourceDigest(spec); err != nil || after != before {
		t.Errorf("a grant makes a new revision (%v)", err)
	}
}
