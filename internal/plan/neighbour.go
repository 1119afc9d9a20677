package plan

import (
	"cmp"
	"net/url"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/exports"
	"github.com/dpi-operator/dpi-operator/internal/naming"
)

// Neighbour is a component of another deployment, as far as a plan has to know it.
type Neighbour struct {
	// Deployment that has it; nil where none of that name exists.
	Deployment *v1alpha1.DPIDeployment
	// Component as it is in force; nil where there is none.
	Component *v1alpha1.Component
}

// ObjectName is the name of the Component that a member of a stack becomes.
func ObjectName(deployment, component string) string {
	return naming.Join(naming.ObjectMax, deployment, component)
}

// References lists the components of other deployments that a deployment names, each once, with their namespaces filled in:
// the keys of Input.Neighbours. Templates name none.
func References(deployment *v1alpha1.DPIDeployment) []v1alpha1.ProviderReference {
	var out []v1alpha1.ProviderReference
	for _, component := range deployment.Spec.Components {
		for _, binding := range component.Bindings {
			if binding.From == nil {
				continue
			}
			if reference := located(*binding.From, deployment); !slices.Contains(out, reference) {
				out = append(out, reference)
			}
		}
	}
	return out
}

// KeyOf names the Component that a reference with its namespace means.
func KeyOf(reference v1alpha1.ProviderReference) types.NamespacedName {
	return types.NamespacedName{Namespace: reference.Namespace, Name: ObjectName(reference.Deployment, reference.Component)}
}

func located(reference v1alpha1.ProviderReference, deployment *v1alpha1.DPIDeployment) v1alpha1.ProviderReference {
	if reference.Namespace == "" {
		reference.Namespace = deployment.Namespace
	}
	return reference
}

// neighbour returns the component of another deployment that is to fill a requirement, as a member that is in place already, and
// the terms on which it is exported. What the other namespace has beside it is not told.
func (ms *members) neighbour(where, consumer, contract string, from v1alpha1.ProviderReference) (*member, v1alpha1.ExportTerms, error) {
	reference := located(from, ms.in.Deployment)
	whole := "deployment " + reference.Namespace + "/" + reference.Deployment
	found := ms.in.Neighbours[reference]
	var terms v1alpha1.ExportTerms
	switch {
	case reference.Namespace == ms.in.Deployment.Namespace && reference.Deployment == ms.in.Deployment.Name:
		return nil, terms, problem(v1alpha1.ReasonInvalid, "%s is to come from this very deployment; write component: %s instead of from", where, reference.Component)
	case found.Deployment == nil:
		return nil, terms, problem(v1alpha1.ReasonUnknownDeployment, "%s is to come from %s, which does not exist where the operator works", where, whole)
	}
	if reference.Namespace != ms.in.Deployment.Namespace {
		var err *Problem
		if terms, err = ms.granted(found.Deployment, reference.Component, contract); err != nil {
			err.Message = where + " is to come from " + whole + ", " + err.Message
			return nil, terms, err
		}
	}
	if found.Component == nil {
		if err := ms.circleBack(consumer, KeyOf(reference)); err != nil {
			return nil, terms, err
		}
		return nil, terms, problem(v1alpha1.ReasonWaitingForProvider, "Waiting for component %s of %s, which is not in force", reference.Component, whole)
	}
	m, err := ms.memberOf(reference, found)
	if err != nil {
		return nil, terms, err
	}
	if _, ok := provides(m, contract); !ok {
		return nil, terms, problem(v1alpha1.ReasonNoProvider, "%s is to come from %s of %s, whose good %s does not provide it", where, reference.Component, whole, m.good)
	}
	return m, terms, nil
}

// granted returns the terms on which the deployment at hand may use what another exports.
func (ms *members) granted(owner *v1alpha1.DPIDeployment, component, contract string) (v1alpha1.ExportTerms, *Problem) {
	use := exports.Use{Contract: contract, Namespace: ms.in.Deployment.Namespace, Deployment: ms.in.Deployment.Name}
	standing, terms := exports.Judge(exports.Of(owner.Spec.Exports, component), use)
	switch standing {
	case exports.Granted:
		return terms, nil
	case exports.NotExported:
		return terms, problem(v1alpha1.ReasonNotExported, "which exports no component %s under %s; its owner can add to spec.exports there: {component: %s, contracts: [%s], to: [{namespace: %s}]}",
			component, contract, component, contract, use.Namespace)
	case exports.Revoked:
		return terms, problem(v1alpha1.ReasonNotGranted, "which revoked the access of namespace %s to component %s; ask its owner", use.Namespace, component)
	case exports.NotGranted:
	}
	return terms, problem(v1alpha1.ReasonNotGranted, "which exports component %s, but not to this one; its owner can add to the export's to: {namespace: %s}", component, use.Namespace)
}

// memberOf reads from a Component what a provider has to be known by.
func (ms *members) memberOf(reference v1alpha1.ProviderReference, found Neighbour) (*member, error) {
	spec := found.Component.Spec
	entry, ok := ms.in.Catalog.Goods[spec.Good.Name]
	if !ok {
		return nil, problem(v1alpha1.ReasonUnknownGood, "component %s of deployment %s/%s: good %q is unknown; the catalogue has %s",
			reference.Component, reference.Namespace, reference.Deployment, spec.Good.Name, names(ms.in.Catalog.Goods))
	}
	m := &member{
		stackComponent: stackComponent{name: reference.Component, good: spec.Good.Name}, entry: entry,
		version: v1alpha1.GoodVersion{Version: spec.Good.Version}, object: found.Component.Name, release: spec.ReleaseName,
		home: found.Deployment, given: spec.Credentials,
	}
	for _, each := range spec.Endpoints {
		parsed, err := url.Parse(each.URL)
		if err != nil {
			return nil, problem(v1alpha1.ReasonInvalid, "component %s/%s: endpoint %s is not an address", reference.Namespace, found.Component.Name, each.Name)
		}
		m.endpoints = append(m.endpoints, endpoint{name: each.Name, scheme: parsed.Scheme, host: each.Host, path: parsed.Path, port: each.Port})
	}
	return m, nil
}

// isForeign reports whether a member is in another namespace than the deployment.
func (ms *members) isForeign(m *member) bool {
	return m.home != nil && m.home.Namespace != ms.in.Deployment.Namespace
}

// whose is the deployment that a member belongs to.
func (m *member) whose(in Input) *v1alpha1.DPIDeployment {
	if m.home != nil {
		return m.home
	}
	return in.Deployment
}

// isOutdated reports whether a provider of another deployment, which may still be used, is no longer what the revision was planned
// with. What is refused now leaves the revision in force as it is.
func isOutdated(in Input, revision *v1alpha1.StackRevisionSpec) bool {
	for reference, found := range in.Neighbours {
		if found.Deployment == nil || found.Component == nil {
			continue
		}
		for _, binding := range revision.Bindings {
			provider := binding.Spec.Provider
			if cmp.Or(provider.Namespace, in.Deployment.Namespace) != reference.Namespace || provider.Component != found.Component.Name {
				continue
			}
			terms := v1alpha1.ExportTerms{}
			if provider.Namespace != "" {
				use := exports.Use{Contract: binding.Spec.Contract, Namespace: in.Deployment.Namespace, Deployment: in.Deployment.Name}
				var standing exports.Standing
				if standing, terms = exports.Judge(exports.Of(found.Deployment.Spec.Exports, reference.Component), use); standing != exports.Granted {
					continue
				}
			}
			if exports.Difference(binding.Spec, found.Component.Spec, terms) != "" {
				return true
			}
		}
	}
	return false
}

// checkExports returns a *Problem where a deployment exports what its stack does not have or provide, otherwise nil. Components
// are those of the revision it asks for. What a good provides is checked where the catalogue knows the good.
func checkExports(in Input, components []v1alpha1.RevisionComponent) *Problem {
	goods := map[string]string{}
	for _, component := range components {
		goods[component.Name] = component.Spec.Good.Name
	}
	for _, export := range in.Deployment.Spec.Exports {
		good, ok := goods[export.Component]
		if !ok {
			return problem(v1alpha1.ReasonUnknownComponent, "spec.exports names component %q, which is not in the stack; it has %s", export.Component, names(goods))
		}
		entry, known := in.Catalog.Goods[good]
		for _, contract := range export.Contracts {
			if _, ok := provides(&member{entry: entry}, string(contract)); known && !ok {
				return problem(v1alpha1.ReasonNoProvider, "spec.exports offers component %s under %s, which its good %s does not provide", export.Component, contract, good)
			}
		}
	}
	return nil
}
