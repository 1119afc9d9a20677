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

const (
	// drain is how long pods that were replaced may take to end: what Kubernetes gives them where nothing else is said.
	drain = 30 * time.Second
	// formersKept bounds how many changes of the provider are remembered while the consumer follows none of them.
	formersKept = 8
	// revokePatience bounds how long one is waited for that is there and does not work, to take access away at it.
	revokePatience = time.Hour
	// patienceInterval is how often it is looked at.
	patienceInterval = time.Minute
)

// follow notes what the provider is asked for, and where. A place that was changed for it is remembered until the consumer has moved:
// its component is not taken down before.
func (p *pass) follow() {
	spec, status := p.object.Spec, &p.object.Status
	now := v1alpha1.BindingAccess{Provider: spec.Provider, Parameters: spec.Parameters, Outputs: spec.Outputs}
	now = *now.DeepCopy()
	if was := status.Access; was != nil && (spec.IsPreparation() || was.Provider.IsAt(spec.Provider)) {
		now.RequestedAt = was.RequestedAt
	} else if was != nil {
		status.FormerAccess = append(status.FormerAccess, v1alpha1.FormerAccess{BindingAccess: *was, Since: metav1.NewTime(p.Now())})
	}
	status.FormerAccess = slices.DeleteFunc(status.FormerAccess, func(former v1alpha1.FormerAccess) bool {
		back := former.Provider.IsAt(spec.Provider)
		if back && now.RequestedAt == nil {
			now.RequestedAt = former.RequestedAt
		}
		return back
	})
	for len(status.FormerAccess) > formersKept {
		p.tellNotRevoked(status.FormerAccess[0])
		status.FormerAccess = slices.Delete(status.FormerAccess, 0, 1)
	}
	status.Access = &now
}

// former is the oldest place that was changed for another.
type former struct {
	// going tells that its component is being deleted, or gone.
	going bool
	// reachable tells that it is, for certain, another place than the one in force, and can be asked: what was installed for its
	// component, or another scope of the server that is in use. Anything that runs elsewhere may be the same server under another name,
	// so that an access that is taken away there could be the one in force.
	reachable bool
	// ends tells that it is taken down once nobody uses it.
	ends bool
}

// observeFormer looks at the oldest place that was changed for another.
func (p *pass) observeFormer(ctx context.Context) error {
	p.seen.former = former{}
	if len(p.object.Status.FormerAccess) == 0 {
		return nil
	}
	provider := p.object.Status.FormerAccess[0].Provider
	var component v1alpha1.Component
	found, err := p.getBesideProvider(ctx, provider.Component, &component)
	if err != nil {
		return fmt.Errorf("read component %s: %w", provider.Component, err)
	}
	serves := false
	for i := range component.Spec.Endpoints {
		serves = serves || provider.SharesAddress(v1alpha1.BindingProvider{Component: component.Name, Endpoint: &component.Spec.Endpoints[i]})
	}
	isInstalled := found && component.Spec.Chart != nil
	p.seen.former = former{
		going:     !found || !component.DeletionTimestamp.IsZero(),
		reachable: isInstalled && serves || found && provider.SharesAddress(p.object.Spec.Provider),
		ends:      found && !isInstalled && component.InstalledRelease() != "",
	}
	return nil
}

// hasMoved reports whether nobody uses the oldest former place any more. A consumer that is not installed here cannot tell: its
// people have as long to fetch the new address as for rotated credentials, unless the provider goes.
func hasMoved(object *v1alpha1.Binding, seen observation, now time.Time) bool {
	former := object.Status.FormerAccess[0]
	if former.RetryAt != nil && now.Before(former.RetryAt.Time) {
		return false
	}
	if rotation := object.Status.Rotation; rotation != nil && isBeforeSwitch(rotation.Phase) {
		return false
	}
	if !seen.consumer.installed {
		return seen.former.going || !now.Before(moveEnd(object))
	}
	hasRolled := seen.consumer.settled && seen.consumer.ready && seen.consumer.credentials == object.Status.Credentials.Version
	return hasRolled && !now.Before(seen.consumer.drained())
}

// drained is when the pods that the ones in force replaced have answered their last requests.
func (c consumer) drained() time.Time { return c.readySince.Add(drain) }

// moveEnd is when people have had their time to follow, since the new place was proved.
func moveEnd(object *v1alpha1.Binding) time.Time {
	since := object.Status.FormerAccess[0].Since.Time
	if switched := object.Status.Credentials; switched != nil && switched.ChangedAt != nil && switched.ChangedAt.After(since) {
		since = switched.ChangedAt.Time
	}
	return since.Add(object.Spec.GetRotationGrace())
}

// nextMove is when to look again at a move under way; zero where only an event can bring it on.
func nextMove(object *v1alpha1.Binding, seen observation) time.Time {
	if len(object.Status.FormerAccess) == 0 {
		return time.Time{}
	}
	retryAt := object.Status.FormerAccess[0].RetryAt
	switch {
	case retryAt != nil:
		return retryAt.Time
	case seen.consumer.installed && seen.consumer.ready:
		return seen.consumer.drained()
	}
	return moveEnd(object)
}

func movingSentence(object *v1alpha1.Binding, seen observation) string {
	text := "until then access at " + placeOf(object.Status.FormerAccess[0].Provider) + " stays"
	if seen.consumer.installed {
		return "waiting until component " + object.Spec.Consumer.Component + " works with it; " + text
	}
	return fmt.Sprintf("fetch the new address from Secret %s by %s; %s", object.Spec.SecretName, moveEnd(object).UTC().Format(time.RFC3339), text)
}

func placeOf(provider v1alpha1.BindingProvider) string {
	where := provider.Scope
	if endpoint := provider.Endpoint; endpoint != nil {
		address := fmt.Sprintf("%s:%d", endpoint.Host, endpoint.Port)
		if where != "" {
			address += ", "
		}
		where = address + where
	}
	if where == "" {
		return provider.Component
	}
	return provider.Component + " (" + where + ")"
}

// leave takes the access away that the oldest former place gave, as far as it can be asked, and forgets it.
func (p *pass) leave(ctx context.Context) (ended outcome.Outcome, stop bool) {
	former := &p.object.Status.FormerAccess[0]
	isHeld := former.Provider.Provisioner != "" && former.RequestedAt != nil
	isAsked := isHeld && p.seen.former.reachable && former.Attempts < revokeAttempts
	if isAsked {
		delay, err := p.revokeAt(ctx, former)
		switch {
		case err != nil:
			return outcome.Retry(err), true
		case delay > 0:
			former.RetryAt = new(metav1.NewTime(p.Now().Add(delay)))
			return outcome.Wait(delay), true
		case delay < 0:
			return outcome.Wait(0), true
		}
	}
	place := placeOf(former.Provider)
	switch {
	case isAsked:
		p.Events.Eventf(p.object, nil, corev1.EventTypeNormal, "Moved", "Move", "Took the access away that %s gave", place)
	case !isHeld:
		p.Events.Eventf(p.object, nil, corev1.EventTypeNormal, "Moved", "Move", "%s is no longer used", place)
	case p.seen.former.ends:
		p.Events.Eventf(p.object, nil, corev1.EventTypeNormal, "Moved", "Move", "Access at %s ends with what runs there", place)
	default:
		p.tellNotRevoked(*former)
	}
	p.object.Status.FormerAccess = slices.Delete(p.object.Status.FormerAccess, 0, 1)
	return soon(), false
}

func (p *pass) tellNotRevoked(former v1alpha1.FormerAccess) {
	p.Events.Eventf(p.object, nil, corev1.EventTypeWarning, "NotRevoked", "Move",
		"Access at %s was not taken away; whoever runs it can", placeOf(former.Provider))
}

// revokeAt has a former place end the consumer's access. It returns zero once that is done, how long to wait before the next attempt,
// or less than zero while a Job runs.
func (p *pass) revokeAt(ctx context.Context, former *v1alpha1.FormerAccess) (time.Duration, error) {
	there := p.at(former)
	able, err := there.ableToRevoke(ctx)
	if err != nil {
		return 0, err
	}
	if able == revokeLater && p.Now().Before(former.Since.Add(revokePatience)) {
		return patienceInterval, nil
	}
	result := provision.Result{Phase: provision.PhaseRetry}
	if able == revokeNow {
		var running bool
		result, running, err = there.job(ctx, stepRevoke)
		if err != nil || running {
			return -1, err
		}
		p.recorded = append(p.recorded, there.recorded...)
	}
	if result.Phase == provision.PhaseDone {
		return 0, nil
	}
	former.Attempts++
	return retryDelay(former.Attempts), nil
}

// at is this pass as it would be at a former place. Its Jobs are others, and what it notes in its status is not kept.
func (p *pass) at(former *v1alpha1.FormerAccess) *pass {
	there := *p
	there.leaving, there.recorded = true, nil
	there.object = p.object.DeepCopy()
	there.object.Spec.Provider, there.object.Spec.Parameters, there.object.Spec.Outputs = former.Provider, former.Parameters, former.Outputs
	there.object.Status.Attempts = former.Attempts
	return &there
}

// leaveAll leaves every former place, because the binding goes.
func (p *pass) leaveAll(ctx context.Context) (ended outcome.Outcome, stop bool) {
	for len(p.object.Status.FormerAccess) > 0 {
		if retryAt := p.object.Status.FormerAccess[0].RetryAt; retryAt != nil && p.Now().Before(retryAt.Time) {
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
