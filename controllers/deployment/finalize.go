package deployment

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/outcome"
	"github.com/dpi-operator/dpi-operator/internal/phrase"
)

// finalize deletes every Component and Binding and waits until they are gone. Their own finalizers put the order:
// consumers before what they use. Neither a valid specification nor the catalogue is needed.
func (p *pass) finalize(ctx context.Context) outcome.Outcome {
	if !controllerutil.ContainsFinalizer(p.object, v1alpha1.Finalizer) {
		return outcome.Done(0)
	}
	if err := p.observeOwned(ctx); err != nil {
		return outcome.Retry(err)
	}
	// A component that goes waits for the bindings that go: so these have to be known to.
	for _, binding := range p.seen.bindings {
		if err := p.remove(ctx, binding); err != nil {
			return outcome.Retry(err)
		}
	}
	var left []string
	for name, component := range p.seen.components {
		left = append(left, name)
		if err := p.remove(ctx, component); err != nil {
			return outcome.Retry(err)
		}
	}
	if len(left)+len(p.seen.bindings) > 0 {
		sort.Strings(left)
		verdict := conditions.False(v1alpha1.ReasonDeleting, deletingSentence(left, len(p.seen.bindings), p.object.GetDeletionPolicy()))
		users, err := p.users(ctx)
		if err != nil {
			return outcome.Retry(err)
		}
		if len(users) > 0 {
			verdict = conditions.False(v1alpha1.ReasonWaitingForConsumers, "Still used by other namespaces: binding "+strings.Join(users, ", binding "))
		}
		conditions.MarkReady(p.object, verdict, conditions.Reconciling)
		return outcome.Wait(0)
	}
	updated := p.object.DeepCopy()
	controllerutil.RemoveFinalizer(updated, v1alpha1.Finalizer)
	if err := p.Client.Patch(ctx, updated, client.MergeFromWithOptions(p.object, client.MergeFromWithOptimisticLock{})); client.IgnoreNotFound(err) != nil {
		return outcome.Retry(err)
	}
	return outcome.Done(0)
}

// users names the Bindings of other namespaces that components of this deployment provide for.
func (p *pass) users(ctx context.Context) ([]string, error) {
	var bindings v1alpha1.BindingList
	// They are only looked at.
	if err := p.Client.List(ctx, &bindings, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("look for consumers in other namespaces: %w", err)
	}
	var users []string
	for i := range bindings.Items {
		each := &bindings.Items[i]
		provider := each.ProviderKey()
		if each.IsForeign() && provider.Namespace == p.object.Namespace && p.seen.components[provider.Name] != nil {
			users = append(users, client.ObjectKeyFromObject(each).String())
		}
	}
	sort.Strings(users)
	return users, nil
}

func deletingSentence(components []string, bindings int, policy v1alpha1.DeletionPolicy) string {
	what := "Taking down " + strings.Join(components, ", ")
	if len(components) == 0 {
		what = "Revoking " + phrase.Count(bindings, "binding")
	}
	if policy == v1alpha1.RetainData {
		return what + "; data and credentials are kept"
	}
	return what + "; data is deleted too"
}
