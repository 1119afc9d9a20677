package component

import (
	"cmp"
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/health"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

// need is something that must be ready before the component may start.
type need struct {
	kind    string
	name    string
	found   bool
	ready   bool
	message string
	// because says why it is needed, where nobody declared it.
	because string
	// waitsFor is set on a binding that itself waits for its provider.
	waitsFor string
	// waits is set on a component that itself waits for another.
	waits bool
}

// observeGates reads the bindings and components that this one needs.
func (p *pass) observeGates(ctx context.Context) error {
	for _, reference := range p.object.Spec.Bindings {
		if gate := reference.GetGate(); gate != v1alpha1.GateReady && gate != v1alpha1.GateProvisional {
			continue
		}
		var binding v1alpha1.Binding
		found, err := p.get(ctx, reference.Name, &binding)
		if err != nil {
			return fmt.Errorf("read binding %s: %w", reference.Name, err)
		}
		if reference.GetGate() == v1alpha1.GateProvisional {
			p.facts.needs = append(p.facts.needs, need{
				kind: "binding", name: reference.Name, found: found, ready: binding.Status.Binding != nil, message: "it has no values yet",
			})
			continue
		}
		p.facts.needs = append(p.facts.needs, bindingNeed(reference.Name, &binding, found))
		if found {
			// Proved once, but its provider may be in the middle of an upgrade: that is waited for as well.
			if err := p.observeProvider(ctx, &binding); err != nil {
				return err
			}
		}
	}
	for _, name := range p.object.Spec.DependsOn {
		if err := p.observeComponent(ctx, string(name)); err != nil {
			return err
		}
	}
	return p.observeObjects(ctx)
}

// observeProvider looks at the component that provides. Of one in another namespace nothing is told but whether it works.
func (p *pass) observeProvider(ctx context.Context, binding *v1alpha1.Binding) error {
	if binding.Spec.Via != nil {
		if err := p.observeComponent(ctx, binding.Spec.Via.Component); err != nil {
			return err
		}
	}
	if !binding.IsForeign() {
		return p.observeComponent(ctx, binding.Spec.Provider.Component)
	}
	var component v1alpha1.Component
	err := p.Client.Get(ctx, binding.ProviderKey(), &component)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read component %s: %w", binding.ProviderName(), err)
	}
	needed := need{kind: "component", name: binding.ProviderName(), found: err == nil}
	if needed.found {
		needed.ready, _ = readiness(&component)
	}
	p.facts.needs = append(p.facts.needs, needed)
	return nil
}

func (p *pass) observeComponent(ctx context.Context, name string) error {
	var component v1alpha1.Component
	found, err := p.get(ctx, name, &component)
	if err != nil {
		return fmt.Errorf("read component %s: %w", name, err)
	}
	needed := need{kind: "component", name: name, found: found}
	if found {
		needed.ready, needed.message = readiness(&component)
		needed.waits = isWaiting(&component)
	}
	p.facts.needs = append(p.facts.needs, needed)
	return nil
}

// observeObjects looks at the objects of any kind that this component needs.
func (p *pass) observeObjects(ctx context.Context) error {
	if len(p.object.Spec.Needs) == 0 {
		return nil
	}
	ids := make([]render.ID, len(p.object.Spec.Needs))
	for i, each := range p.object.Spec.Needs {
		gvk := schema.FromAPIVersionAndKind(each.APIVersion, each.Kind)
		ids[i] = render.ID{
			Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind, Name: each.Name,
			Namespace: cmp.Or(each.Namespace, p.object.Namespace),
		}
	}
	objects, err := p.Live.Needed(ctx, client.ObjectKeyFromObject(p.object), ids...)
	if err != nil {
		return err
	}
	for i, each := range p.object.Spec.Needs {
		needed := need{kind: each.Kind, name: each.Name, found: objects[i] != nil}
		if needed.found {
			needed.ready, needed.message = health.Satisfies(objects[i], each.Ready)
		}
		p.facts.needs = append(p.facts.needs, needed)
	}
	return nil
}

func bindingNeed(name string, binding *v1alpha1.Binding, found bool) need {
	needed := need{kind: "binding", name: name, found: found}
	if !found {
		return needed
	}
	needed.ready, needed.message = readiness(binding)
	ready := conditions.Get(binding, v1alpha1.ReadyCondition)
	if ready != nil && ready.Reason == string(v1alpha1.ReasonWaitingForProvider) {
		needed.waitsFor = binding.ProviderName()
	}
	return needed
}

// isWaiting tells what a component waits for from what happens to it. To repeat the former would have a change at the
// head of a chain rewrite the status of every component behind it.
func isWaiting(component *v1alpha1.Component) bool {
	ready := conditions.Get(component, v1alpha1.ReadyCondition)
	return ready != nil &&
		(ready.Reason == string(v1alpha1.ReasonWaitingForDependency) || ready.Reason == string(v1alpha1.ReasonWaitingForBinding))
}

func readiness(object conditions.Object) (ready bool, message string) {
	condition := conditions.Get(object, v1alpha1.ReadyCondition)
	if condition == nil {
		return false, ""
	}
	return conditions.IsTrue(object, v1alpha1.ReadyCondition), condition.Message
}

func (p *pass) get(ctx context.Context, name string, into client.Object) (bool, error) {
	err := p.Client.Get(ctx, client.ObjectKey{Namespace: p.object.Namespace, Name: name}, into)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// gate names the first thing that is not ready, or nothing. It is pure.
func gate(f facts) *conditions.Verdict {
	for _, needed := range f.needs {
		if needed.found && needed.ready {
			continue
		}
		verdict := waitingFor(needed)
		return &verdict
	}
	return nil
}

func waitingFor(needed need) conditions.Verdict {
	if needed.waitsFor != "" {
		return conditions.False(v1alpha1.ReasonWaitingForBinding, fmt.Sprintf("Waiting for component %s (binding %s)", needed.waitsFor, needed.name))
	}
	reason := v1alpha1.ReasonWaitingForDependency
	if needed.kind == "binding" {
		reason = v1alpha1.ReasonWaitingForBinding
	}
	text := fmt.Sprintf("Waiting for %s %s", needed.kind, needed.name)
	switch {
	case needed.because != "":
		text += ": " + needed.because
	case !needed.found:
		text += ", which does not exist yet"
	case needed.waits:
		text += ", which waits itself"
	case needed.message != "":
		text += ": " + needed.message
	}
	return conditions.False(reason, text)
}
