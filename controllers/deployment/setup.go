package deployment

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/trigger"
)

// SetupWithManager registers the watches: the deployments, what is made from them, and the catalogue.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error {
	catalogue := handler.EnqueueRequestsFromMapFunc(r.requestsForCatalogEntry)
	return ctrl.NewControllerManagedBy(manager).
		Named("dpideployment").
		For(&v1alpha1.DPIDeployment{}, builder.WithPredicates(trigger.ChangedByPeople{})).
		Owns(&v1alpha1.Component{}).
		Owns(&v1alpha1.Binding{}).
		Owns(&v1alpha1.StackRevision{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.DigitalPublicGood{}, catalogue).
		Watches(&v1alpha1.InterfaceContract{}, catalogue).
		Watches(&v1alpha1.StackTemplate{}, catalogue).
		Watches(&v1alpha1.Catalog{}, catalogue, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(r)
}

// requestsForCatalogEntry wakes the deployments that wait for a better catalogue. A stack in force is not moved by one.
func (r *Reconciler) requestsForCatalogEntry(ctx context.Context, object client.Object) []ctrl.Request {
	if object.GetNamespace() != r.CatalogNamespace {
		return nil
	}
	var deployments v1alpha1.DPIDeploymentList
	if err := r.Client.List(ctx, &deployments); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "List deployments for a changed catalogue")
		return nil
	}
	var requests []ctrl.Request
	for i := range deployments.Items {
		deployment := &deployments.Items[i]
		if deployment.Status.Revision == nil || deployment.Status.ObservedGeneration != deployment.Generation || isStalled(deployment) {
			requests = append(requests, ctrl.Request{NamespacedName: types.NamespacedName{Namespace: deployment.Namespace, Name: deployment.Name}})
		}
	}
	return requests
}

func isStalled(deployment *v1alpha1.DPIDeployment) bool {
	for _, condition := range deployment.Status.Conditions {
		if condition.Type == string(v1alpha1.StalledCondition) {
			return true
		}
	}
	return false
}
