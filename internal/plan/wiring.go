package plan

import (
	"fmt"
	"sort"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/expr"
	"github.com/dpi-operator/dpi-operator/internal/naming"
	"github.com/dpi-operator/dpi-operator/internal/parameters"
	"github.com/dpi-operator/dpi-operator/internal/values"
)

// slot is a requirement with its provider.
type slot struct {
	requirement v1alpha1.Requirement
	provider    *member
	provision   v1alpha1.Provision
	contract    *v1alpha1.InterfaceContract
	binding     string
	sqlName     string
	parameters  values.Tree
	outputs     []v1alpha1.BindingOutput
	// proofImage carries out a method of proof that does not come with the operator.
	proofImage string
	// registers is as what the provider registers the consumer, where that is another contract.
	registers *v1alpha1.BindingRegistration
	// scope is where at the provider the consumer is registered.
	scope string
	route
}

// secretName is the Secret the consumer reads.
func (s slot) secretName() string { return s.binding }

// wire finds the provider of every requirement and states the outputs of every edge.
func (ms *members) wire() error {
	for _, consumer := range ms.list {
		for name := range consumer.dependsOn {
			if ms.byName[name] == nil {
				return problem(v1alpha1.ReasonUnknownComponent, "component %s depends on %q, which is not in the stack; it has %s", consumer.name, name, names(ms.byName))
			}
		}
		if consumer.external != nil {
			continue
		}
		for _, requirement := range consumer.entry.Spec.Requires {
			if err := ms.fill(consumer, requirement); err != nil {
				return err
			}
		}
	}
	return nil
}

// route is how an edge goes, where it is not a direct one: through a mediator, or from it to the provider it publishes.
type route struct {
	via       *passage
	publishes string
}

// edge resolves an edge; who makes it checks it.
func (ms *members) edge(consumer *member, requirement v1alpha1.Requirement, by provider, along route) (slot, error) {
	contract, ok := ms.in.Catalog.Contracts[requirement.Contract]
	if !ok {
		return slot{}, problem(v1alpha1.ReasonUnknownContract, "good %s requires contract %q, which the catalogue lacks; it has %s",
			consumer.good, requirement.Contract, names(ms.in.Catalog.Contracts))
	}
	provision, _ := provides(by.member, requirement.Contract)
	asked := mergeJSON(requirement.Parameters, by.terms.Parameters)
	resolved, err := parameters.Resolve(raw(contract.Spec.Parameters), raw(asked))
	if err != nil {
		return slot{}, problem(v1alpha1.ReasonUnknownParameter, "component %s: requirement %s: %v", consumer.name, requirement.Name, err)
	}
	s := slot{
		requirement: requirement, provider: by.member, provision: provision, contract: contract, parameters: resolved, route: along,
	}
	s.scope = scopeOf(contract, resolved)
	ms.nameEdge(&s, consumer)
	if s.proofImage, err = ms.proofImage(consumer, contract); err != nil {
		return slot{}, err
	}
	s.outputs, err = ms.outputs(consumer, s)
	return s, err
}

// scopeOf states the parameters that say where at the provider a consumer is registered.
func scopeOf(contract *v1alpha1.InterfaceContract, resolved values.Tree) string {
	parts := make([]string, 0, len(contract.Spec.Scope))
	for _, name := range contract.Spec.Scope {
		parts = append(parts, fmt.Sprintf("%s=%v", name, resolved[name]))
	}
	return strings.Join(parts, ",")
}

func (ms *members) proofImage(consumer *member, contract *v1alpha1.InterfaceContract) (string, error) {
	expression := contract.Spec.Verification.ImageExpr
	if expression == "" {
		return "", nil
	}
	image, err := expr.EvaluateString(expression, expr.Scope{"facts": ms.facts(consumer)})
	if err != nil {
		return "", problem(v1alpha1.ReasonMappingFailed, "contract %s: verification: imageExpr: %v", contract.Name, err)
	}
	return image, nil
}

// check makes sure that the edge can be made as it is declared.
func (s slot) check(consumer *member) error {
	if err := s.checkProvisional(consumer); err != nil {
		return err
	}
	if err := s.checkProvider(consumer); err != nil {
		return err
	}
	if err := s.checkAdmin(consumer); err != nil {
		return err
	}
	return s.checkForms(consumer)
}

// nameEdge names the binding and what is made for it. A provider in another namespace knows the binding with its namespace, where
// it would be one of many of its name; and a requirement that moves there becomes another binding, which is made before the old
// one goes.
func (ms *members) nameEdge(s *slot, consumer *member) {
	parts := []string{ms.in.Deployment.Name, consumer.name, s.requirement.Name}
	if s.requirement.TakesSeveral() {
		parts = append(parts, s.source().name)
	}
	if s.via != nil {
		parts = append(parts, "via", s.provider.name)
	}
	if s.publishes != "" {
		parts = append(parts, s.publishes)
	}
	s.binding, s.sqlName = naming.Join(naming.ObjectMax, parts...), naming.SQL(parts...)
	if ms.isForeign(s.provider) {
		s.binding = naming.Join(naming.ObjectMax, append(parts, s.provider.home.Namespace)...)
		s.sqlName = naming.SQL(append([]string{ms.in.Deployment.Namespace}, parts...)...)
	}
}

func (ms *members) outputs(consumer *member, s slot) ([]v1alpha1.BindingOutput, error) {
	scope := ms.edgeScope(consumer, s)
	var outputs []v1alpha1.BindingOutput
	for _, declared := range s.contract.Spec.Outputs {
		items, err := items(s, declared)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			output := v1alpha1.BindingOutput{
				Name: item.prefix + declared.Name, Origin: declared.Origin, Format: keyFormat(declared),
				KeyPair: declared.KeyPair, PublicOf: declared.PublicOf, CertificateOf: declared.CertificateOf,
			}
			if s.requirement.GetGate() == v1alpha1.GateProvisional {
				output.Provisional = declared.Provisional
			}
			scope["item"] = item.value
			output.Value, err = ms.outputValue(s, declared, scope)
			if err == nil {
				output.Request, err = certificateRequest(declared.Request, scope)
			}
			if err == nil {
				output.Alternate, err = alternate(declared, scope)
			}
			if err != nil {
				return nil, problem(v1alpha1.ReasonMappingFailed, "component %s: requirement %s: output %s: %v", consumer.name, s.requirement.Name, declared.Name, err)
			}
			outputs = append(outputs, output)
		}
	}
	return outputs, nil
}

// repetition is one item of the list parameter an output is repeated for.
type repetition struct {
	prefix string
	value  any
}

// keyFormat is the format of an output that is a key. Others are read as text, whatever they look like.
func keyFormat(declared v1alpha1.ContractOutput) v1alpha1.OutputFormat {
	if declared.KeyPair == nil && declared.PublicOf == "" {
		return ""
	}
	return declared.Format
}

// items are what an output is repeated for: once, not at all where what was asked for does not call for it, or by a list.
func items(s slot, declared v1alpha1.ContractOutput) ([]repetition, error) {
	if declared.When != "" {
		applies, err := expr.EvaluateBool(declared.When, expr.Scope{"parameters": s.parameters})
		if err != nil {
			return nil, problem(v1alpha1.ReasonMappingFailed, "requirement %s: output %s: when: %v", s.requirement.Name, declared.Name, err)
		}
		if !applies {
			return nil, nil
		}
	}
	if declared.ForEach == "" {
		return []repetition{{value: map[string]any{}}}, nil
	}
	list, _ := s.parameters[declared.ForEach].([]any)
	var out []repetition
	for _, each := range list {
		item, ok := each.(map[string]any)
		name, named := item["name"].(string)
		if !ok || !named {
			return nil, problem(v1alpha1.ReasonUnknownParameter, "requirement %s: every item of parameter %q needs a name", s.requirement.Name, declared.ForEach)
		}
		out = append(out, repetition{prefix: name + "-", value: item})
	}
	return out, nil
}

func (ms *members) outputValue(s slot, declared v1alpha1.ContractOutput, scope expr.Scope) (*string, error) {
	var value string
	var err error
	switch declared.Origin {
	case v1alpha1.OriginDerived:
		value, err = expr.EvaluateString(declared.Expr, scope)
	case v1alpha1.OriginProvider:
		value, err = ms.stated(s, declared.Name, scope)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &value, checkValue(declared, value)
}

// alternate is the value that rotations exchange an output's value for, or nothing.
func alternate(declared v1alpha1.ContractOutput, scope expr.Scope) (*string, error) {
	if declared.AlternateExpr == "" {
		return nil, nil
	}
	value, err := expr.EvaluateString(declared.AlternateExpr, scope)
	return new(value), err
}

// stated is what the provider's entry says about an output, or the part of its endpoint of that name.
func (ms *members) stated(s slot, name string, scope expr.Scope) (string, error) {
	for _, output := range s.provision.Outputs {
		if output.Name == name {
			return expr.EvaluateString(output.Expr, scope)
		}
	}
	part, ok := scope["endpoint"].(map[string]any)[name].(string)
	if !ok {
		return "", problem(v1alpha1.ReasonMappingFailed, "good %s provides %s but does not state it", s.provider.good, s.contract.Name)
	}
	return part, nil
}

func (ms *members) edgeScope(consumer *member, s slot) expr.Scope {
	address := map[string]any{}
	if found, ok := s.provider.endpoint(s.provision.Endpoint); ok {
		address = found.scope()
	}
	return expr.Scope{
		"binding": map[string]any{
			"name": s.binding, "namespace": ms.in.Deployment.Namespace, "deployment": ms.in.Deployment.Name,
			"consumer": consumer.name, "provider": s.provider.name, "requirement": s.requirement.Name,
			"sqlName": s.sqlName,
		},
		"parameters": s.parameters,
		"endpoint":   address,
		"component":  s.provider.scope(ms.in),
		"facts":      ms.facts(s.provider),
		"item":       map[string]any{},
	}
}

func (ms *members) bindingSpecs() []v1alpha1.RevisionBinding {
	var out []v1alpha1.RevisionBinding
	for _, consumer := range ms.list {
		for _, s := range consumer.slots {
			out = append(out, v1alpha1.RevisionBinding{Name: s.binding, Spec: ms.bindingSpec(consumer, s)})
		}
		out = append(out, ms.preparing(consumer)...)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

func (ms *members) bindingSpec(consumer *member, s slot) v1alpha1.BindingSpec {
	spec := v1alpha1.BindingSpec{
		Contract: s.contract.Name,
		Type:     s.contract.Spec.Type,
		Provider: v1alpha1.BindingProvider{
			Component: s.provider.object, Provisioner: s.provision.Provisioner,
			AdminSecretName: s.provider.credentialSecret(s.provision.AdminCredential),
			Person:          s.provision.Person,
		},
		Publishes:  s.publishes,
		Via:        s.via.api(),
		Consumer:   v1alpha1.BindingConsumer{Component: consumer.object, Requirement: s.requirement.Name},
		Gate:       s.requirement.Gate,
		Outputs:    s.outputs,
		SecretName: s.secretName(),
		Secrets:    s.forms(),
		Verification: v1alpha1.BindingVerification{
			Method: s.contract.Spec.Verification.Method, Image: s.proofImage, Interval: s.contract.Spec.Verification.Interval,
		},
		DeletionPolicy: ms.in.Deployment.GetDeletionPolicy(),
		RotateAfter:    consumer.bindings[s.requirement.Name].RotateAfter,
		RotationGrace:  consumer.bindings[s.requirement.Name].RotationGrace,
	}
	if spec.Given = consumer.bindings[s.requirement.Name].Given; spec.Given != "" {
		spec.Provider.Provisioner, spec.Provider.AdminSecretName, spec.Provider.Person = "", "", nil
	}
	spec.Provider.Registers = s.registers
	spec.Provider.Scope = s.scope
	if ms.isForeign(s.provider) {
		spec.Provider.Namespace = s.provider.home.Namespace
	}
	if address, ok := s.provider.endpoint(s.provision.Endpoint); ok {
		spec.Provider.Endpoint = new(address.api())
	}
	spec.Parameters = s.asked()
	return spec
}

// asked are the parameters, nil where there are none.
func (s slot) asked() *apiextensionsv1.JSON {
	if len(s.parameters) == 0 {
		return nil
	}
	return &apiextensionsv1.JSON{Raw: encode(s.parameters)}
}

// credentialSecret names the Secret of a credential: the one a person gave for an external good, ours otherwise.
func (m *member) credentialSecret(name string) string {
	if name == "" {
		return ""
	}
	if m.home != nil {
		return secretOf(m.given, name)
	}
	if m.external == nil {
		return naming.Join(naming.ObjectMax, m.object, name, "credential")
	}
	for _, given := range m.external.Credentials {
		if given.Name == name {
			return given.SecretName
		}
	}
	return ""
}

func secretOf(credentials []v1alpha1.ComponentCredential, name string) string {
	for _, each := range credentials {
		if each.Name == name {
			return each.SecretName
		}
	}
	return ""
}

// visible is what the consumer's mappings see of its bindings, as a list where a slot takes several: everything that is not secret and that no rotation changes.
func (m *member) visible() map[string]any {
	out := map[string]any{}
	for _, s := range m.slots {
		outputs := map[string]any{}
		for _, output := range s.outputs {
			if output.Value != nil && output.Alternate == nil {
				outputs[output.Name] = *output.Value
			}
		}
		if s.requirement.TakesSeveral() {
			outputs["component"], outputs["secretName"] = s.source().name, s.secretName()
			list, _ := out[s.requirement.Name].([]any)
			out[s.requirement.Name] = append(list, outputs)
			continue
		}
		out[s.requirement.Name] = outputs
	}
	return out
}

func (m *member) slot(name string) (slot, bool) {
	for _, s := range m.slots {
		if s.requirement.Name == name {
			return s, true
		}
	}
	return slot{}, false
}
