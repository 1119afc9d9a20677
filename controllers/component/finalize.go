package component

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/outcome"
	"github.com/dpi-operator/dpi-operator/internal/release"
	"github.com/dpi-operator/dpi-operator/internal/request"
)

// finalize waits until nothing alive uses the component, takes the release away and lets go. It needs neither the chart
// nor valid values.
func (p *pass) finalize(ctx context.Context) outcome.Outcome {
	if !controllerutil.ContainsFinalizer(p.object, v1alpha1.Finalizer) {
		return outcome.Done(0)
	}
	users, err := p.users(ctx)
	if err != nil {
		return outcome.Retry(err)
	}
	if len(users) > 0 && p.object.Annotations[v1alpha1.ForceDeleteAnnotation] != "true" {
		p.deleting(v1alpha1.ReasonWaitingForConsumers, "Still used by "+strings.Join(users, ", "))
		return outcome.Wait(0)
	}
	kept, ended, stop := p.uninstall(ctx, request.Removal(p.object))
	if stop {
		return ended
	}
	keptSecrets, err := p.dropCredentials(ctx)
	if err != nil {
		return outcome.Retry(err)
	}
	for _, name := range keptSecrets {
		kept = append(kept, "Secret "+name)
	}
	if len(kept) > 0 {
		p.Events.Eventf(p.object, nil, corev1.EventTypeNormal, "DataRetained", "Delete", "Kept %s", strings.Join(kept, ", "))
	}
	p.Live.Forget(client.ObjectKeyFromObject(p.object))
	p.drifts.forget(client.ObjectKeyFromObject(p.object))
	updated := p.object.DeepCopy()
	controllerutil.RemoveFinalizer(updated, v1alpha1.Finalizer)
	patch := client.MergeFromWithOptions(p.object, client.MergeFromWithOptimisticLock{})
	if err := p.Client.Patch(ctx, updated, patch); client.IgnoreNotFound(err) != nil {
		return outcome.Retry(err)
	}
	return outcome.Done(0)
}

// users lists what is alive and uses this component: bindings it provides for, in its namespace or another, and components that depend on it, declared or
// inferred.
func (p *pass) users(ctx context.Context) ([]string, error) {
	bindings, err := p.providedFor(ctx, p.object)
	if err != nil {
		return nil, fmt.Errorf("look for consumers: %w", err)
	}
	dependents, err := p.dependents(ctx, p.object)
	if err != nil {
		return nil, fmt.Errorf("look for dependents: %w", err)
	}
	if dependents, err = p.withoutCircles(ctx, dependents); err != nil {
		return nil, err
	}
	var users []string
	for i := range bindings {
		if bindings[i].Spec.IsPreparation() && !p.waitsForPreparation(&bindings[i]) {
			continue
		}
		name := bindings[i].Name
		if bindings[i].IsForeign() {
			name = bindings[i].Namespace + "/" + name
		}
		users = append(users, "binding "+name)
	}
	for _, name := range dependents {
		users = append(users, "component "+name)
	}
	sort.Strings(users)
	return users, nil
}

// withoutCircles leaves out the dependents that are going, too, and that this component depends on in turn: they would wait
// for each other for ever.
func (p *pass) withoutCircles(ctx context.Context, dependents []string) ([]string, error) {
	if len(dependents) == 0 || len(dependencies(p.object)) == 0 {
		return dependents, nil
	}
	needed, going := map[string]bool{}, map[string]bool{}
	for open := dependencies(p.object); len(open) > 0; {
		name := open[0]
		open = open[1:]
		if needed[name] {
			continue
		}
		needed[name] = true
		var component v1alpha1.Component
		if _, err := p.get(ctx, name, &component); err != nil {
			return nil, fmt.Errorf("look for circles: %w", err)
		}
		going[name] = !component.DeletionTimestamp.IsZero()
		open = append(open, dependencies(&component)...)
	}
	return slices.DeleteFunc(dependents, func(name string) bool { return needed[name] && going[name] }), nil
}

func (p *pass) uninstall(ctx context.Context, removal release.UninstallRequest) (kept []string, ended outcome.Outcome, stop bool) {
	if removal.Name == "" {
		return nil, outcome.Outcome{}, false
	}
	p.watch()
	result, err := p.Releases.Uninstall(ctx, removal)
	p.told = append(p.told, result.Events...)
	p.watch(result.WaitingFor...)
	if err != nil {
		p.deleting(v1alpha1.ReasonRetrying, "Trying again: "+err.Error())
		return nil, outcome.Retry(fmt.Errorf("uninstall %s: %w", removal.Name, err)), true
	}
	switch {
	case result.State == release.StateGone:
	case result.State == release.StateBlocked && result.Reason == release.ReasonForeignRelease:
		// The release of that name was never ours: there is nothing to take away.
	case result.State == release.StateFailed && result.RetryAt.IsZero():
		p.deleting(v1alpha1.ReasonReleaseFailed, result.Message)
		return nil, outcome.Retry(errors.New(result.Message)), true
	default:
		p.deleting(v1alpha1.ReasonDeleting, result.Message)
		return nil, outcome.Wait(max(p.until(result.RetryAt), 5*time.Second)), true
	}
	for _, id := range result.Kept {
		kept = append(kept, id.Kind+" "+id.Name)
	}
	return kept, outcome.Outcome{}, false
}

func (p *pass) deleting(reason v1alpha1.ConditionReason, message string) {
	conditions.MarkReady(p.object, conditions.False(reason, message), conditions.Reconciling)
}
