package component

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/outcome"
	"github.com/dpi-operator/dpi-operator/internal/release"
	"github.com/dpi-operator/dpi-operator/internal/request"
)

// leave takes down what was installed here before the good came to run elsewhere, once every consumer has moved there. Its data is
// kept, whatever the policy: nobody deleted anything, and what runs elsewhere may have to be filled from it. So are the Secrets that it
// was started with, which open that data.
func (p *pass) leave(ctx context.Context) outcome.Outcome {
	name := p.object.InstalledRelease()
	if name == "" {
		return outcome.Done(0)
	}
	users, err := p.usersOfFormerRelease(ctx)
	if err != nil {
		return p.failed(err)
	}
	if len(users) > 0 {
		p.facts.leaving = fmt.Sprintf("Runs elsewhere; release %s is taken down once these use it no more: %s", name, strings.Join(users, ", "))
		return outcome.Done(0)
	}
	p.facts.leaving = fmt.Sprintf("Runs elsewhere; release %s is being taken down", name)
	removal := request.Removal(p.object)
	removal.Volumes = release.KeepVolumes
	kept, ended, stop := p.uninstall(ctx, removal)
	if stop {
		if err := ended.Err(); err != nil {
			p.facts.leaving += ": " + conditions.Line(err.Error())
		}
		return ended
	}
	if len(kept) > 0 {
		p.Events.Eventf(p.object, nil, corev1.EventTypeNormal, "DataRetained", "Leave", "Kept %s", strings.Join(kept, ", "))
	}
	p.forgetRelease()
	return outcome.Done(0)
}

func (p *pass) forgetRelease() {
	p.facts.leaving = ""
	status := &p.object.Status
	status.Release, status.StartedAt, status.RetryAt, status.Credentials, status.Objects = nil, nil, nil, nil, ""
	for _, condition := range []v1alpha1.ConditionType{v1alpha1.ReleasedCondition, v1alpha1.HealthyCondition, v1alpha1.DriftedCondition} {
		conditions.Remove(p.object, condition)
	}
	p.Live.Forget(client.ObjectKeyFromObject(p.object))
	p.drifts.forget(client.ObjectKeyFromObject(p.object))
}

// usersOfFormerRelease names the bindings that were not brought to where the good runs now, or whose consumers still use what was
// installed here.
func (p *pass) usersOfFormerRelease(ctx context.Context) ([]string, error) {
	bindings, err := p.providedFor(ctx, p.object)
	if err != nil {
		return nil, fmt.Errorf("look for consumers: %w", err)
	}
	var users []string
	for i := range bindings {
		binding := &bindings[i]
		if binding.Spec.IsPreparation() {
			continue
		}
		moved, err := p.hasMoved(ctx, binding)
		if err != nil {
			return nil, err
		}
		if moved {
			continue
		}
		name := "binding " + binding.Name
		if binding.IsForeign() {
			name = "binding " + binding.Namespace + "/" + binding.Name
		}
		users = append(users, name)
	}
	slices.Sort(users)
	return users, nil
}

func (p *pass) hasMoved(ctx context.Context, binding *v1alpha1.Binding) (bool, error) {
	remembered := slices.ContainsFunc(binding.Status.FormerAccess, func(f v1alpha1.FormerAccess) bool {
		return f.Provider.Component == p.object.Name
	})
	access, wanted := binding.Status.Access, binding.Spec.Provider
	switch {
	case remembered:
		return false, nil
	case wanted.Provisioner != "" && !binding.MayHoldAccess():
		// It never had access, or that was ended.
		return true, nil
	case binding.Spec.Via != nil && binding.Spec.Via.Component == p.object.Name:
		return p.isLedHere(ctx, binding)
	case access == nil, access.Provider.Component == p.object.Name && !p.serves(access.Provider):
		// It has not been looked at since.
		return access != nil && access.Provider.Endpoint == nil, nil
	case wanted.Component != p.object.Name, wanted.Endpoint == nil:
		return true, nil
	}
	return p.serves(wanted), nil
}

// isLedHere reports whether a mediator was proved to lead to where the good runs now.
func (p *pass) isLedHere(ctx context.Context, binding *v1alpha1.Binding) (bool, error) {
	var channel v1alpha1.Binding
	found, err := p.get(ctx, binding.Spec.Via.Channel, &channel)
	if err != nil {
		return false, fmt.Errorf("read binding %s: %w", binding.Spec.Via.Channel, err)
	}
	return found && conditions.IsTrue(&channel, v1alpha1.ReadyCondition) && conditions.IsTrue(binding, v1alpha1.ReadyCondition), nil
}

// serves reports whether one of the component's endpoints is where the provider is said to be.
func (p *pass) serves(provider v1alpha1.BindingProvider) bool {
	return slices.ContainsFunc(p.object.Spec.Endpoints, func(endpoint v1alpha1.Endpoint) bool {
		return provider.SharesAddress(v1alpha1.BindingProvider{Component: p.object.Name, Endpoint: &endpoint})
	})
}
