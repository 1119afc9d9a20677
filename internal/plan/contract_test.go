package plan_test

import (
	"errors"
	"testing"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/plan"
)

func TestCompute_holdsProvidersToTheContract(t *testing.T) {
	cases := map[string]struct {
		change func(contract *v1alpha1.InterfaceContract, good *v1alpha1.DigitalPublicGood)
		given  string
		want   string
	}{
		"as it is": {change: func(*v1alpha1.InterfaceContract, *v1alpha1.DigitalPublicGood) {}},
		"nobody makes what is generated": {
			change: func(_ *v1alpha1.InterfaceContract, good *v1alpha1.DigitalPublicGood) {
				good.Spec.Provides[0].Provisioner = ""
			},
			want: "good postgresql provides postgresql-v1 but names neither a provisioner nor a person; add one to the entry, or hand the consumer's credentials over with given",
		},
		"somebody hands over what is generated": {
			change: func(_ *v1alpha1.InterfaceContract, good *v1alpha1.DigitalPublicGood) {
				good.Spec.Provides[0].Provisioner = ""
			},
			given: ", given: from-the-dba",
		},
		"no credential for the provisioner": {
			change: func(contract *v1alpha1.InterfaceContract, good *v1alpha1.DigitalPublicGood) {
				contract.Spec.Provider = &v1alpha1.ContractProvider{AdminCredential: true}
				good.Spec.Provides[0].AdminCredential = ""
			},
			want: "good postgresql provides postgresql-v1 by provisioner postgresql but names no adminCredential; add it to the entry",
		},
		"no endpoint": {
			change: func(contract *v1alpha1.InterfaceContract, good *v1alpha1.DigitalPublicGood) {
				contract.Spec.Provider = &v1alpha1.ContractProvider{Schemes: []v1alpha1.EndpointScheme{"tcp"}}
				contract.Spec.Outputs = contract.Spec.Outputs[2:]
				good.Spec.Provides[0].Endpoint = ""
			},
			want: "good postgresql provides postgresql-v1 but names no endpoint that serves it; add one to the entry",
		},
		"an endpoint of another scheme": {
			change: func(contract *v1alpha1.InterfaceContract, _ *v1alpha1.DigitalPublicGood) {
				contract.Spec.Provider = &v1alpha1.ContractProvider{Schemes: []v1alpha1.EndpointScheme{"http", "https"}}
			},
			want: "good postgresql provides postgresql-v1 at endpoint sql, whose scheme is tcp; the contract takes http or https",
		},
		"a value of the declared format": {
			change: func(contract *v1alpha1.InterfaceContract, _ *v1alpha1.DigitalPublicGood) {
				contract.Spec.Outputs[0].Format, contract.Spec.Outputs[1].Format = v1alpha1.FormatHostname, v1alpha1.FormatPort
				contract.Spec.Outputs[1].Type = v1alpha1.TypeInteger
			},
		},
		"a value of another type": {
			change: func(contract *v1alpha1.InterfaceContract, _ *v1alpha1.DigitalPublicGood) {
				contract.Spec.Outputs[0].Type = v1alpha1.TypeInteger
			},
			want: `component a: requirement database: output host: "he-db.moh.svc.cluster.local" is not a whole number`,
		},
		"a value of another format": {
			change: func(contract *v1alpha1.InterfaceContract, _ *v1alpha1.DigitalPublicGood) {
				contract.Spec.Outputs[0].Format = v1alpha1.FormatURI
			},
			want: `component a: requirement database: output host: "he-db.moh.svc.cluster.local" is not of format uri`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			entries := catalog(t)
			tc.change(entries.Contracts["postgresql-v1"], entries.Goods["postgresql"])
			stack := `{components: [{name: a, good: keycloak, bindings: [{requirement: database` + tc.given + `}]}, {name: db, good: postgresql}]}`
			_, err := plan.Compute(plan.Input{Deployment: deployment(t, wrap(stack)), Catalog: entries})
			if tc.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if found, ok := errors.AsType[*plan.Problem](err); !ok || found.Message != tc.want {
				t.Errorf("got %v\nwant %s", err, tc.want)
			}
		})
	}
}
