package render_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/internal/placeholder"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

var password = placeholder.Reference{Secret: "shop-web-database", Key: "password"}

func TestTransform_reportsWhichSecretsAreUsed(t *testing.T) {
	objects := parse(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {password: x"+password.Text()+"}")
	result, err := render.Transform(objects, render.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]placeholder.Reference{password}, result.Secrets); diff != "" {
		t.Error(diff)
	}
}

func TestTransform_refusesSecretsInClearText(t *testing.T) {
	cases := map[string]struct{ object, path string }{
		"ConfigMap":  {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {config: 'p=" + password.Text() + "'}", "ConfigMap a: a secret value would stand in clear text: .data.config "},
		"annotation": {"apiVersion: v1\nkind: Secret\nmetadata: {name: a, annotations: {p: " + password.Text() + "}}", ".metadata.annotations.p "},
		"custom resource": {
			"apiVersion: example.org/v1\nkind: Database\nmetadata: {name: a}\nspec: {users: [{password: " + password.Text() + "}]}", ".spec.users[0].password ",
		},
		"probe of a container": {
			"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, livenessProbe: {httpGet: {path: /" + password.Text() + "}}}]}",
			".spec.containers[0].livenessProbe.httpGet.path ",
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := render.Transform(parse(t, test.object), render.Options{})
			if !errors.Is(err, render.ErrSecretExposed) || !strings.Contains(err.Error(), test.path+"takes key password of Secret shop-web-database") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTransform_refusesProjectionsThatReachNothing(t *testing.T) {
	web := "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: server}]}}}"
	for _, projection := range []render.Projection{
		{Name: "database", Secret: "s", Workload: "worker"}, {Name: "database", Secret: "s", Containers: []string{"proxy"}}, {Name: "database", Secret: "s", Workload: "("},
	} {
		if _, err := render.Transform(parse(t, web), render.Options{Projections: []render.Projection{projection}}); !errors.Is(err, render.ErrProjection) {
			t.Errorf("%+v: got %v", projection, err)
		}
	}
}
