package binding

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
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
	user, err := p.user(ctx)
	if err != nil {
		return outcome.Retry(err)
	}
	if user != "" {
		p.deleting(v1alpha1.ReasonWaitingForConsumers, "Still used by "+user)
		return outcome.Wait(0)
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

// user names who still uses this binding: the consumer while it exists and names it.
func (p *pass) user(ctx context.Context) (string, error) {
	if p.object.Spec.IsPreparation() {
		return p.userOfPreparation(ctx)
	}
	var consumer v1alpha1.Component
	found, err := p.get(ctx, p.object.Spec.Consumer.Component, &consumer)
	if err != nil || !found {
		return "", err
	}
	names := func(reference v1alpha1.ComponentBinding) bool { return reference.Name == p.object.Name }
	if !slices.ContainsFunc(consumer.Spec.Bindings, names) {
		return "", nil
	}
	return "component " + consumer.Name, nil
}

// revoke has the provider end the consumer's access. A provider that is gone or does not work is not waited for.
func (p *pass) revoke(ctx context.Context) (ended outcome.Outcome, stop bool) {
	if p.object.Spec.Provider.Provisioner == "" || p.object.Status.Provisioned == "" {
		return outcome.Outcome{}, false
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
	if !able || p.object.Status.Attempts >= revokeAttempts {
		p.Events.Eventf(p.object, nil, corev1.EventTypeWarning, "NotRevoked", "Delete",
			"Access at %s was not taken away, because it cannot be asked", p.object.ProviderName())
		return outcome.Outcome{}, false
	}
	if conditions.Get(p.object, v1alpha1.ReadyCondition) == nil || !p.isRevoking() {
		// A revocation counts its own failures.
		p.object.Status.Attempts = 0
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

func (p *pass) isRevoking() bool {
	return conditions.Get(p.object, v1alpha1.ReadyCondition).Reason == string(v1alpha1.ReasonRevoking)
}

// ableToRevoke reports whether the provider and its admin credential are there and its namespace still takes Jobs.
func (p *pass) ableToRevoke(ctx context.Context) (bool, error) {
	var namespace corev1.Namespace
	if err := p.Client.Get(ctx, client.ObjectKey{Name: p.object.ProviderKey().Namespace}, &namespace); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	if !namespace.DeletionTimestamp.IsZero() {
		return false, nil
	}
	if err := p.readIdentity(ctx); err != nil {
		return false, err
	}
	if err := p.observe(ctx); err != nil {
		return false, err
	}
	return p.seen.providerFound && p.seen.adminFound && p.seen.difference == "" && p.providerWorked(), nil
}

// providerWorked reports whether the provider works now. One that is itself being deleted waits for this binding and
// says so in its condition, while its objects still run.
func (p *pass) providerWorked() bool {
	return p.seen.providerReady || p.seen.providerDeleting
}

func (p *pass) readIdentity(ctx context.Context) error {
	var secret corev1.Secret
	found, err := p.get(ctx, p.object.Spec.SecretName, &secret)
	if err != nil {
		return err
	}
	p.identity = p.identify(string(p.object.UID))
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
