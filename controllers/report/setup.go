package report

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

// SetupWithManager registers both reconcilers: deployments wake the reporter with every change of their status, and
// registries wake it when they become usable.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(manager).
		Named("report").
		For(&v1alpha1.DPIDeployment{}).
		Watches(&v1alpha1.CoordinationRegistry{}, handler.EnqueueRequestsFromMapFunc(r.requestsForRegistry), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(r)
	if err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(manager).
		Named("coordinationregistry").
		For(&v1alpha1.CoordinationRegistry{}, builder.WithPredicates(trigger.ChangedByPeople{})).
		Complete(&RegistryReconciler{Reconciler: r})
}

// requestsForRegistry wakes the deployments that report to the registry.
func (r *Reconciler) requestsForRegistry(ctx context.Context, object client.Object) []ctrl.Request {
	var deployments v1alpha1.DPIDeploymentList
	if err := r.Client.List(ctx, &deployments); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "List deployments of a changed registry")
		return nil
	}
	var requests []ctrl.Request
	for i := range deployments.Items {
		deployment := &deployments.Items[i]
		if deployment.Spec.Reporting == nil {
			continue
		}
		for _, name := range deployment.Spec.Reporting.Registries {
			if string(name) == object.GetName() {
				requests = append(requests, ctrl.Request{NamespacedName: types.NamespacedName{Namespace: deployment.Namespace, Name: deployment.Name}})
			}
		}
	}
	return requests
}
