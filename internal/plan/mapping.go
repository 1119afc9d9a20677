package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/expr"
	"github.com/dpi-operator/dpi-operator/internal/placeholder"
	"github.com/dpi-operator/dpi-operator/internal/values"
)

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
	return tree, ms.mapEnvironments(m, tree)
}

// mapEnvironments comes when all else is said: a list that somebody wrote would replace another one, variables are merged.
func (ms *members) mapEnvironments(m *member, tree values.Tree) error {
	for _, said := range slices.Backward(m.layers) {
		if err := ms.mapOnly(m, tree, said.Mappings, hasEnv); err != nil {
			return problem(v1alpha1.ReasonMappingFailed, "component %s: %v", m.name, err)
		}
	}
	if err := ms.mapOnly(m, tree, m.entry.Spec.Values, hasEnv); err != nil {
		return problem(v1alpha1.ReasonMappingFailed, "component %s: good %s: %v", m.name, m.good, err)
	}
	return nil
}

func hasEnv(mapping v1alpha1.ValueMapping) bool { return len(mapping.Env) > 0 }

func hasNoEnv(mapping v1alpha1.ValueMapping) bool { return len(mapping.Env) == 0 }

func layer(tree values.Tree, over []byte) (values.Tree, error) {
	above, err := values.Decode(over)
	if err != nil {
		return nil, err
	}
	return values.Merge(tree, above), nil
}

func (ms *members) mapValues(m *member, tree values.Tree, mappings []v1alpha1.ValueMapping) error {
	return ms.mapOnly(m, tree, mappings, hasNoEnv)
}

func (ms *members) mapOnly(m *member, tree values.Tree, mappings []v1alpha1.ValueMapping, chosen func(v1alpha1.ValueMapping) bool) error {
	scope := ms.mappingScope(m)
	for _, mapping := range mappings {
		if !chosen(mapping) {
			continue
		}
		if mapping.When != "" {
			applies, err := expr.EvaluateBool(mapping.When, scope)
			if err != nil {
				return problem(v1alpha1.ReasonMappingFailed, "mapping of %s: when: %v", mapping.Path, err)
			}
			if !applies {
				continue
			}
		}
		value, err := mappedValue(m, tree, mapping, scope)
		if err == nil {
			err = values.Set(tree, mapping.Path, value)
		}
		if err != nil {
			return problem(v1alpha1.ReasonMappingFailed, "mapping of %s: %v", mapping.Path, err)
		}
	}
	return nil
}

func mappedValue(m *member, tree values.Tree, mapping v1alpha1.ValueMapping, scope expr.Scope) (any, error) {
	if given := sources(mapping); given != 1 {
		return nil, fmt.Errorf("give exactly one of value, expr, secretName, secretKeyRef, inline and env, not %d", given)
	}
	switch {
	case mapping.Value != nil:
		return values.DecodeAny(mapping.Value.Raw)
	case mapping.Expr != "":
		return expr.Evaluate(mapping.Expr, scope)
	case mapping.SecretKeyRef != nil:
		return keyReference(m, *mapping.SecretKeyRef)
	case mapping.Inline != nil:
		name, err := m.secret(mapping.Inline.Secret)
		if err != nil {
			return nil, err
		}
		return placeholder.Reference{Secret: name, Key: mapping.Inline.Key}.Text(), nil
	case len(mapping.Env) > 0:
		return environment(m, tree, mapping, scope)
	}
	return m.secret(mapping.SecretName)
}

// sources counts what a mapping takes its value from. CEL at admission cannot see a value of any type.
func sources(mapping v1alpha1.ValueMapping) int {
	given := 0
	for _, is := range []bool{
		mapping.Value != nil, mapping.Expr != "", mapping.SecretName != "", mapping.SecretKeyRef != nil, mapping.Inline != nil,
		len(mapping.Env) > 0,
	} {
		if is {
			given++
		}
	}
	return given
}

func keyReference(m *member, source v1alpha1.SecretKeySource) (any, error) {
	name, err := m.secret(source.Secret)
	if err != nil {
		return nil, err
	}
	return map[string]any{"name": name, "key": source.Key}, nil
}

// environment is the list of a mapping's variables, and after them those that are at the path already and win by name.
func environment(m *member, tree values.Tree, mapping v1alpha1.ValueMapping, scope expr.Scope) (any, error) {
	var list []any
	for _, variable := range mapping.Env {
		entry := map[string]any{"name": variable.Name}
		var err error
		switch {
		case variable.SecretKeyRef != nil:
			var reference any
			reference, err = keyReference(m, *variable.SecretKeyRef)
			entry["valueFrom"] = map[string]any{"secretKeyRef": reference}
		case variable.Expr != "":
			entry["value"], err = expr.EvaluateString(variable.Expr, scope)
		case variable.Value != nil:
			entry["value"] = *variable.Value
		}
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", variable.Name, err)
		}
		list = append(list, entry)
	}
	existing, _ := values.Get(tree, mapping.Path)
	return values.MergeByName(list, existing)
}

// secret is the name of a Secret of this component.
func (m *member) secret(source v1alpha1.SecretSource) (string, error) {
	kind, name, _ := strings.Cut(string(source), ":")
	if kind == "credential" {
		if secret := m.credentialSecret(name); secret != "" && declaresCredential(m.entry, name) {
			return secret, nil
		}
		return "", problem(v1alpha1.ReasonMappingFailed, "good %s declares no credential %q", m.good, name)
	}
	requirement, form, isForm := strings.Cut(name, "/")
	s, ok := m.slot(requirement)
	if !ok {
		return "", problem(v1alpha1.ReasonMappingFailed, "requirement %q is not bound; guard the mapping with when: \"'%s' in bindings\"", requirement, requirement)
	}
	if s.requirement.TakesSeveral() {
		return "", problem(v1alpha1.ReasonMappingFailed, "requirement %s takes several providers; use expr: bindings.%s.map(b, b.secretName)", requirement, requirement)
	}
	if !isForm {
		return s.secretName(), nil
	}
	for _, declared := range s.requirement.Secrets {
		if declared.Name == form {
			return s.formName(declared), nil
		}
	}
	return "", problem(v1alpha1.ReasonMappingFailed, "requirement %s declares no secret %q", requirement, form)
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
