package exports_test

import (
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/exports"
)

func TestJudge(t *testing.T) {
	terms := []v1alpha1.ExportTerms{
		{Contracts: []v1alpha1.ContractName{"postgresql-v1"}, To: []v1alpha1.Grant{{Namespace: "clinic"}, {Namespace: "lab", Deployment: "lims"}}},
		{Contracts: []v1alpha1.ContractName{"postgresql-v1"}, To: []v1alpha1.Grant{
			{Namespace: "old", Access: v1alpha1.AccessAllowed}, {Namespace: "old", Deployment: "he", Access: v1alpha1.AccessRevoked},
		}},
		{Contracts: []v1alpha1.ContractName{"oidc-client-v1"}},
	}
	for name, each := range map[string]struct {
		use  exports.Use
		want exports.Standing
	}{
		"a namespace":               {exports.Use{Contract: "postgresql-v1", Namespace: "clinic", Deployment: "he"}, exports.Granted},
		"one deployment":            {exports.Use{Contract: "postgresql-v1", Namespace: "lab", Deployment: "lims"}, exports.Granted},
		"another deployment":        {exports.Use{Contract: "postgresql-v1", Namespace: "lab", Deployment: "he"}, exports.NotGranted},
		"another namespace":         {exports.Use{Contract: "postgresql-v1", Namespace: "market", Deployment: "he"}, exports.NotGranted},
		"granted to nobody":         {exports.Use{Contract: "oidc-client-v1", Namespace: "clinic", Deployment: "he"}, exports.NotGranted},
		"another contract":          {exports.Use{Contract: "fhir-r4-v1", Namespace: "clinic", Deployment: "he"}, exports.NotExported},
		"revoked for one":           {exports.Use{Contract: "postgresql-v1", Namespace: "old", Deployment: "he"}, exports.Revoked},
		"not revoked for the other": {exports.Use{Contract: "postgresql-v1", Namespace: "old", Deployment: "lims"}, exports.Granted},
	} {
		if got, _ := exports.Judge(terms, each.use); got != each.want {
			t.Errorf("%s: got %s, want %s", name, got, each.want)
		}
	}
}

func TestDifference_believesNothingOfTheBinding(t *testing.T) {
	served := v1alpha1.Endpoint{Name: "sql", URL: "tcp://db.platform.svc:5432", Host: "db.platform.svc", Port: 5432}
	provider := v1alpha1.ComponentSpec{
		Endpoints: []v1alpha1.Endpoint{served}, Credentials: []v1alpha1.ComponentCredential{{Name: "admin", SecretName: "db-admin"}},
	}
	raw := func(text string) *apiextensionsv1.JSON { return &apiextensionsv1.JSON{Raw: []byte(text)} }
	terms := v1alpha1.ExportTerms{Parameters: raw(`{"realm":"clinic"}`)}
	for want, change := range map[string]func(*v1alpha1.BindingSpec){
		"":                 func(*v1alpha1.BindingSpec) {},
		"address":          func(b *v1alpha1.BindingSpec) { b.Provider.Endpoint.Host = "stranger.example.org" },
		"admin credential": func(b *v1alpha1.BindingSpec) { b.Provider.AdminSecretName = "payroll" },
		"parameters":       func(b *v1alpha1.BindingSpec) { b.Parameters = raw(`{"realm":"main"}`) },
		"registration": func(b *v1alpha1.BindingSpec) {
			b.Provider.Registers = &v1alpha1.BindingRegistration{Contract: "oidc-client-v1", Parameters: raw(`{"realm":"main"}`)}
		},
	} {
		binding := v1alpha1.BindingSpec{
			Provider:   v1alpha1.BindingProvider{Endpoint: served.DeepCopy(), AdminSecretName: "db-admin"},
			Parameters: raw(`{"realm":"clinic","roles":["USER"]}`),
		}
		change(&binding)
		if got := exports.Difference(binding, provider, terms); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := exports.Difference(v1alpha1.BindingSpec{}, provider, terms); got != "parameters" {
		t.Errorf("no parameters pass for those insisted on: %q", got)
	}
}
