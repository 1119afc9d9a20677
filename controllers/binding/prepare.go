package binding

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/outcome"
)

// observePreparations finds the first step of the provider's preparation that is not done: of all steps for a binding that serves
// a consumer, of those before its own for a binding that is a step itself. The provider says which there are and in which order:
// a Binding is not believed that it prepares anything.
func (p *pass) observePreparations(ctx context.Context, provider *v1alpha1.Component) error {
	p.seen.preparation = ""
	own, listed := provider.Spec.Preparation(p.object.Name)
	p.seen.asked = p.object.Spec.IsPreparation() && listed
	if err := p.observeStepCredential(ctx, provider, own.Credential); err != nil {
		return err
	}
	for _, step := range provider.Spec.Preparations {
		if p.seen.asked && step.Name == own.Name {
			return nil
		}
		if step.Binding == "" {
			continue
		}
		var binding v1alpha1.Binding
		found, err := p.getBesideProvider(ctx, step.Binding, &binding)
		if err != nil {
			return fmt.Errorf("read binding %s: %w", step.Binding, err)
		}
		if !found || !isDone(&binding) {
			p.seen.preparation = step.Name
			return nil
		}
	}
	return nil
}

// observeStepCredential finds the provider's Secret that a step puts in force. One that is not there keeps the provider itself from
// being ready.
func (p *pass) observeStepCredential(ctx context.Context, provider *v1alpha1.Component, name string) error {
	p.seen.credential, p.seen.credentialVersion = "", ""
	for _, each := range provider.Spec.Credentials {
		if each.Name != name || !p.seen.asked {
			continue
		}
		secret := secretObject()
		if _, err := p.getBesideProvider(ctx, each.SecretName, secret); err != nil {
			return fmt.Errorf("read Secret %s: %w", each.SecretName, err)
		}
		p.seen.credential, p.seen.credentialVersion = each.SecretName, secret.ResourceVersion
	}
	return nil
}

// isDone reports whether a step was carried out as it is asked for now.
func isDone(preparation *v1alpha1.Binding) bool {
	return preparation.Spec.IsPreparation() && conditions.IsTrue(preparation, v1alpha1.ReadyCondition)
}

// decideUnprepared stops a binding whose provider is not prepared, or tells false. One in use goes on: its own proof tells whether
// what it needs is still there.
func decideUnprepared(object *v1alpha1.Binding, seen observation) (decision, bool) {
	made := !object.Spec.IsMade() || object.Status.Provisioned == seen.provision
	inUse := object.Status.VerifiedAt != nil && made && !object.Spec.IsPreparation()
	if seen.preparation == "" || inUse {
		return decision{}, false
	}
	return waiting(v1alpha1.ReasonWaitingForPreparation, "Waiting for preparation "+seen.preparation+" of "+object.ProviderName()), true
}

// decidePreparation chooses the next step of a binding that prepares its provider. What it makes is read back by the provisioner,
// so that one run does both, and a run repeated at intervals is the proof that it is still there.
func decidePreparation(object *v1alpha1.Binding, seen observation, now time.Time) decision {
	switch {
	case !seen.asked:
		return waiting(v1alpha1.ReasonWaitingForProvider, "Component "+object.ProviderName()+" does not ask for this preparation; waiting until it does")
	case object.Status.Provisioned != seen.provision, object.Status.Verified != seen.provision:
		return decision{step: stepPrepare, verdict: verdict{
			reason: v1alpha1.ReasonProvisioning, message: "Preparing " + object.Spec.Preparation + " of " + object.ProviderName(),
		}}
	case !now.Before(dueAt(object)), isAsked(object):
		return decision{step: stepPrepare, verdict: readyVerdict(object)}
	}
	if act := beginRotation(object, now); act != "" {
		return decision{rotation: act, verdict: readyVerdict(object)}
	}
	return decision{verdict: readyVerdict(object), outcome: outcome.Done(nextLook(object, seen, now))}
}

// takePreparation records that a step was carried out, and with that proved.
func (p *pass) takePreparation() outcome.Outcome {
	now := metav1.NewTime(p.Now())
	p.object.Status.Provisioned, p.object.Status.Verified, p.object.Status.VerifiedAt = p.seen.provision, p.seen.provision, &now
	p.verdict = readyVerdict(p.object)
	return outcome.Done(nextLook(p.object, p.seen, p.Now()))
}

// takesBack reports whether what a preparation made is taken away with it: only where data is not to be kept, and the good goes on
// without the component. In a release that goes, it goes with the data of the release; in one that stays, it is left to its users.
func (p *pass) takesBack(ctx context.Context) (bool, error) {
	if p.object.Spec.DeletionPolicy != v1alpha1.DeleteData {
		return false, nil
	}
	var provider v1alpha1.Component
	if found, err := p.getBesideProvider(ctx, p.object.Spec.Provider.Component, &provider); err != nil || !found {
		return false, err
	}
	_, listed := provider.Spec.Preparation(p.object.Name)
	return listed && provider.Spec.Chart == nil, nil
}

// userOfPreparation names a binding that needs what this one would take away, or nothing: one that the provider serves, or a later
// step.
func (p *pass) userOfPreparation(ctx context.Context) (string, error) {
	if takesBack, err := p.takesBack(ctx); err != nil || !takesBack {
		return "", err
	}
	var provider v1alpha1.Component
	if _, err := p.getBesideProvider(ctx, p.object.Spec.Provider.Component, &provider); err != nil {
		return "", err
	}
	before := map[string]bool{p.object.Name: true}
	for _, step := range provider.Spec.Preparations {
		if step.Binding == p.object.Name {
			break
		}
		before[step.Binding] = true
	}
	var bindings v1alpha1.BindingList
	// They are only looked at.
	if err := p.Client.List(ctx, &bindings, client.UnsafeDisableDeepCopy); err != nil {
		return "", fmt.Errorf("look for bindings of %s: %w", p.object.ProviderName(), err)
	}
	for i := range bindings.Items {
		other := &bindings.Items[i]
		if other.ProviderKey() == p.object.ProviderKey() && (!other.Spec.IsPreparation() || !before[other.Name]) {
			return "binding " + client.ObjectKeyFromObject(other).String(), nil
		}
	}
	return "", nil
}

// requestsForPrepared wakes the bindings that wait for a preparation, and a preparation that waits for a binding to go.
func (r *Reconciler) requestsForPrepared(ctx context.Context, object client.Object) []ctrl.Request {
	binding, ok := object.(*v1alpha1.Binding)
	if !ok || !binding.Spec.IsPreparation() && binding.DeletionTimestamp.IsZero() {
		return nil
	}
	return r.requestsFor(ctx, client.MatchingFields{indexEnds: binding.ProviderKey().String()})
}
