package binding

import (
	"context"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/trigger"
)

// workers is how many bindings are worked on at once; the work itself is done by Jobs.
const workers = 4

const (
	// indexEnds finds Bindings of any namespace by the components at both ends, as namespace/name.
	indexEnds = "ends"
	// indexChannel finds Bindings by the one that leads through their mediator, in the same namespace.
	indexChannel = "channel"
)

// SetupWithManager registers the watches: bindings, their Jobs, those beside a provider in another namespace included, and the
// components at both ends.
func (r *Reconciler) SetupWithManager(ctx context.Context, manager ctrl.Manager) error {
	if err := manager.GetFieldIndexer().IndexField(ctx, &v1alpha1.Binding{}, indexEnds, ends); err != nil {
		return err
	}
	if err := manager.GetFieldIndexer().IndexField(ctx, &v1alpha1.Binding{}, indexChannel, channelOf); err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(manager).
		Named("binding").
		For(&v1alpha1.Binding{}, builder.WithPredicates(trigger.ChangedByPeople{})).
		Owns(&batchv1.Job{}).
		Watches(&batchv1.Job{}, handler.EnqueueRequestsFromMapFunc(requestsForJobAway)).
		Watches(&v1alpha1.Binding{}, handler.EnqueueRequestsFromMapFunc(r.requestsForChannel), builder.WithPredicates(readinessChanged)).
		Watches(&v1alpha1.Binding{}, handler.EnqueueRequestsFromMapFunc(r.requestsForPrepared), builder.WithPredicates(readinessChanged)).
		Watches(&v1alpha1.Component{}, handler.EnqueueRequestsFromMapFunc(r.requestsForComponent)).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(r)
}

func ends(object client.Object) []string {
	binding, ok := object.(*v1alpha1.Binding)
	if !ok {
		return nil
	}
	keys := binding.UsedComponents()
	if !binding.Spec.IsPreparation() {
		keys = append(keys, binding.Namespace+"/"+binding.Spec.Consumer.Component)
	}
	return keys
}

func channelOf(object client.Object) []string {
	binding, ok := object.(*v1alpha1.Binding)
	if !ok || binding.Spec.Via == nil {
		return nil
	}
	return []string{binding.Spec.Via.Channel}
}

// readinessChanged holds for bindings whose readiness is another, or is put in other words.
var readinessChanged = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, isBinding := e.ObjectOld.(*v1alpha1.Binding)
	after, isBindingToo := e.ObjectNew.(*v1alpha1.Binding)
	return isBinding && isBindingToo &&
		!equality.Semantic.DeepEqual(conditions.Get(before, v1alpha1.ReadyCondition), conditions.Get(after, v1alpha1.ReadyCondition))
}}

// requestsForJobAway wakes the binding that a Job in its provider's namespace is for.
func requestsForJobAway(_ context.Context, object client.Object) []ctrl.Request {
	labels := object.GetLabels()
	if labels[v1alpha1.BindingNamespaceLabel] == "" {
		return nil
	}
	return []ctrl.Request{{NamespacedName: types.NamespacedName{
		Namespace: labels[v1alpha1.BindingNamespaceLabel], Name: labels[v1alpha1.BindingLabel],
	}}}
}

// requestsForComponent wakes the bindings of which the component is an end.
func (r *Reconciler) requestsForComponent(ctx context.Context, object client.Object) []ctrl.Request {
	return r.requestsFor(ctx, client.MatchingFields{indexEnds: client.ObjectKeyFromObject(object).String()})
}

// requestsForChannel wakes the bindings that go through this one.
func (r *Reconciler) requestsForChannel(ctx context.Context, object client.Object) []ctrl.Request {
	return r.requestsFor(ctx, client.InNamespace(object.GetNamespace()), client.MatchingFields{indexChannel: object.GetName()})
}

func (r *Reconciler) requestsFor(ctx context.Context, which ...client.ListOption) []ctrl.Request {
	var bindings v1alpha1.BindingList
	if err := r.Client.List(ctx, &bindings, which...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "List bindings")
		return nil
	}
	requests := make([]ctrl.Request, 0, len(bindings.Items))
	for i := range bindings.Items {
		requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&bindings.Items[i])})
	}
	return requests
}
