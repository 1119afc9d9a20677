package api_test

import (
	"strings"
	"testing"
)

func TestRules_preparations(t *testing.T) {
	const (
		served = good + `, endpoints: [{name: web, scheme: http, port: 80}], credentials: [{name: admin, keys: [{name: p, length: 16}]}], prepare: `
		step   = `{name: realm, endpoint: web, provisioner: http-upsert, adminCredential: admin, parameters: {realm: a}, http: ` + registration + `}`
	)
	changed := func(old, by string) string { return served + `[` + strings.Replace(step, old, by, 1) + `]}` }
	const binding = `{contract: preparation-v1, preparation: realm, type: preparation, provider: {component: p, provisioner: keycloak}, outputs: [{name: url, origin: Provider, value: u}], secretName: s, verification: {method: preparation-v1}}`
	without := func(old, by string) string { return strings.Replace(binding, old, by, 1) }
	cases := map[string]struct {
		kind, spec string
		// want is part of the refusal; empty means that the object is accepted.
		want string
	}{
		"a good with steps":            {"DigitalPublicGood", served + `[` + step + `, {name: users, endpoint: web, provisioner: keycloak}]}`, ""},
		"two steps of one name":        {"DigitalPublicGood", served + `[` + step + `, ` + step + `]}`, "Duplicate value"},
		"too many steps":               {"DigitalPublicGood", served + `[` + strings.Repeat(`{name: a, endpoint: web, provisioner: p},`, 9) + `]}`, "must have at most 8 items"},
		"an endpoint that is not":      {"DigitalPublicGood", changed("endpoint: web", "endpoint: api"), "prepare names an endpoint that is not declared"},
		"a step nowhere":               {"DigitalPublicGood", changed("endpoint: web, ", ""), "endpoint: Required"},
		"a step by nobody":             {"DigitalPublicGood", changed("provisioner: http-upsert, ", ""), "provisioner: Required"},
		"a good without endpoints":     {"DigitalPublicGood", good + `, prepare: [{name: a, endpoint: web, provisioner: keycloak}]}`, "prepare names an endpoint that is not declared"},
		"a credential that is not":     {"DigitalPublicGood", changed("adminCredential: admin", "adminCredential: root"), "prepare names an adminCredential"},
		"a user that is not":           {"DigitalPublicGood", changed("adminCredential: admin", "adminCredential: admin, credential: root"), "prepare names a credential that is not"},
		"a user that is":               {"DigitalPublicGood", changed("adminCredential: admin", "credential: admin"), ""},
		"http-upsert without http":     {"DigitalPublicGood", served + `[{name: realm, endpoint: web, provisioner: http-upsert}]}`, "provisioner http-upsert needs http"},
		"http for another provisioner": {"DigitalPublicGood", changed("provisioner: http-upsert", "provisioner: keycloak"), "no other one has it"},
		"http elsewhere":               {"DigitalPublicGood", changed("http: {objects", "http: {endpoint: api, objects"), "prepare names an endpoint under http"},
		"an image of its own":          {"DigitalPublicGood", served + `[{name: a, endpoint: web, provisioner: own, imageExpr: "'x'"}]}`, ""},
		"another image for a built-in": {"DigitalPublicGood", served + `[{name: a, endpoint: web, provisioner: keycloak, imageExpr: "'x'"}]}`, "give it a name that the built-in ones do not have"},
		"a name in capitals":           {"DigitalPublicGood", changed("name: realm", "name: Realm"), "prepare[0].name"},
		"a client": {
			"DigitalPublicGood",
			strings.Replace(strings.Replace(served, "class: Good", "class: Client", 1), ", chart: {name: c, version: 1.0.0}", "", 1) + `[{name: a, endpoint: web, provisioner: keycloak}]}`,
			"runs nowhere that could be prepared",
		},

		"a binding that prepares":           {"Binding", binding, ""},
		"one that also serves":              {"Binding", without("provider:", "consumer: {component: c, requirement: r}, provider:"), "has either a consumer, or prepares"},
		"one that does neither":             {"Binding", without("preparation: realm, ", ""), "has either a consumer, or prepares"},
		"one without a name":                {"Binding", without("preparation: realm", `preparation: ""`), "preparation: Invalid value"},
		"one under another contract":        {"Binding", without("contract: preparation-v1", "contract: c-v1"), "contract preparation-v1 is that of preparations"},
		"a consumer of preparations":        {"Binding", without("preparation: realm", "consumer: {component: c, requirement: r}"), "contract preparation-v1 is that of preparations"},
		"one without a provisioner":         {"Binding", without(", provisioner: keycloak", ""), "a preparation is made by a provisioner"},
		"one of another namespace":          {"Binding", without("component: p,", "component: p, namespace: other,"), "in its own namespace"},
		"one that somebody hands over":      {"Binding", without("secretName:", "given: g, secretName:"), "a preparation is made by a provisioner"},
		"a component with its preparations": {"Component", `{good: {name: g, version: "1"}, preparations: [{name: realm, binding: b, http: ` + registration + `}, {name: left}]}`, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := dryRun(t, parse(t, "apiVersion: dpi-operator.io/v1alpha1\nkind: "+tc.kind+"\nmetadata: {name: a, namespace: moh}\nspec: "+tc.spec))
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
