package plan

import (
	"encoding/json"
	"sort"

	"github.com/Masterminds/semver/v3"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/parameters"
	"github.com/dpi-operator/dpi-operator/internal/values"
)

// stack is a deployment with its template unfolded.
type stack struct {
	template   string
	parameters values.Tree
	components []stackComponent
}

// stackComponent is one component with what the template and the deployment each say about it, weakest first.
type stackComponent struct {
	name      string
	good      string
	version   string
	external  *v1alpha1.ExternalComponent
	bindings  map[string]v1alpha1.StackBinding
	dependsOn map[string]bool
	layers    []v1alpha1.StackComponent
}

func expand(in Input) (stack, error) {
	out := stack{parameters: values.Tree{}}
	byName := map[string]*stackComponent{}
	spec := in.Deployment.Spec
	if spec.Template != nil {
		template, err := chooseTemplate(in.Catalog, *spec.Template)
		if err != nil {
			return stack{}, err
		}
		out.template = template.Name + " " + template.Spec.Version
		out.parameters, err = parameters.Resolve(raw(template.Spec.Parameters), raw(spec.Parameters))
		if err != nil {
			return stack{}, problem(v1alpha1.ReasonUnknownParameter, "template %s: %v", template.Name, err)
		}
		for _, component := range template.Spec.Components {
			overlay(byName, component)
		}
	}
	for _, component := range spec.Components {
		overlay(byName, component)
	}
	for _, component := range byName {
		out.components = append(out.components, *component)
	}
	sort.Slice(out.components, func(i, j int) bool { return out.components[i].name < out.components[j].name })
	return out, nil
}

func chooseTemplate(catalog Catalog, reference v1alpha1.TemplateReference) (*v1alpha1.StackTemplate, error) {
	template, ok := catalog.Templates[reference.Name]
	if !ok {
		return nil, problem(v1alpha1.ReasonUnknownTemplate, "template %q is unknown; the catalogue has %s", reference.Name, names(catalog.Templates))
	}
	if reference.Version == "" {
		return template, nil
	}
	constraint, err := semver.NewConstraint(reference.Version)
	if err != nil {
		return nil, problem(v1alpha1.ReasonInvalid, "template %s: version %q is not a constraint such as \">=1.0.0 <2.0.0\"", reference.Name, reference.Version)
	}
	version, err := semver.NewVersion(template.Spec.Version)
	if err != nil || !constraint.Check(version) {
		return nil, problem(v1alpha1.ReasonNoMatchingVersion, "template %s is at version %s, which does not satisfy %q", template.Name, template.Spec.Version, reference.Version)
	}
	return template, nil
}

func overlay(byName map[string]*stackComponent, layer v1alpha1.StackComponent) {
	component, ok := byName[layer.Name]
	if !ok {
		component = &stackComponent{
			name: layer.Name, bindings: map[string]v1alpha1.StackBinding{}, dependsOn: map[string]bool{},
		}
		byName[layer.Name] = component
	}
	if layer.Good != "" && layer.Good != component.good {
		// Another good speaks another language: what was said for the old one no longer applies.
		*component = stackComponent{
			name: layer.Name, good: layer.Good, bindings: map[string]v1alpha1.StackBinding{}, dependsOn: component.dependsOn,
		}
	}
	if layer.Version != "" {
		component.version = layer.Version
	}
	if layer.External != nil {
		component.external = layer.External
	}
	for _, binding := range layer.Bindings {
		component.bindings[binding.Requirement] = overlayBinding(component.bindings[binding.Requirement], binding)
	}
	for _, name := range layer.DependsOn {
		component.dependsOn[string(name)] = true
	}
	component.layers = append(component.layers, layer)
}

func overlayBinding(below, above v1alpha1.StackBinding) v1alpha1.StackBinding {
	if above.Component == "" && len(above.Components) == 0 && above.From == nil {
		above.Component, above.Components, above.From = below.Component, below.Components, below.From
	}
	if above.Via == "" {
		above.Via = below.Via
	}
	if above.Given == "" {
		above.Given = below.Given
	}
	if above.RotateAfter == nil {
		above.RotateAfter = below.RotateAfter
	}
	if above.RotationGrace == nil {
		above.RotationGrace = below.RotationGrace
	}
	above.Parameters = mergeJSON(below.Parameters, above.Parameters)
	return above
}

// mergeJSON lays over upon base. Both were accepted by the API server as JSON; what is not an object is taken as it is.
func mergeJSON(base, over *apiextensionsv1.JSON) *apiextensionsv1.JSON {
	if base == nil {
		return over
	}
	if over == nil {
		return base
	}
	below, errBelow := values.Decode(base.Raw)
	above, errAbove := values.Decode(over.Raw)
	if errBelow != nil || errAbove != nil {
		return over
	}
	merged, err := json.Marshal(values.Merge(below, above))
	if err != nil {
		return over
	}
	return &apiextensionsv1.JSON{Raw: merged}
}

func raw(value *apiextensionsv1.JSON) []byte {
	if value == nil {
		return nil
	}
	return value.Raw
}
