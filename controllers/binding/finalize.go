package binding

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/outcome"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// revokeAttempts bounds how often a provider that answers wrongly is asked to take access away. Deletion never hangs.
const revokeAttempts = 5

// finalize waits until the consumer is gone, has the provider end its access, and lets go.
func (p *pass) finalize(ctx context.Context) outcome.Outcome {
	if !controllerutil.ContainsFinalizer(p.object, v1alpha1.Finalizer) {
		return outcome.Done(0)
	}
	user, again, err := p.user(ctx)
	if err != nil {
		return outcome.Retry(err)
	}
	if user != "" {
		p.deleting(v1alpha1.ReasonWaitingForConsumers, "Still used by "+user)
		return outcome.Wait(again)
	}
	if ended, stop := p.leaveAll(ctx); stop {
		return ended
	}
	ended, stop := p.revoke(ctx)
	if stop {
		return ended
	}
	if err := p.clearAway(ctx); err != nil {
		return outcome.Retry(err)
	}
	if err := p.release(ctx); err != nil {
		return outcome.Retry(err)
	}
	updated := p.object.DeepCopy()
	controllerutil.RemoveFinalizer(updated, v1alpha1.Finalizer)
	patch := client.MergeFromWithOptions(p.object, client.MergeFromWithOptimisticLock{})
	if err := p.Client.Patch(ctx, updated, patch); client.IgnoreNotFound(err) != nil {
		return outcome.Retry(err)
	}
	return outcome.Done(0)
}

// user names who still uses this binding, and how soon to look again where no event tells: the consumer while it exists and names it,
// or has not gone over to what it names instead.
func (p *pass) user(ctx context.Context) (user string, again time.Duration, err error) {
	if p.object.Spec.IsPreparation() {
		user, err = p.userOfPreparation(ctx)
		return user, 0, err
	}
	var consumer v1alpha1.Component
	found, err := p.get(ctx, p.object.Spec.Consumer.Component, &consumer)
	if err != nil || !found {
		return "", 0, err
	}
	user = "component " + consumer.Name
	names := func(reference v1alpha1.ComponentBinding) bool { return reference.Name == p.object.Name }
	if slices.ContainsFunc(consumer.Spec.Bindings, names) {
		return user, 0, nil
	}
	var provider v1alpha1.Component
	provided, err := p.getBesideProvider(ctx, p.object.Spec.Provider.Component, &provider)
	if err != nil || !provided || p.object.Status.VerifiedAt == nil {
		return "", 0, err
	}
	isSettled := consumer.Status.ObservedGeneration == consumer.Generation && conditions.IsTrue(&consumer, v1alpha1.ReadyCondition)
	if isSettled && consumer.Spec.Chart != nil && consumer.DeletionTimestamp.IsZero() {
		since := conditions.Get(&consumer, v1alpha1.ReadyCondition).LastTransitionTime
		if left := since.Add(drain).Sub(p.Now()); left > 0 {
			return user + " until the pods are gone that were replaced", left, nil
		}
	}
	switch {
	case consumer.Spec.Chart == nil && consumer.InstalledRelease() != "":
		return user + ", whose release is taken down once nobody uses it", 0, nil
	case consumer.Spec.Chart != nil && consumer.Status.Release != nil && consumer.DeletionTimestamp.IsZero() && !isSettled:
		return user + " until it works without", 0, nil
	case consumer.Spec.Chart == nil:
		return p.userOutside(ctx, &consumer)
	}
	return "", 0, nil
}

// userOutside names the people behind a consumer that is not in the cluster, while they have another Secret to fetch instead of this
// binding's.
func (p *pass) userOutside(ctx context.Context, consumer *v1alpha1.Component) (user string, again time.Duration, err error) {
	for _, reference := range consumer.Spec.Bindings {
		var successor v1alpha1.Binding
		found, err := p.get(ctx, reference.Name, &successor)
		if err != nil {
			return "", 0, err
		}
		if !found || successor.Spec.Consumer != p.object.Spec.Consumer || successor.Spec.Contract != p.object.Spec.Contract {
			continue
		}
		until := p.object.DeletionTimestamp.Add(p.object.Spec.GetRotationGrace())
		ready := conditions.Get(&successor, v1alpha1.ReadyCondition)
		if ready == nil || ready.Status != metav1.ConditionTrue {
			return "component " + consumer.Name + " until binding " + successor.Name + " is proved", time.Minute, nil
		}
		if ready.LastTransitionTime.After(p.object.DeletionTimestamp.Time) {
			until = ready.LastTransitionTime.Add(p.object.Spec.GetRotationGrace())
		}
		if p.Now().Before(until) {
			return fmt.Sprintf("component %s until %s; fetch Secret %s instead", consumer.Name, until.UTC().Format(time.RFC3339), successor.Spec.SecretName),
				until.Sub(p.Now()), nil
		}
	}
	return "", 0, nil
}

// revokeWaits bounds how long a provider that is there and does not work is waited for, to take access away there.
const revokeWaits = 10 * time.Minute

// revoke has the provider end the consumer's access. A provider that is gone is not waited for.
func (p *pass) revoke(ctx context.Context) (ended outcome.Outcome, stop bool) {
	isHeld, err := p.isHeld(ctx)
	if err != nil || !isHeld {
		return outcome.Retry(err), err != nil
	}
	if p.object.Spec.IsPreparation() {
		if takesBack, err := p.takesBack(ctx); err != nil || !takesBack {
			return outcome.Retry(err), err != nil
		}
	}
	able, err := p.ableToRevoke(ctx)
	if err != nil {
		return outcome.Retry(err), true
	}
	if conditions.Get(p.object, v1alpha1.ReadyCondition) == nil || !p.isRevoking() {
		// A revocation counts its own failures.
		p.object.Status.Attempts = 0
	}
	until := p.object.DeletionTimestamp.Add(revokeWaits)
	if able == revokeLater && p.Now().Before(until) {
		p.deleting(v1alpha1.ReasonRevoking, fmt.Sprintf("Taking access away at %s once it works; no longer waited for after %s",
			p.object.ProviderName(), until.UTC().Format(time.RFC3339)))
		return outcome.Wait(until.Sub(p.Now())), true
	}
	if able != revokeNow || p.object.Status.Attempts >= revokeAttempts {
		p.Events.Eventf(p.object, nil, corev1.EventTypeWarning, "NotRevoked", "Delete",
			"Access at %s was not taken away, because it cannot be asked", p.object.ProviderName())
		return outcome.Outcome{}, false
	}
	p.deleting(v1alpha1.ReasonRevoking, "Taking access away at "+p.object.ProviderName())
	result, running, err := p.job(ctx, stepRevoke)
	switch {
	case err != nil:
		return outcome.Retry(err), true
	case running:
		return outcome.Wait(0), true
	case result.Phase != provision.PhaseDone:
		p.object.Status.Attempts++
		p.deleting(v1alpha1.ReasonRevoking, "Taking access away at "+p.object.ProviderName()+": "+result.Message)
		return outcome.Wait(retryDelay(p.object.Status.Attempts)), true
	}
	return outcome.Outcome{}, false
}

// isHeld reports whether the provider may have something for the binding. A pass that died may have asked it and not said so.
func (p *pass) isHeld(ctx context.Context) (bool, error) {
	if p.object.Spec.Provider.Provisioner == "" || p.object.MayHoldAccess() {
		return p.object.Spec.Provider.Provisioner != "", nil
	}
	where, labels := p.object.Namespace, map[string]string{v1alpha1.BindingLabel: p.object.Name}
	if p.object.IsForeign() {
		where, labels = p.object.ProviderKey().Namespace, p.awayLabels()
	}
	var jobs batchv1.JobList
	err := p.Client.List(ctx, &jobs, client.InNamespace(where), client.MatchingLabels(labels))
	return len(jobs.Items) > 0, err
}

func (p *pass) isRevoking() bool {
	return conditions.Get(p.object, v1alpha1.ReadyCondition).Reason == string(v1alpha1.ReasonRevoking)
}

// ability is whether a provider can be asked to take access away.
type ability int

const (
	// revokeNever: it is gone, or what it would be asked with.
	revokeNever ability = iota
	// revokeLater: it is there and does not work.
	revokeLater
	revokeNow
)

// ableToRevoke reports whether the provider and its admin credential are there and its namespace still takes Jobs.
func (p *pass) ableToRevoke(ctx context.Context) (ability, error) {
	var namespace corev1.Namespace
	if err := p.Client.Get(ctx, client.ObjectKey{Name: p.object.ProviderKey().Namespace}, &namespace); err != nil {
		return revokeNever, client.IgnoreNotFound(err)
	}
	if !namespace.DeletionTimestamp.IsZero() {
		return revokeNever, nil
	}
	if err := p.readIdentity(ctx); err != nil {
		return revokeNever, err
	}
	if err := p.observe(ctx); err != nil {
		return revokeNever, err
	}
	switch {
	case !p.seen.providerFound, !p.seen.adminFound, p.seen.difference != "":
		return revokeNever, nil
	case p.seen.providerReady, p.seen.providerDeleting:
		// One that is itself being deleted waits for this binding and says so in its condition, while its objects still run.
		return revokeNow, nil
	}
	return revokeLater, nil
}

// readIdentity finds out by which name the provider knows the binding. The Secret may be gone by now.
func (p *pass) readIdentity(ctx context.Context) error {
	var secret corev1.Secret
	found, err := p.get(ctx, p.object.Spec.SecretName, &secret)
	if err != nil {
		return err
	}
	p.identity = cmp.Or(p.object.Status.Identity, p.identify(string(p.object.UID)))
	if found {
		p.adopt(&secret)
	}
	return nil
}

// release removes the credentials, or says that they are kept. What the Jobs used goes with the binding.
func (p *pass) release(ctx context.Context) error {
	if p.object.Spec.DeletionPolicy != v1alpha1.DeleteData {
		what := "the data it opens"
		if p.object.Spec.IsPreparation() {
			what = "what was prepared, which is known again by it"
		}
		p.Events.Eventf(p.object, nil, corev1.EventTypeNormal, "DataRetained", "Delete", "Kept Secret %s and %s", p.object.Spec.SecretName, what)
		return nil
	}
	var secret corev1.Secret
	found, err := p.get(ctx, p.object.Spec.SecretName, &secret)
	if err != nil || !found || secret.Labels[v1alpha1.BindingLabel] != p.object.Name {
		return err
	}
	err = p.Client.Delete(ctx, &secret, client.Preconditions{UID: new(secret.UID)})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete Secret %s: %w", secret.Name, err)
	}
	return nil
}

func (p *pass) deleting(reason v1alpha1.ConditionReason, message string) {
	conditions.MarkReady(p.object, conditions.False(reason, message), conditions.Reconciling)
}
