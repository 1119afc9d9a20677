package plan_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/plan"
)

const prepareCase = "testdata/golden/prepare/goods.yaml"

func prepared(t *testing.T, spec string, change func(*v1alpha1.DigitalPublicGoodSpec)) (plan.Plan, error) {
	t.Helper()
	entries := catalog(t, prepareCase)
	if change != nil {
		change(&entries.Goods["login"].Spec)
	}
	return plan.Compute(plan.Input{Deployment: deployment(t, wrap(spec)), Catalog: entries})
}

func wantProblem(t *testing.T, err error, reason v1alpha1.ConditionReason, text string) {
	t.Helper()
	if found, ok := errors.AsType[*plan.Problem](err); !ok || found.Reason != reason || found.Message != text {
		t.Errorf("got %v\nwant %s: %s", err, reason, text)
	}
}

func TestCompute_preparesInTheOrderOfTheEntry(t *testing.T) {
	reverse := func(spec *v1alpha1.DigitalPublicGoodSpec) { slices.Reverse(spec.Prepare) }
	for name, test := range map[string]struct {
		change func(*v1alpha1.DigitalPublicGoodSpec)
		want   []string
	}{
		"as it is": {nil, []string{"realm", "defaults"}},
		"reversed": {reverse, []string{"defaults", "realm"}},
	} {
		got, err := prepared(t, `{components: [{name: id, good: login}]}`, test.change)
		if err != nil {
			t.Fatal(err)
		}
		var stated []string
		for _, each := range got.Components[0].Spec.Preparations {
			stated = append(stated, each.Name)
			if each.Binding != "he-id-prepare-"+each.Name {
				t.Errorf("%s: the binding is called %s", name, each.Binding)
			}
		}
		if diff := cmp.Diff(test.want, stated); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(test.want, got.Steps[0].Prepares); diff != "" {
			t.Errorf("%s: the steps say otherwise: %s", name, diff)
		}
	}
}

func TestCompute_refusesAPreparationThatIsNamedLikeAnEdge(t *testing.T) {
	entries := catalog(t, prepareCase)
	// The login service asks another one for what its own preparation is called.
	entries.Goods["login"].Spec.Requires = []v1alpha1.Requirement{{Name: "prepare-realm", Contract: "login-v1"}}
	_, err := plan.Compute(plan.Input{Catalog: entries, Deployment: deployment(t, wrap(
		`{components: [{name: id, good: login}, {name: above, good: login, external: {endpoints: [{name: web, url: "https://above.example.org"}]}}]}`))})
	wantProblem(t, err, v1alpha1.ReasonNameConflict,
		"binding he-id-prepare-realm and binding he-id-prepare-realm would both own Binding he-id-prepare-realm; rename one of them")
}

func TestCompute_longNamesOfPreparationsStayApart(t *testing.T) {
	long := strings.Repeat("a", 30)
	got, err := prepared(t, `{components: [{name: `+long+`, good: login}]}`, func(spec *v1alpha1.DigitalPublicGoodSpec) {
		spec.Prepare[0].Name, spec.Prepare[1].Name = strings.Repeat("s", 29)+"1", strings.Repeat("s", 29)+"2"
	})
	if err != nil {
		t.Fatal(err)
	}
	if one, two := got.Bindings[0].Name, got.Bindings[1].Name; one == two || len(one) > 63 || len(two) > 63 {
		t.Errorf("got %s and %s", one, two)
	}
}

func TestCompute_preparesAnExternalComponentWithItsAdminCredentialOnly(t *testing.T) {
	stack := func(external string) (plan.Plan, error) {
		return prepared(t, `{components: [{name: id, good: login, external: {`+external+`}}]}`, nil)
	}
	const web, admin = `{name: web, url: "https://id.example.org"}`, `{name: admin, url: "https://id.example.org:8443"}`
	left, err := stack(`endpoints: [` + web + `, ` + admin + `]`)
	if err != nil {
		t.Fatal(err)
	}
	if len(left.Bindings) > 0 || left.Steps[0].Reason != "needs nothing else; prepared by its owner, since no admin credential is given: realm, defaults" {
		t.Errorf("got %d bindings, %q", len(left.Bindings), left.Steps[0].Reason)
	}
	entries := func(spec *v1alpha1.DigitalPublicGoodSpec) {
		spec.Credentials = append(spec.Credentials, v1alpha1.GoodCredential{Name: "root"})
		spec.Prepare[1].Credential = "root"
	}
	_, err = prepared(t, `{components: [{name: id, good: login, external: {endpoints: [`+web+`, `+admin+`], credentials: [{name: admin, secretName: given}]}}]}`, entries)
	wantProblem(t, err, v1alpha1.ReasonInvalid,
		`component id is external and gives no credential "root", which its preparation defaults puts in force; name its Secret under external.credentials`)
	asked, err := stack(`endpoints: [` + web + `, ` + admin + `], credentials: [{name: admin, secretName: given}]`)
	if err != nil || len(asked.Bindings) != 2 || asked.Bindings[0].Spec.Provider.AdminSecretName != "given" {
		t.Errorf("got %+v, %v", asked.Bindings, err)
	}
	// The credential must not go to another address than the one it is for.
	_, err = stack(`endpoints: [` + web + `], credentials: [{name: admin, secretName: given}]`)
	wantProblem(t, err, v1alpha1.ReasonInvalid,
		"component id has no address for endpoint admin, where its preparation realm is done; add it under external.endpoints, or take the credential admin away: its owner prepares it then")
}

func TestCompute_aPreparationIsNoConsumer(t *testing.T) {
	got, err := prepared(t, `{components: [{name: id, good: login}]}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if after, uses := got.Steps[0].After, got.Components[0].Spec.Bindings; len(after)+len(uses) > 0 {
		t.Errorf("the component waits for itself: after %v, uses %v", after, uses)
	}
}
