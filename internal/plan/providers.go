package plan

import (
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/expr"
	"github.com/dpi-operator/dpi-operator/internal/values"
)

// provider is who fills a requirement, and the terms on which another namespace lets it.
type provider struct {
	member *member
	terms  v1alpha1.ExportTerms
}

// fill finds who fills a requirement, and makes an edge to each.
func (ms *members) fill(consumer *member, requirement v1alpha1.Requirement) error {
	where := "component " + consumer.name + ": requirement " + requirement.Name + " (" + requirement.Contract + ")"
	found, err := ms.providers(where, consumer, requirement)
	if err != nil {
		return err
	}
	if len(found) > 1 && consumer.bindings[requirement.Name].Given != "" {
		return problem(v1alpha1.ReasonInvalid, "%s has %d providers, and one Secret cannot hold the credentials for all; take given away", where, len(found))
	}
	for _, each := range found {
		if err := ms.connect(where, consumer, requirement, each); err != nil {
			return err
		}
	}
	return nil
}

// connect makes the edge, or those of the way through a mediator.
func (ms *members) connect(where string, consumer *member, requirement v1alpha1.Requirement, by provider) error {
	said := consumer.bindings[requirement.Name]
	inputs, err := ms.inputs(consumer, requirement)
	if err != nil {
		return err
	}
	requirement.Parameters = mergeJSON(mergeJSON(requirement.Parameters, inputs), said.Parameters)
	s, err := ms.edge(consumer, requirement, by, route{})
	if err == nil && said.Via != "" {
		s, err = ms.mediate(where, consumer, s)
	}
	if err == nil {
		err = s.check(consumer)
	}
	if err != nil {
		return err
	}
	consumer.slots = append(consumer.slots, s)
	return nil
}

// inputs are the parameters that follow from where the consumer is.
func (ms *members) inputs(consumer *member, requirement v1alpha1.Requirement) (*apiextensionsv1.JSON, error) {
	if len(requirement.Inputs) == 0 {
		return nil, nil
	}
	scope, tree := ms.mappingScope(consumer), values.Tree{}
	delete(scope, "bindings")
	for _, input := range requirement.Inputs {
		value, err := expr.Evaluate(input.Expr, scope)
		if err != nil {
			return nil, problem(v1alpha1.ReasonMappingFailed, "component %s: requirement %s: input %s: %v", consumer.name, requirement.Name, input.Name, err)
		}
		tree[input.Name] = value
	}
	return &apiextensionsv1.JSON{Raw: encode(tree)}, nil
}

// providers returns who fills the requirement: those that somebody named, or those that the stack has. A slot that may stay empty
// stays so unless somebody mentions it.
func (ms *members) providers(where string, consumer *member, requirement v1alpha1.Requirement) ([]provider, error) {
	binding, mentioned := consumer.bindings[requirement.Name]
	if from := binding.From; from != nil {
		found, terms, err := ms.neighbour(where, consumer.name, requirement.Contract, *from)
		return []provider{{member: found, terms: terms}}, err
	}
	if named := namesOf(binding); len(named) > 0 {
		return ms.namedProviders(where, named, requirement)
	}
	if requirement.GetMin() == 0 && !mentioned {
		return nil, nil
	}
	return ms.onlyProviders(where, consumer, requirement)
}

func namesOf(binding v1alpha1.StackBinding) []string {
	if binding.Component != "" {
		return []string{binding.Component}
	}
	var out []string
	for _, name := range binding.Components {
		out = append(out, string(name))
	}
	slices.Sort(out)
	return out
}

func (ms *members) namedProviders(where string, named []string, requirement v1alpha1.Requirement) ([]provider, error) {
	var out []provider
	for _, name := range named {
		found, ok := ms.byName[name]
		if !ok {
			return nil, problem(v1alpha1.ReasonUnknownComponent, "%s is bound to %q, which is not in the stack; it has %s", where, name, names(ms.byName))
		}
		if _, ok := provides(found, requirement.Contract); !ok {
			return nil, problem(v1alpha1.ReasonNoProvider, "%s is bound to %s, whose good %s does not provide it", where, name, found.good)
		}
		out = append(out, provider{member: found})
	}
	switch {
	case len(named) > requirement.GetMax():
		return nil, problem(v1alpha1.ReasonAmbiguousProvider, "%s takes at most %d, and is bound to %s", where, requirement.GetMax(), strings.Join(named, ", "))
	case len(named) < requirement.GetMin():
		return nil, problem(v1alpha1.ReasonNoProvider, "%s needs at least %d, and is bound to %s only", where, requirement.GetMin(), strings.Join(named, ", "))
	}
	return out, nil
}

// onlyProviders are those that the stack has, if there is no choice: all of them fit.
func (ms *members) onlyProviders(where string, consumer *member, requirement v1alpha1.Requirement) ([]provider, error) {
	candidates := map[string]*member{}
	var out []provider
	for _, each := range ms.list {
		if _, ok := provides(each, requirement.Contract); ok && each != consumer {
			candidates[each.name] = each
			out = append(out, provider{member: each})
		}
	}
	switch least := max(1, requirement.GetMin()); {
	case len(out) == 0:
		return nil, problem(v1alpha1.ReasonNoProvider, "%s has no provider in the stack; add one of these goods: %s", where, ms.goodsProviding(requirement.Contract))
	case len(out) < least:
		return nil, problem(v1alpha1.ReasonNoProvider, "%s needs at least %d, and the stack has %s only; add one of these goods: %s",
			where, least, names(candidates), ms.goodsProviding(requirement.Contract))
	case len(out) > requirement.GetMax() && requirement.TakesSeveral():
		return nil, problem(v1alpha1.ReasonAmbiguousProvider, "%s takes at most %d, and the stack has %s; name them under bindings", where, requirement.GetMax(), names(candidates))
	case len(out) > requirement.GetMax():
		return nil, problem(v1alpha1.ReasonAmbiguousProvider, "%s has more than one possible provider: %s; name one under bindings", where, names(candidates))
	}
	return out, nil
}

func provides(m *member, contract string) (v1alpha1.Provision, bool) {
	for _, provision := range m.entry.Spec.Provides {
		if provision.Contract == contract {
			return provision, true
		}
	}
	return v1alpha1.Provision{}, false
}

func (ms *members) goodsProviding(contract string) string {
	found := map[string]bool{}
	for name, good := range ms.in.Catalog.Goods {
		for _, provision := range good.Spec.Provides {
			if provision.Contract == contract {
				found[name] = true
			}
		}
	}
	return names(found)
}
