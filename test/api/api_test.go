// Package api_test asks a real API server whether it takes the kinds, the catalogue and the samples, and whether it
// refuses what the rules in the schemas forbid.
package api_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/internal/demo"
	"github.com/dpi-operator/dpi-operator/internal/testenv"
)

var cluster client.Client

func TestMain(m *testing.M) {
	os.Exit(testenv.Run(m, testenv.Options{CRDs: []string{"../../config/crd"}}, func(ctx context.Context, config *rest.Config) {
		var err error
		if cluster, err = client.New(config, client.Options{}); err != nil {
			panic(err)
		}
		for _, name := range []string{"moh", "platform", "clinic", "dpi-system"} {
			if err := cluster.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
				panic(err)
			}
		}
	}))
}

func TestCatalogueAndSamplesAreAccepted(t *testing.T) {
	built, err := demo.BuildCatalogue("../../config/catalog")
	if err != nil {
		t.Fatal(err)
	}
	documents := strings.Split(string(built), "\n---\n")
	samples, err := filepath.Glob("../../config/samples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range samples {
		if strings.HasSuffix(path, "-values.yaml") {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, strings.Split(string(data), "\n---\n")...)
	}
	for _, document := range documents {
		object := parse(t, document)
		if object == nil || object.GroupVersionKind().Group != "dpi-operator.io" {
			continue
		}
		if err := dryRun(t, object); err != nil {
			t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
		}
	}
}

const good = `{displayName: G, class: Good, identity: {license: MIT, repository: "https://example.org"}, versions: [{version: 1.0.0, chart: {name: c, version: 1.0.0}}]`

const registration = `{objects: [{name: thing, find: {pathExpr: "['t']"}, ownedExpr: 'true', fields: [{path: a, value: 1}], create: {pathExpr: "['t']"}, delete: {pathExpr: "['t']"}}]}`

func TestRules(t *testing.T) {
	cases := map[string]struct {
		kind, name, spec string
		// want is part of the refusal; empty means that the object is accepted.
		want string
	}{
		"a deployment with components":            {"DPIDeployment", "a", `{environment: demo, components: [{name: a, good: g}]}`, ""},
		"a deployment with nothing":               {"DPIDeployment", "a", `{environment: demo}`, "name a template, write out components, or both"},
		"parameters without a template":           {"DPIDeployment", "a", `{environment: demo, components: [{name: a, good: g}], parameters: {x: 1}}`, "parameters belong to a template"},
		"an unknown environment":                  {"DPIDeployment", "a", `{environment: prod, components: [{name: a, good: g}]}`, "spec.environment"},
		"a missing environment":                   {"DPIDeployment", "a", `{components: [{name: a, good: g}]}`, "spec.environment: Required"},
		"a deployment name with a dot":            {"DPIDeployment", "a.b", `{environment: demo, components: [{name: a, good: g}]}`, "the name must be a DNS label"},
		"a deployment name that starts in digits": {"DPIDeployment", "1a", `{environment: demo, components: [{name: a, good: g}]}`, "the name must be a DNS label"},
		"two components of one name":              {"DPIDeployment", "a", `{environment: demo, components: [{name: a, good: g}, {name: a, good: h}]}`, "Duplicate value"},
		"a component name in capitals":            {"DPIDeployment", "a", `{environment: demo, components: [{name: A, good: g}]}`, "components[0].name"},
		"values for an external component": {
			"DPIDeployment", "a",
			`{environment: demo, components: [{name: a, good: g, values: {x: 1}, external: {endpoints: [{name: web, url: "https://x"}]}}]}`, "takes no values",
		},
		"values that are a list":      {"DPIDeployment", "a", `{environment: demo, components: [{name: a, good: g, values: [1]}]}`, "must be of type object"},
		"a country that is a name":    {"DPIDeployment", "a", `{environment: demo, facts: {country: Kenya}, components: [{name: a, good: g}]}`, "spec.facts.country"},
		"reporting without a country": {"DPIDeployment", "a", `{environment: demo, components: [{name: a, good: g}], reporting: {registries: [r], organisation: {uri: "https://o"}, jurisdictions: [], stage: pilot}}`, "jurisdictions"},

		"a good":                          {"DigitalPublicGood", "g", good + `}`, ""},
		"a good without a chart":          {"DigitalPublicGood", "g", strings.Replace(good, ", chart: {name: c, version: 1.0.0}", "", 1) + `}`, "every version needs a chart"},
		"a client with a chart":           {"DigitalPublicGood", "g", strings.Replace(good, "class: Good", "class: Client", 1) + `}`, "every version needs a chart"},
		"a provided endpoint that is not": {"DigitalPublicGood", "g", good + `, provides: [{contract: c-v1, endpoint: web}]}`, "provides names an endpoint"},
		"an admin credential that is not": {"DigitalPublicGood", "g", good + `, provides: [{contract: c-v1, adminCredential: admin}]}`, "provides names an adminCredential"},
		"a mapping with two sources":      {"DigitalPublicGood", "g", good + `, values: [{path: a, expr: "1", secretName: "binding:b"}]}`, "give exactly one of"},
		"a credential key with neither":   {"DigitalPublicGood", "g", good + `, credentials: [{name: a, keys: [{name: k}]}]}`, "give either value"},
		"a registration over HTTP":        {"DigitalPublicGood", "g", good + `, provides: [{contract: c-v1, provisioner: http-upsert, http: ` + registration + `}]}`, ""},
		"http-upsert without http":        {"DigitalPublicGood", "g", good + `, provides: [{contract: c-v1, provisioner: http-upsert}]}`, "provisioner http-upsert needs http"},
		"http for another provisioner":    {"DigitalPublicGood", "g", good + `, provides: [{contract: c-v1, provisioner: keycloak, http: ` + registration + `}]}`, "no other one has it"},
		"a provisioner's own image":       {"DigitalPublicGood", "g", good + `, provides: [{contract: c-v1, provisioner: desk, imageExpr: "'a/b:1'"}]}`, ""},
		"another image for a built-in":    {"DigitalPublicGood", "g", good + `, provides: [{contract: c-v1, provisioner: kafka, imageExpr: "'a/b:1'"}]}`, "imageExpr is for a provisioner of your own"},
		"an image for no provisioner":     {"DigitalPublicGood", "g", good + `, provides: [{contract: c-v1, imageExpr: "'a/b:1'"}]}`, "imageExpr is for a provisioner of your own"},
		"a registration elsewhere":        {"DigitalPublicGood", "g", good + `, provides: [{contract: c-v1, provisioner: http-upsert, http: ` + strings.Replace(registration, "{objects", "{endpoint: api, objects", 1) + `}]}`, "endpoint under http that is not declared"},
		"a registered thing of no one":    {"DigitalPublicGood", "g", good + `, provides: [{contract: c-v1, provisioner: http-upsert, http: ` + strings.Replace(registration, "ownedExpr: 'true', ", "", 1) + `}]}`, "needs ownedExpr"},
		"a shared thing that is deleted":  {"DigitalPublicGood", "g", good + `, provides: [{contract: c-v1, provisioner: http-upsert, http: ` + strings.Replace(registration, "ownedExpr: 'true'", "ownership: Shared", 1) + `}]}`, "a shared one is never deleted"},
		"two ways to log in":              {"DigitalPublicGood", "g", good + `, provides: [{contract: c-v1, provisioner: http-upsert, http: ` + strings.Replace(registration, "{objects", "{authentication: {basic: {}, bearer: {}}, objects", 1) + `}]}`, "give exactly one of basic"},
		"a weak generated credential":     {"DigitalPublicGood", "g", good + `, credentials: [{name: a, keys: [{name: k, length: 8}]}]}`, "greater than or equal to 16"},

		"a contract": {"InterfaceContract", "c", `{description: d, type: t, verification: {method: m}, outputs: [{name: a, origin: Generated, secret: true}]}`, ""},
		"a generated output in the open": {
			"InterfaceContract", "c", `{description: d, type: t, verification: {method: m}, outputs: [{name: a, origin: Generated}]}`, "a Generated output is secret",
		},
		"a derived output without expr": {
			"InterfaceContract", "c", `{description: d, type: t, verification: {method: m}, outputs: [{name: a, origin: Derived}]}`, "a Derived output needs expr",
		},
		"a secret fact": {
			"InterfaceContract", "c", `{description: d, type: t, verification: {method: m}, outputs: [{name: a, origin: Provider, secret: true}]}`, "only Generated and Minted outputs can be secret",
		},

		"a port that is text": {
			"InterfaceContract", "c", `{description: d, type: t, verification: {method: m}, outputs: [{name: a, origin: Provider, format: port}]}`, "format port is for type integer",
		},
		"a number with the format of an address": {
			"InterfaceContract", "c", `{description: d, type: t, verification: {method: m}, outputs: [{name: a, origin: Provider, type: integer, format: uri}]}`, "format port is for type integer",
		},
		"a contract with types, formats and a provider": {
			"InterfaceContract", "c", `{description: d, type: t, provider: {schemes: [tcp], adminCredential: true}, verification: {method: m, proves: p}, outputs: [{name: a, origin: Provider, type: integer, format: port}, {name: b, origin: Provider, format: uri}, {name: c, origin: Provider, type: boolean}]}`, "",
		},
		"a contract with a key pair": {
			"InterfaceContract", "c", `{description: d, type: t, verification: {method: m}, outputs: [{name: a, origin: Generated, secret: true, format: jwk, keyPair: {algorithm: EC-P256}}, {name: b, origin: Generated, format: pem, publicOf: a, when: "true"}]}`, "",
		},
		"a public key that is secret": {
			"InterfaceContract", "c", `{description: d, type: t, verification: {method: m}, outputs: [{name: b, origin: Generated, secret: true, format: pem, publicOf: a}]}`, "is Generated and not secret",
		},
		"a private key in the open": {
			"InterfaceContract", "c", `{description: d, type: t, verification: {method: m}, outputs: [{name: a, origin: Generated, format: jwk, keyPair: {algorithm: EC-P256}}]}`, "a Generated output is secret",
		},
		"a key without a format": {
			"InterfaceContract", "c", `{description: d, type: t, verification: {method: m}, outputs: [{name: a, origin: Generated, secret: true, keyPair: {algorithm: EC-P256}}]}`, "a key has format jwk or pem",
		},
		"a key of an unknown kind": {
			"InterfaceContract", "c", `{description: d, type: t, verification: {method: m}, outputs: [{name: a, origin: Generated, secret: true, format: jwk, keyPair: {algorithm: DSA}}]}`, "keyPair.algorithm",
		},
		"a contract with an unknown scheme": {
			"InterfaceContract", "c", `{description: d, type: t, provider: {schemes: [udp]}, verification: {method: m}, outputs: [{name: a, origin: Provider}]}`, "spec.provider.schemes",
		},

		"a catalogue without a source": {"Catalog", "c", `{source: {}}`, "give a source"},
		"a registry over plain http": {
			"CoordinationRegistry", "r", `{url: "http://r", reporterID: a, tokenSecret: {name: s}}`, "use an https address",
		},
		"a registry over plain http on purpose": {
			"CoordinationRegistry", "r", `{url: "http://r", allowPlainHTTP: true, reporterID: a, tokenSecret: {name: s}}`, "",
		},
		"a component with a chart and no release name": {
			"Component", "c", `{good: {name: g, version: "1"}, chart: {name: c, version: "1"}}`, "chart and releaseName go together",
		},
		"a binding with both halves in one": {
			"Binding", "b", `{contract: c, type: t, provider: {component: p}, consumer: {component: c, requirement: r}, outputs: [{name: k, origin: Generated, keyPair: {algorithm: EC-P256}, publicOf: l, format: jwk}], secretName: s, verification: {method: m}}`,
			"is either half of a pair",
		},
		"a binding with a fact that has no value": {
			"Binding", "b", `{contract: c, type: t, provider: {component: p}, consumer: {component: c, requirement: r}, outputs: [{name: host, origin: Provider}], secretName: s, verification: {method: m}}`,
			"value is for origins Provider and Derived",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := dryRun(t, parse(t, "apiVersion: dpi-operator.io/v1alpha1\nkind: "+tc.kind+"\nmetadata: {name: '"+tc.name+"', namespace: moh}\nspec: "+tc.spec))
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tc.want != "" && err == nil:
				t.Error("accepted")
			case tc.want != "" && !strings.Contains(err.Error(), tc.want):
				t.Errorf("refused with %v, want %q", err, tc.want)
			}
		})
	}
}

func TestImmutableFields(t *testing.T) {
	cases := map[string]struct{ kind, before, after, want string }{
		"the release name of a component": {
			"Component", `{good: {name: g, version: "1"}, chart: {name: c, version: "1"}, releaseName: one}`,
			`{good: {name: g, version: "1"}, chart: {name: c, version: "1"}, releaseName: two}`, "releaseName never changes",
		},
		"the text of a revision": {
			"StackRevision", `{deployment: d, number: 1, digest: a, source: a, components: []}`,
			`{deployment: d, number: 2, digest: a, source: a, components: []}`, "a revision never changes",
		},
		"the secret of a binding": {
			"Binding", `{contract: c, type: t, provider: {component: p}, consumer: {component: c, requirement: r}, outputs: [{name: p, origin: Generated}], secretName: one, verification: {method: m}}`,
			`{contract: c, type: t, provider: {component: p}, consumer: {component: c, requirement: r}, outputs: [{name: p, origin: Generated}], secretName: two, verification: {method: m}}`,
			"contract and secretName never change",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			head := "apiVersion: dpi-operator.io/v1alpha1\nkind: " + tc.kind + "\nmetadata: {name: immutable, namespace: moh}\nspec: "
			object := parse(t, head+tc.before)
			if err := cluster.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
			changed := parse(t, head+tc.after)
			changed.SetResourceVersion(object.GetResourceVersion())
			err := cluster.Update(t.Context(), changed)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func dryRun(t *testing.T, object *unstructured.Unstructured) error {
	t.Helper()
	if object.GetNamespace() == "" {
		object.SetNamespace("dpi-system")
	}
	return client.NewDryRunClient(client.WithFieldValidation(cluster, metav1.FieldValidationStrict)).Create(t.Context(), object)
}

func parse(t *testing.T, document string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
		t.Fatalf("%v in:\n%s", err, document)
	}
	if len(object.Object) == 0 {
		return nil
	}
	return object
}
