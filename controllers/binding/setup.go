package binding

import (
	"context"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/trigger"
)

// workers is how many bindings are worked on at once; the work itself is done by Jobs.
const workers = 4

// SetupWithManager registers the watches: bindings, their Jobs, and the components at both ends.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(manager).
		Named("binding").
		For(&v1alpha1.Binding{}, builder.WithPredicates(trigger.ChangedByPeople{})).
		Owns(&batchv1.Job{}).
		Watches(&v1alpha1.Component{}, handler.EnqueueRequestsFromMapFunc(r.requestsForComponent)).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(r)
}

// requestsForComponent wakes the bindings of which the component is an end.
func (r *Reconciler) requestsForComponent(ctx context.Context, object client.Object) []ctrl.Request {
	var bindings v1alpha1.BindingList
	if err := r.Client.List(ctx, &bindings, client.InNamespace(object.GetNamespace())); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "List bindings of a component")
		return nil
	}
	var requests []ctrl.Request
	for i := range bindings.Items {
		spec := bindings.Items[i].Spec
		if spec.Provider.Component == object.GetName() || spec.Consumer.Component == object.GetName() {
			requests = append(requests, ctrl.Request{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: bindings.Items[i].Name}})
		}
	}
	return requests
}
