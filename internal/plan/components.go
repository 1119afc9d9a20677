package plan

import (
	"encoding/json"
	"errors"
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
			if s.requirement.GetGate() == v1alpha1.GateReady && s.provider.home == nil {
				g.Add(m.name, s.provider.name)
				g.Add(m.name, s.source().name)
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
	spec.Registrations = m.registrations()
	if spec.Provisioners, err = ms.provisioners(m); err != nil {
		return spec, err
	}
	spec.Preparations = m.preparationSpecs()
	spec.Projections = m.projections()
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

// registrations are how consumers are registered over HTTP.
func (m *member) registrations() []v1alpha1.ComponentRegistration {
	var out []v1alpha1.ComponentRegistration
	for _, provided := range m.entry.Spec.Provides {
		if provided.HTTP != nil {
			out = append(out, v1alpha1.ComponentRegistration{Contract: v1alpha1.ContractName(provided.Contract), HTTP: *provided.HTTP})
		}
	}
	return out
}

// provisioners are the images of those that do not come with the operator.
func (ms *members) provisioners(m *member) ([]v1alpha1.ComponentProvisioner, error) {
	var out []v1alpha1.ComponentProvisioner
	for _, provided := range m.entry.Spec.Provides {
		if provided.ImageExpr == "" {
			continue
		}
		image, err := ms.provisionerImage(m, provided.ImageExpr)
		if err != nil {
			return nil, problem(v1alpha1.ReasonMappingFailed, "good %s provides %s: imageExpr: %v", m.good, provided.Contract, err)
		}
		out = append(out, v1alpha1.ComponentProvisioner{Contract: v1alpha1.ContractName(provided.Contract), Image: image})
	}
	return out, nil
}

// provisionerImage is the image of one that does not come with the operator; empty where nothing is said.
func (ms *members) provisionerImage(m *member, expression string) (string, error) {
	if expression == "" {
		return "", nil
	}
	return expr.EvaluateString(expression, expr.Scope{"facts": ms.facts(m), "component": m.scope(ms.in)})
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

// facts are the country's, together with where this member's images and Services are.
func (ms *members) facts(m *member) map[string]any {
	facts := m.whose(ms.in).Spec.Facts
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
	owners := claims{}
	for _, component := range p.Components {
		owner := "component " + component.Name
		if err := owners.claim("Component", owner, component.Object); err != nil {
			return err
		}
		var secrets []string
		for _, credential := range component.Spec.Credentials {
			if len(credential.Keys) > 0 {
				secrets = append(secrets, credential.SecretName)
			}
		}
		if err := owners.claim("Secret", owner, secrets...); err != nil {
			return err
		}
	}
	for _, binding := range p.Bindings {
		owner := "binding " + binding.Name
		if err := owners.claim("Binding", owner, binding.Name); err != nil {
			return err
		}
		secrets := []string{binding.Spec.SecretName}
		for _, form := range binding.Spec.Secrets {
			secrets = append(secrets, form.SecretName)
		}
		if err := owners.claim("Secret", owner, secrets...); err != nil {
			return err
		}
	}
	return nil
}

// claims are the owners of objects by kind and name.
type claims map[string]string

func (c claims) claim(kind, owner string, names ...string) error {
	for _, name := range names {
		key := kind + "/" + name
		if other, taken := c[key]; taken {
			return problem(v1alpha1.ReasonNameConflict, "%s and %s would both own %s %s; rename one of them", other, owner, kind, name)
		}
		c[key] = owner
	}
	return nil
}
