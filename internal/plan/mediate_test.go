package plan_test

import (
	"errors"
	"testing"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/plan"
)

func TestMediators_areRefusedWithTheReason(t *testing.T) {
	const (
		records  = `{name: records, good: records}`
		exchange = `{name: exchange, good: openhim, external: {endpoints: [{name: api, url: "https://him.example.org:8080"}, {name: router, url: "https://him.example.org"}], credentials: [{name: admin, secretName: root}]}}`
		keyless  = `{name: exchange, good: openhim, external: {endpoints: [{name: api, url: "https://him.example.org:8080"}, {name: router, url: "https://him.example.org"}]}}`
	)
	cases := map[string]struct {
		components string
		reason     v1alpha1.ConditionReason
		text       string
	}{
		"one that is not there": {
			records + `, {name: clinic, good: app, bindings: [{requirement: records, via: hub}]}`, v1alpha1.ReasonUnknownComponent,
			`component clinic: requirement records (fhir-r4-v1) goes via "hub", which is not in the stack; it has clinic, records`,
		},
		"the provider itself": {
			records + `, {name: clinic, good: app, bindings: [{requirement: records, via: records}]}`, v1alpha1.ReasonInvalid,
			`component clinic: requirement records (fhir-r4-v1) goes via records, which is an end of the edge already; take via away`,
		},
		"a good that mediates nothing": {
			records + `, {name: db, good: postgresql}, {name: clinic, good: app, bindings: [{requirement: records, via: db}]}`, v1alpha1.ReasonNoProvider,
			`component clinic: requirement records (fhir-r4-v1) goes via db, whose good postgresql does not mediate it; these goods do: openhim`,
		},
		"a contract with credentials of each consumer's own": {
			exchange + `, {name: db, good: postgresql}, {name: id, good: keycloak, bindings: [{requirement: database, via: exchange}]}`, v1alpha1.ReasonInvalid,
			`component id: requirement database (postgresql-v1) cannot go via exchange: good postgresql makes credentials for each consumer, which a mediator has not got; take via away`,
		},
		"an external one without its admin credential": {
			keyless + `, ` + records + `, {name: clinic, good: app, bindings: [{requirement: records, via: exchange}]}`, v1alpha1.ReasonInvalid,
			`component exchange is external and gives no credential "admin", which is needed for requirement via-exchange of component records; ` +
				`name its Secret under external.credentials, or hand the consumer's own credentials over with given`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := plan.Compute(plan.Input{
				Deployment: deployment(t, wrap(`{components: [`+tc.components+`]}`)), Catalog: catalog(t, "testdata/golden/mediator/goods.yaml"),
			})
			var problem *plan.Problem
			if !errors.As(err, &problem) {
				t.Fatalf("want a problem, got %v", err)
			}
			if problem.Reason != tc.reason || problem.Message != tc.text {
				t.Errorf("got %s: %s\nwant %s: %s", problem.Reason, problem.Message, tc.reason, tc.text)
			}
		})
	}
}
