package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/expr"
	"github.com/dpi-operator/dpi-operator/internal/graph"
	"github.com/dpi-operator/dpi-operator/internal/values"
)

// order returns the members' names, each after what it needs. Only Ready edges count.
func (ms *members) order() ([]string, error) {
	var g graph.Graph
	for _, m := range ms.list {
		g.Add(m.name)
		for name := range m.dependsOn {
			g.Add(m.name, name)
		}
		for _, s := range m.slots {
			if s.requirement.GetGate() == v1alpha1.GateReady {
				g.Add(m.name, s.provider.name)
			}
		}
	}
	order, err := g.Order()
	if cycle, ok := errors.AsType[*graph.CycleError](err); ok {
		return nil, problem(v1alpha1.ReasonDependencyCycle, "components wait for each other: %s; remove one of these edges", strings.Join(cycle.Path, " → "))
	}
	return order, err
}

func (ms *members) componentSpecs(order []string) ([]v1alpha1.RevisionComponent, error) {
	out := make([]v1alpha1.RevisionComponent, 0, len(order))
	for _, name := range order {
		m := ms.byName[name]
		spec, err := ms.componentSpec(m)
		if err != nil {
			return nil, err
		}
		out = append(out, v1alpha1.RevisionComponent{Name: m.name, Object: m.object, Spec: spec})
	}
	return out, nil
}

func (ms *members) componentSpec(m *member) (v1alpha1.ComponentSpec, error) {
	needs, err := m.needs()
	if err != nil {
		return v1alpha1.ComponentSpec{}, err
	}
	spec := v1alpha1.ComponentSpec{
		Good:           v1alpha1.GoodReference{Name: m.good, Version: m.version.Version},
		DependsOn:      ms.dependencies(m),
		Needs:          needs,
		Health:         m.entry.Spec.Health,
		DeletionPolicy: ms.in.Deployment.GetDeletionPolicy(),
	}
	for _, each := range m.endpoints {
		spec.Endpoints = append(spec.Endpoints, each.api())
	}
	for _, s := range m.slots {
		spec.Bindings = append(spec.Bindings, v1alpha1.ComponentBinding{Name: s.binding, Gate: s.requirement.GetGate()})
	}
	spec.Credentials = m.credentials()
	if !m.installs() {
		return spec, nil
	}
	chart, err := ms.chart(m)
	if err != nil {
		return spec, err
	}
	spec.Chart = chart
	tree, err := ms.values(m)
	if err != nil {
		return spec, err
	}
	spec.ReleaseName = m.release
	spec.Policy = m.policy(ms.in.Deployment)
	spec.Values = &apiextensionsv1.JSON{Raw: encode(tree)}
	spec.Patches = m.patches()
	return spec, nil
}

func (ms *members) dependencies(m *member) []v1alpha1.ObjectName {
	var out []v1alpha1.ObjectName
	for name := range m.dependsOn {
		out = append(out, v1alpha1.ObjectName(ms.byName[name].object))
	}
	slices.Sort(out)
	return out
}

func (m *member) patches() []v1alpha1.KustomizePatch {
	patches := append([]v1alpha1.KustomizePatch(nil), m.entry.Spec.Patches...)
	for _, layer := range m.layers {
		patches = append(patches, layer.Patches...)
	}
	return patches
}

func (m *member) credentials() []v1alpha1.ComponentCredential {
	var out []v1alpha1.ComponentCredential
	for _, declared := range m.entry.Spec.Credentials {
		credential := v1alpha1.ComponentCredential{Name: declared.Name, SecretName: m.credentialSecret(declared.Name)}
		if m.external == nil {
			credential.Keys = declared.Keys
		}
		if credential.SecretName == "" {
			continue
		}
		out = append(out, credential)
	}
	return out
}

func (ms *members) chart(m *member) (*v1alpha1.ChartReference, error) {
	chart := *m.version.Chart
	if chart.Repository != "" {
		return &chart, nil
	}
	charts := ms.in.Catalog.chartsOf(m.entry)
	if charts == nil {
		return nil, problem(v1alpha1.ReasonInvalid,
			"good %s names no chart repository, and its catalogue has none either; set spec.charts.repository on the Catalog", m.good)
	}
	chart.Repository, chart.PlainHTTP = charts.Repository, charts.PlainHTTP
	return &chart, nil
}

// values layers, weakest first: the version's literals, the tier's sizing, the entry's mappings, then for the template
// and for the deployment their mappings and their values. The user's word comes last.
func (ms *members) values(m *member) (values.Tree, error) {
	tree, err := values.Decode(raw(m.version.Values))
	if err != nil {
		return nil, problem(v1alpha1.ReasonInvalid, "good %s: values of version %s: %v", m.good, m.version.Version, err)
	}
	for _, sizing := range m.entry.Spec.Sizing {
		if sizing.Tier != ms.in.Deployment.Spec.Facts.GetTier() {
			continue
		}
		if tree, err = layer(tree, sizing.Values.Raw); err != nil {
			return nil, problem(v1alpha1.ReasonInvalid, "good %s: sizing %s: %v", m.good, sizing.Tier, err)
		}
	}
	if err := ms.mapValues(m, tree, m.entry.Spec.Values); err != nil {
		return nil, problem(v1alpha1.ReasonMappingFailed, "component %s: good %s: %v", m.name, m.good, err)
	}
	for _, said := range m.layers {
		if err := ms.mapValues(m, tree, said.Mappings); err != nil {
			return nil, problem(v1alpha1.ReasonMappingFailed, "component %s: %v", m.name, err)
		}
		if tree, err = layer(tree, raw(said.Values)); err != nil {
			return nil, problem(v1alpha1.ReasonInvalid, "component %s: %v", m.name, err)
		}
	}
	return tree, nil
}

func layer(tree values.Tree, over []byte) (values.Tree, error) {
	above, err := values.Decode(over)
	if err != nil {
		return nil, err
	}
	return values.Merge(tree, above), nil
}

func (ms *members) mapValues(m *member, tree values.Tree, mappings []v1alpha1.ValueMapping) error {
	scope := ms.mappingScope(m)
	for _, mapping := range mappings {
		if mapping.When != "" {
			applies, err := expr.EvaluateBool(mapping.When, scope)
			if err != nil {
				return problem(v1alpha1.ReasonMappingFailed, "mapping of %s: when: %v", mapping.Path, err)
			}
			if !applies {
				continue
			}
		}
		value, err := mappedValue(m, mapping, scope)
		if err == nil {
			err = values.Set(tree, mapping.Path, value)
		}
		if err != nil {
			return problem(v1alpha1.ReasonMappingFailed, "mapping of %s: %v", mapping.Path, err)
		}
	}
	return nil
}

func mappedValue(m *member, mapping v1alpha1.ValueMapping, scope expr.Scope) (any, error) {
	if given := sources(mapping); given != 1 {
		return nil, fmt.Errorf("give exactly one of value, expr and secretName, not %d", given)
	}
	switch {
	case mapping.Value != nil:
		return values.DecodeAny(mapping.Value.Raw)
	case mapping.Expr != "":
		return expr.Evaluate(mapping.Expr, scope)
	}
	kind, name, _ := strings.Cut(mapping.SecretName, ":")
	if kind == "credential" {
		if secret := m.credentialSecret(name); secret != "" && declaresCredential(m.entry, name) {
			return secret, nil
		}
		return nil, problem(v1alpha1.ReasonMappingFailed, "good %s declares no credential %q", m.good, name)
	}
	s, ok := m.slot(name)
	if !ok {
		return nil, problem(v1alpha1.ReasonMappingFailed, "requirement %q is not bound; guard the mapping with when: \"'%s' in bindings\"", name, name)
	}
	return s.secretName(), nil
}

// sources counts what a mapping takes its value from. CEL at admission cannot see a value of any type.
func sources(mapping v1alpha1.ValueMapping) int {
	given := 0
	for _, is := range []bool{mapping.Value != nil, mapping.Expr != "", mapping.SecretName != ""} {
		if is {
			given++
		}
	}
	return given
}

func declaresCredential(entry *v1alpha1.DigitalPublicGood, name string) bool {
	for _, credential := range entry.Spec.Credentials {
		if credential.Name == name {
			return true
		}
	}
	return false
}

func (ms *members) mappingScope(m *member) expr.Scope {
	endpoints := map[string]any{}
	for _, each := range m.endpoints {
		endpoints[each.name] = each.scope()
	}
	return expr.Scope{
		"facts": ms.facts(m), "parameters": ms.parameters, "component": m.scope(ms.in),
		"endpoints": endpoints, "bindings": m.visible(),
	}
}

// facts are the country's, together with where this member's images and Services are.
func (ms *members) facts(m *member) map[string]any {
	facts := ms.in.Deployment.Spec.Facts
	locales := make([]any, 0, len(facts.Locales))
	for _, locale := range facts.Locales {
		locales = append(locales, string(locale))
	}
	return map[string]any{
		"country": facts.Country, "currency": facts.Currency, "timezone": facts.Timezone, "locales": locales,
		"tier": facts.GetTier(), "imageRegistry": ms.in.Catalog.imagesOf(m.entry), "clusterDomain": ms.in.ClusterDomain,
	}
}

// encode writes plain data that came from JSON; it cannot fail for such data.
func encode(tree values.Tree) []byte {
	out, err := json.Marshal(tree)
	if err != nil {
		return []byte("{}")
	}
	return out
}

// refuseClashes makes sure that no two objects of the stack share a name.
func refuseClashes(p Plan) error {
	owners := map[string]string{}
	claim := func(kind, name, owner string) error {
		key := kind + "/" + name
		if other, taken := owners[key]; taken {
			return problem(v1alpha1.ReasonNameConflict, "%s and %s would both own %s %s; rename one of them", other, owner, kind, name)
		}
		owners[key] = owner
		return nil
	}
	for _, component := range p.Components {
		if err := claim("Component", component.Object, "component "+component.Name); err != nil {
			return err
		}
		for _, credential := range component.Spec.Credentials {
			if len(credential.Keys) == 0 {
				continue
			}
			if err := claim("Secret", credential.SecretName, "component "+component.Name); err != nil {
				return err
			}
		}
	}
	for _, binding := range p.Bindings {
		if err := claim("Binding", binding.Name, "binding "+binding.Name); err != nil {
			return err
		}
		if err := claim("Secret", binding.Spec.SecretName, "binding "+binding.Name); err != nil {
			return err
		}
	}
	return nil
}
