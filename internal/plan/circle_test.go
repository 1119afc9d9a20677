package plan_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/plan"
)

func TestCheck_findsACircleThroughOtherDeployments(t *testing.T) {
	in := plan.Input{
		Deployment: deployment(t, wrap(usesShared)), Catalog: catalog(t),
		Neighbours: shared(t, `[{component: db, contracts: [postgresql-v1], to: [{namespace: moh}]}]`),
	}
	made, err := plan.Compute(in)
	if err != nil {
		t.Fatal(err)
	}
	revision := v1alpha1.StackRevisionSpec{Components: made.Components, Bindings: made.Bindings}
	db, store, id := types.NamespacedName{Namespace: "platform", Name: "shared-db"}, types.NamespacedName{Namespace: "store", Name: "he-disk"},
		types.NamespacedName{Namespace: "moh", Name: "he-id"}
	for name, each := range map[string]struct {
		waits plan.Waits
		want  string
	}{
		"it leads nowhere":      {plan.Waits{db: {store}, store: nil}, ""},
		"it leads back":         {plan.Waits{db: {store}, store: {id}}, "components of several deployments wait for each other: id → platform/shared-db → store/he-disk → id; remove one of these edges"},
		"a circle of others":    {plan.Waits{db: {store}, store: {db}}, ""},
		"others wait for us":    {plan.Waits{store: {id}}, ""},
		"a name as in ours":     {plan.Waits{db: {{Namespace: "store", Name: "he-id"}}}, ""},
		"the shortest is shown": {plan.Waits{db: {store, id}, store: {id}}, "components of several deployments wait for each other: id → platform/shared-db → id; remove one of these edges"},
	} {
		t.Run(name, func(t *testing.T) {
			in.Waits = each.waits
			got := ""
			if problem := plan.Check(in, revision); problem != nil {
				got = problem.Message
			}
			if got != each.want {
				t.Errorf("got  %q\nwant %q", got, each.want)
			}
			_, err := plan.Compute(in)
			if problem, refused := errors.AsType[*plan.Problem](err); refused != (each.want != "") || refused && problem.Message != each.want {
				t.Errorf("the plan: %v", err)
			}
		})
	}
}

func TestWaitsOf_onlyEdgesThatHoldTheStartBack(t *testing.T) {
	component := v1alpha1.ComponentSpec{DependsOn: []v1alpha1.ObjectName{"he-queue"}, Bindings: []v1alpha1.ComponentBinding{
		{Name: "ready"}, {Name: "licence", Gate: v1alpha1.GateProvisional}, {Name: "callback", Gate: v1alpha1.GateAfter}, {Name: "gone"}, {Name: "through"},
	}}
	got := plan.WaitsOf("moh", component, map[string]v1alpha1.BindingSpec{
		"ready":    {Provider: v1alpha1.BindingProvider{Namespace: "platform", Component: "shared-db"}},
		"licence":  {Provider: v1alpha1.BindingProvider{Component: "he-identity"}},
		"callback": {Provider: v1alpha1.BindingProvider{Component: "he-login"}},
		"through":  {Provider: v1alpha1.BindingProvider{Component: "he-hub"}, Via: &v1alpha1.BindingVia{Component: "he-fhir"}},
	})
	want := []types.NamespacedName{
		{Namespace: "moh", Name: "he-queue"}, {Namespace: "platform", Name: "shared-db"}, {Namespace: "moh", Name: "he-hub"}, {Namespace: "moh", Name: "he-fhir"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
