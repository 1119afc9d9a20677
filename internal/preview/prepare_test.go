package preview

import (
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/plan"
)

func TestText_aPreparationIsSaidOfWhoIsPrepared(t *testing.T) {
	report := Fold(Input{Number: 1, Wanted: plan.Plan{
		Components: []v1alpha1.RevisionComponent{{Name: "id", Object: "he-id"}},
		Bindings: []v1alpha1.RevisionBinding{{Name: "he-id-prepare-realm", Spec: v1alpha1.BindingSpec{
			Contract: v1alpha1.ContractPreparation, Preparation: "realm", Provider: v1alpha1.BindingProvider{Component: "he-id"},
			Parameters: &apiextensionsv1.JSON{Raw: []byte(`{"realm": "citizens"}`)},
			Outputs:    []v1alpha1.BindingOutput{{Name: "url", Origin: v1alpha1.OriginProvider, Value: new("http://id")}},
		}}},
	}})
	const want = "wiring:\n  + id is prepared: realm\n      asks for {\"realm\":\"citizens\"}\n\n"
	if got := Text(report); !strings.HasSuffix(got, want) {
		t.Errorf("got:\n%s\nwant it to end with:\n%s", got, want)
	}
}
