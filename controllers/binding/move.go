package binding

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/outcome"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// formersKept bounds how many changes of the provider are remembered while the consumer follows none of them.
const formersKept = 8

// follow notes where the provider is. One that was changed for it is remembered until the consumer has moved: its component is not
// taken down before.
func (p *pass) follow() {
	status, now := &p.object.Status, p.object.Spec.Provider
	if p.object.Spec.IsPreparation() {
		return
	}
	if was := status.CurrentProvider; was != nil && !was.IsAt(now) {
		status.FormerProviders = append(status.FormerProviders, v1alpha1.FormerProvider{Provider: *was, Since: metav1.NewTime(p.Now())})
	}
	status.FormerProviders = slices.DeleteFunc(status.FormerProviders, func(f v1alpha1.FormerProvider) bool { return f.Provider.IsAt(now) })
	if surplus := len(status.FormerProviders) - formersKept; surplus > 0 {
		status.FormerProviders = slices.Delete(status.FormerProviders, 0, surplus)
	}
	status.CurrentProvider = now.DeepCopy()
}

// observeFormer looks at the oldest provider that was changed for another.
func (p *pass) observeFormer(ctx context.Context) error {
	p.seen.former = former{}
	if len(p.object.Status.FormerProviders) == 0 {
		return nil
	}
	provider := p.object.Status.FormerProviders[0].Provider
	var component v1alpha1.Component
	found, err := p.getBesideProvider(ctx, provider.Component, &component)
	if err != nil {
		return fmt.Errorf("read component %s: %w", provider.Component, err)
	}
	p.seen.former.going = !found || !component.DeletionTimestamp.IsZero()
	p.seen.former.ends = found && component.Spec.Chart == nil && component.InstalledRelease() != ""
	for i := range component.Spec.Endpoints {
		at := v1alpha1.BindingProvider{Component: component.Name, Endpoint: &component.Spec.Endpoints[i]}
		// What runs elsewhere may be the same server under another name: an access that is taken away there could be the one in force.
		p.seen.former.installed = p.seen.former.installed || found && component.Spec.Chart != nil && at.IsAt(provider)
	}
	return nil
}

// former is the oldest provider that was changed for another.
type former struct {
	// going tells that its component is being deleted, or gone.
	going bool
	// installed tells that it still is what was installed for its component; ends, that this is taken down once nobody uses it.
	installed, ends bool
}

// hasMoved reports whether nobody uses the oldest former provider any more. A consumer that is not installed here cannot tell: its
// people have as long to fetch the new address as for rotated credentials, unless the provider goes.
func hasMoved(object *v1alpha1.Binding, seen observation, now time.Time) bool {
	former := object.Status.FormerProviders[0]
	if former.RetryAt != nil && now.Before(former.RetryAt.Time) {
		return false
	}
	if !seen.consumer.installed {
		return seen.former.going || !now.Before(moveEnd(object))
	}
	return seen.consumer.settled && seen.consumer.ready && seen.consumer.credentials == object.Status.Credentials.Version
}

func moveEnd(object *v1alpha1.Binding) time.Time {
	return object.Status.FormerProviders[0].Since.Add(object.Spec.GetRotationGrace())
}

// nextMove is when to look again at a move under way; zero where only an event can bring it on.
func nextMove(object *v1alpha1.Binding) time.Time {
	if len(object.Status.FormerProviders) == 0 {
		return time.Time{}
	}
	if retryAt := object.Status.FormerProviders[0].RetryAt; retryAt != nil {
		return retryAt.Time
	}
	return moveEnd(object)
}

func movingSentence(object *v1alpha1.Binding, seen observation) string {
	from := object.Status.FormerProviders[0].Provider
	text := "until then access at " + placeOf(from) + " stays"
	if seen.consumer.installed {
		return "waiting until component " + object.Spec.Consumer.Component + " works with it; " + text
	}
	return fmt.Sprintf("fetch the new address from Secret %s by %s; %s", object.Spec.SecretName, moveEnd(object).UTC().Format(time.RFC3339), text)
}

func placeOf(provider v1alpha1.BindingProvider) string {
	if provider.Endpoint == nil {
		return provider.Component
	}
	return fmt.Sprintf("%s (%s:%d)", provider.Component, provider.Endpoint.Host, provider.Endpoint.Port)
}

// leave takes the access away that the oldest former provider gave, as far as it can be asked, and forgets it.
func (p *pass) leave(ctx context.Context) (ended outcome.Outcome, stop bool) {
	former := &p.object.Status.FormerProviders[0]
	revoked := former.Provider.Provisioner == ""
	if !revoked && p.seen.former.installed && former.Attempts < revokeAttempts {
		result, running, err := p.revokeAt(ctx, former)
		switch {
		case err != nil:
			return outcome.Retry(err), true
		case running:
			return outcome.Wait(0), true
		case result.Phase != provision.PhaseDone:
			former.Attempts++
			delay := retryDelay(former.Attempts)
			former.RetryAt = new(metav1.NewTime(p.Now().Add(delay)))
			return outcome.Wait(delay), true
		}
		revoked = true
	}
	switch {
	case revoked:
		p.Events.Eventf(p.object, nil, corev1.EventTypeNormal, "Moved", "Move", "Nothing of this edge is left at %s", placeOf(former.Provider))
	case p.seen.former.ends:
		p.Events.Eventf(p.object, nil, corev1.EventTypeNormal, "Moved", "Move", "Access at %s ends with what runs there", placeOf(former.Provider))
	default:
		p.Events.Eventf(p.object, nil, corev1.EventTypeWarning, "NotRevoked", "Move",
			"Access at %s was not taken away; whoever runs it can", placeOf(former.Provider))
	}
	p.object.Status.FormerProviders = slices.Delete(p.object.Status.FormerProviders, 0, 1)
	return soon(), false
}

// revokeAt has a former provider end the consumer's access. One that does not work counts as one that fails.
func (p *pass) revokeAt(ctx context.Context, former *v1alpha1.FormerProvider) (result provision.Result, running bool, err error) {
	there := p.at(former)
	able, err := there.ableToRevoke(ctx)
	if err != nil || !able {
		return provision.Result{Phase: provision.PhaseRetry}, false, err
	}
	result, running, err = there.job(ctx, stepRevoke)
	p.recorded = append(p.recorded, there.recorded...)
	return result, running, err
}

// at is this pass as it would be at a former provider. Its Jobs are others, and what it notes in its status is not kept.
func (p *pass) at(former *v1alpha1.FormerProvider) *pass {
	there := *p
	there.object = p.object.DeepCopy()
	there.object.Spec.Provider = former.Provider
	there.object.Status.Attempts = former.Attempts
	return &there
}

// leaveAll leaves every former provider, because the binding goes.
func (p *pass) leaveAll(ctx context.Context) (ended outcome.Outcome, stop bool) {
	for len(p.object.Status.FormerProviders) > 0 {
		if retryAt := p.object.Status.FormerProviders[0].RetryAt; retryAt != nil && p.Now().Before(retryAt.Time) {
			return outcome.Wait(retryAt.Sub(p.Now())), true
		}
		if err := p.observeFormer(ctx); err != nil {
			return outcome.Retry(err), true
		}
		if ended, stop := p.leave(ctx); stop {
			return ended, true
		}
	}
	return outcome.Outcome{}, false
}
