package plan

import (
	"fmt"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/expr"
	"github.com/dpi-operator/dpi-operator/internal/naming"
)

// passage is the way of an edge through a mediator: who is behind it, and the binding that leads there.
type passage struct {
	source  *member
	channel string
}

func (p *passage) api() *v1alpha1.BindingVia {
	if p == nil {
		return nil
	}
	return &v1alpha1.BindingVia{Component: p.source.object, Channel: p.channel}
}

// source is who provides in the end.
func (s slot) source() *member {
	if s.via != nil {
		return s.via.source
	}
	return s.provider
}

// mediate leads a direct edge through the mediator that the deployment names: it makes the channel to the provider, unless another
// consumer has it made, and returns the consumer's edge, which is one of the same contract at the mediator's address.
func (ms *members) mediate(where string, consumer *member, direct slot) (slot, error) {
	mediator, mediation, err := ms.mediator(where, consumer, direct)
	if err != nil {
		return slot{}, err
	}
	explain := func(part string, err error) error {
		return problem(v1alpha1.ReasonMappingFailed, "good %s mediates %s: %s: %v", mediator.good, direct.contract.Name, part, err)
	}
	scope := expr.Scope{"upstream": ms.upstream(direct)}
	asked, err := edgeParameters(mediation.Channel, scope)
	if err != nil {
		return slot{}, explain("channel", err)
	}
	channel, err := ms.channel(mediator, direct, v1alpha1.Requirement{
		Name: "via-" + mediator.name, Contract: string(mediation.Channel.Contract), Gate: v1alpha1.GateAfter, Parameters: asked,
	})
	if err != nil {
		return slot{}, err
	}
	scope["channel"] = stated(channel)
	client := direct.requirement
	client.Contract = string(mediation.Client.Contract)
	if client.Parameters, err = edgeParameters(mediation.Client, scope); err != nil {
		return slot{}, explain("client", err)
	}
	s, err := ms.edge(consumer, client, provider{member: mediator}, route{via: &passage{source: direct.provider, channel: channel.binding}})
	if err != nil {
		return slot{}, err
	}
	if err := s.checkProvider(consumer); err != nil {
		return slot{}, err
	}
	if s, err = passOn(direct, s, mediation.Outputs, scope); err != nil {
		return slot{}, explain("outputs", err)
	}
	return s, nil
}

// mediator finds who stands in between, and how it does.
func (ms *members) mediator(where string, consumer *member, direct slot) (*member, v1alpha1.Mediation, error) {
	name := consumer.bindings[direct.requirement.Name].Via
	found, ok := ms.byName[name]
	var none v1alpha1.Mediation
	switch {
	case !ok:
		return nil, none, problem(v1alpha1.ReasonUnknownComponent, "%s goes via %q, which is not in the stack; it has %s", where, name, names(ms.byName))
	case found == direct.provider || found == consumer:
		return nil, none, problem(v1alpha1.ReasonInvalid, "%s goes via %s, which is an end of the edge already; take via away", where, name)
	case ms.isForeign(direct.provider):
		return nil, none, problem(v1alpha1.ReasonInvalid, "%s comes from another namespace and cannot go via %s: let its owner mediate it there and export the mediator", where, name)
	case direct.provision.Provisioner != "" || direct.provision.Person != nil:
		return nil, none, problem(v1alpha1.ReasonInvalid,
			"%s cannot go via %s: good %s makes credentials for each consumer, which a mediator has not got; take via away", where, name, direct.provider.good)
	}
	for _, mediation := range found.entry.Spec.Mediates {
		if slices.Contains(mediation.Contracts, v1alpha1.ContractName(direct.contract.Name)) {
			return found, mediation, nil
		}
	}
	return nil, none, problem(v1alpha1.ReasonNoProvider, "%s goes via %s, whose good %s does not mediate it; these goods do: %s",
		where, name, found.good, ms.goodsMediating(direct.contract.Name))
}

func (ms *members) goodsMediating(contract string) string {
	found := map[string]bool{}
	for name, good := range ms.in.Catalog.Goods {
		for _, mediation := range good.Spec.Mediates {
			if slices.Contains(mediation.Contracts, v1alpha1.ContractName(contract)) {
				found[name] = true
			}
		}
	}
	return names(found)
}

// channel is the edge that publishes the provider at the mediator. Consumers of the same contract share it.
func (ms *members) channel(mediator *member, direct slot, requirement v1alpha1.Requirement) (slot, error) {
	published := direct.provider
	s, err := ms.edge(published, requirement, provider{member: mediator}, route{publishes: direct.contract.Name})
	if err != nil {
		return slot{}, err
	}
	for _, other := range published.slots {
		if other.binding == s.binding {
			return s, nil
		}
	}
	if err := s.check(published); err != nil {
		return slot{}, err
	}
	published.slots = append(published.slots, s)
	return s, nil
}

// upstream is what expressions see of the provider behind a mediator.
func (ms *members) upstream(direct slot) map[string]any {
	out := stated(direct)
	source := direct.provider
	namespace, deployment := ms.in.Deployment.Namespace, ms.in.Deployment.Name
	out["name"] = naming.Join(naming.ObjectMax, namespace, deployment, source.name)
	out["namespace"], out["deployment"], out["component"], out["contract"] = namespace, deployment, source.name, direct.contract.Name
	return out
}

// stated are the outputs of an edge that are known now and stay.
func stated(s slot) map[string]any {
	out := map[string]any{}
	for _, output := range s.outputs {
		if output.Value != nil && output.Alternate == nil {
			out[output.Name] = *output.Value
		}
	}
	return out
}

func edgeParameters(edge v1alpha1.MediationEdge, scope expr.Scope) (*apiextensionsv1.JSON, error) {
	if edge.ParametersExpr == "" {
		return nil, nil
	}
	value, err := expr.Evaluate(edge.ParametersExpr, scope)
	if err != nil {
		return nil, err
	}
	tree, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%q gives %T, want a map", edge.ParametersExpr, value)
	}
	return &apiextensionsv1.JSON{Raw: encode(tree)}, nil
}

// passOn makes the consumer's edge of what it would be directly and of the client that the mediator registers: the outputs of both,
// and those of the mediator over them.
func passOn(direct, client slot, over []v1alpha1.OutputExpression, scope expr.Scope) (slot, error) {
	s := client
	s.registers = &v1alpha1.BindingRegistration{Contract: v1alpha1.ContractName(client.contract.Name), Parameters: client.asked()}
	s.contract, s.requirement, s.parameters, s.proofImage = direct.contract, direct.requirement, direct.parameters, direct.proofImage
	s.outputs = slices.Clone(direct.outputs)
	position := func(name string) int {
		return slices.IndexFunc(s.outputs, func(o v1alpha1.BindingOutput) bool { return o.Name == name })
	}
	for _, each := range over {
		value, err := expr.EvaluateString(each.Expr, scope)
		if err != nil {
			return s, fmt.Errorf("%s: %w", each.Name, err)
		}
		output := v1alpha1.BindingOutput{Name: each.Name, Origin: v1alpha1.OriginDerived, Value: &value}
		if at := position(each.Name); at >= 0 {
			s.outputs[at] = output
		} else {
			s.outputs = append(s.outputs, output)
		}
	}
	for _, output := range client.outputs {
		if position(output.Name) < 0 {
			s.outputs = append(s.outputs, output)
		}
	}
	for _, declared := range s.contract.Spec.Outputs {
		if at := position(declared.Name); at >= 0 && s.outputs[at].Value != nil {
			if err := checkValue(declared, *s.outputs[at].Value); err != nil {
				return s, fmt.Errorf("%s: %w", declared.Name, err)
			}
		}
	}
	return s, nil
}
