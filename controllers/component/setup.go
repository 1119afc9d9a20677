package component

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/trigger"
)

// Index keys.
const (
	// indexProvider finds Bindings of any namespace by their provider, and by who is behind it, as namespace/name.
	indexProvider = "spec.provider.component"
	// indexDependsOn finds Components by what they depend on in their namespace, declared or inferred.
	indexDependsOn = "dependsOn"
)

// workers is how many components are worked on at once. A pass does not wait for the cluster, so few suffice.
const workers = 8

// AddIndexes registers the lookups the reconciler makes.
func AddIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	err := indexer.IndexField(ctx, &v1alpha1.Binding{}, indexProvider, func(object client.Object) []string {
		binding, ok := object.(*v1alpha1.Binding)
		if !ok {
			return nil
		}
		keys := binding.UsedComponents()
		if binding.Spec.Via != nil {
			keys = append(keys, binding.Namespace+"/"+binding.Spec.Via.Component)
		}
		return keys
	})
	if err != nil {
		return err
	}
	return indexer.IndexField(ctx, &v1alpha1.Component{}, indexDependsOn, func(object client.Object) []string {
		component, ok := object.(*v1alpha1.Component)
		if !ok {
			return nil
		}
		return dependencies(component)
	})
}

// dependencies names what a component waits for, declared or inferred.
func dependencies(component *v1alpha1.Component) []string {
	names := make([]string, 0, len(component.Spec.DependsOn))
	for _, name := range component.Spec.DependsOn {
		names = append(names, string(name))
	}
	for _, dependency := range component.Status.InferredDependencies {
		if dependency.Enforcement == v1alpha1.DependencyEnforced {
			names = append(names, dependency.Component)
		}
	}
	return names
}

// dependents names the components that depend on one.
func (r *Reconciler) dependents(ctx context.Context, on *v1alpha1.Component) ([]string, error) {
	var list v1alpha1.ComponentList
	if err := r.Client.List(ctx, &list, client.InNamespace(on.Namespace), client.MatchingFields{indexDependsOn: on.Name}); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(list.Items))
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names, nil
}

// providedFor lists the Bindings that a component provides for, or did while the consumer has not moved, through a mediator or not,
// those of other namespaces included.
func (r *Reconciler) providedFor(ctx context.Context, provider *v1alpha1.Component) ([]v1alpha1.Binding, error) {
	var bindings v1alpha1.BindingList
	key := client.ObjectKeyFromObject(provider).String()
	err := r.Client.List(ctx, &bindings, client.MatchingFields{indexProvider: key})
	return bindings.Items, err
}

// SetupWithManager registers the watches: components and those that depend on them, bindings, and the live objects of
// releases, which arrive as requests for their component.
func (r *Reconciler) SetupWithManager(ctx context.Context, manager ctrl.Manager, live source.Source) error {
	if err := AddIndexes(ctx, manager.GetFieldIndexer()); err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(manager).
		Named("component").
		For(&v1alpha1.Component{}, builder.WithPredicates(trigger.ChangedByPeople{})).
		Watches(&v1alpha1.Component{}, handler.EnqueueRequestsFromMapFunc(r.requestsForNeighbours)).
		Watches(&v1alpha1.Component{}, handler.EnqueueRequestsFromMapFunc(r.requestsForUndecided), builder.WithPredicates(inferredChanged)).
		Watches(&v1alpha1.Binding{}, handler.EnqueueRequestsFromMapFunc(requestsForEnds)).
		WatchesRawSource(live).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(r)
}

// requestsForNeighbours wakes the dependents and consumers of a component, which may start now, and what it depends on,
// which may go once it is gone.
func (r *Reconciler) requestsForNeighbours(ctx context.Context, object client.Object) []ctrl.Request {
	component, ok := object.(*v1alpha1.Component)
	if !ok {
		return nil
	}
	var requests []ctrl.Request
	dependents, err := r.dependents(ctx, component)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "List dependents")
	}
	for _, name := range dependents {
		requests = append(requests, requestFor(component.Namespace, name))
	}
	bindings, err := r.providedFor(ctx, component)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "List consumers")
	}
	for i := range bindings {
		if bindings[i].Spec.IsPreparation() {
			continue
		}
		requests = append(requests, requestFor(bindings[i].Namespace, bindings[i].Spec.Consumer.Component))
	}
	if !component.DeletionTimestamp.IsZero() {
		for _, name := range dependencies(component) {
			requests = append(requests, requestFor(component.Namespace, name))
		}
	}
	return requests
}

// inferredChanged holds for components of which it became known, or changed, what they bring or use, and for new and gone ones.
var inferredChanged = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, isComponent := e.ObjectOld.(*v1alpha1.Component)
	after, isComponentToo := e.ObjectNew.(*v1alpha1.Component)
	return isComponent && isComponentToo && (!equality.Semantic.DeepEqual(before.Status.Inferred, after.Status.Inferred) ||
		before.Spec.Suspend != after.Spec.Suspend || before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero())
}}

// requestsForUndecided wakes the components that use something and may find by now who brings it. Of one whose status is on its
// way nothing is known here, so it is woken as well.
func (r *Reconciler) requestsForUndecided(ctx context.Context, object client.Object) []ctrl.Request {
	var list v1alpha1.ComponentList
	if err := r.Client.List(ctx, &list, client.InNamespace(object.GetNamespace()), client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "List components")
	}
	var requests []ctrl.Request
	for i := range list.Items {
		other := &list.Items[i]
		sameDeployment := other.Labels[v1alpha1.DeploymentLabel] == object.GetLabels()[v1alpha1.DeploymentLabel]
		usesNothing := other.Status.Inferred != nil && len(other.Status.Inferred.Uses) == 0
		if sameDeployment && other.Name != object.GetName() && !usesNothing {
			requests = append(requests, requestFor(other.Namespace, other.Name))
		}
	}
	return requests
}

// requestsForEnds wakes both ends of a binding, and who is behind its provider. A preparation has no consumer.
func requestsForEnds(_ context.Context, object client.Object) []ctrl.Request {
	binding, ok := object.(*v1alpha1.Binding)
	if !ok {
		return nil
	}
	var requests []ctrl.Request
	for _, used := range binding.UsedComponents() {
		namespace, name, _ := strings.Cut(used, "/")
		requests = append(requests, requestFor(namespace, name))
	}
	if !binding.Spec.IsPreparation() {
		requests = append(requests, requestFor(binding.Namespace, binding.Spec.Consumer.Component))
	}
	if binding.Spec.Via != nil {
		requests = append(requests, requestFor(binding.Namespace, binding.Spec.Via.Component))
	}
	return requests
}

func requestFor(namespace, name string) ctrl.Request {
	return ctrl.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}
}
