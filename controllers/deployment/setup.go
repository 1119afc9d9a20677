package deployment

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/plan"
	"github.com/dpi-operator/dpi-operator/internal/trigger"
)

// indexFrom finds DPIDeployments by the other ones whose components they name, as namespace/name.
const indexFrom = "spec.components.bindings.from"

// SetupWithManager registers the watches: the deployments and those they take components from, what is made from them, and the
// catalogue.
func (r *Reconciler) SetupWithManager(ctx context.Context, manager ctrl.Manager) error {
	if err := manager.GetFieldIndexer().IndexField(ctx, &v1alpha1.DPIDeployment{}, indexFrom, indexReferences); err != nil {
		return err
	}
	catalogue := handler.EnqueueRequestsFromMapFunc(r.requestsForCatalogEntry)
	return ctrl.NewControllerManagedBy(manager).
		Named("dpideployment").
		For(&v1alpha1.DPIDeployment{}, builder.WithPredicates(trigger.ChangedByPeople{})).
		Watches(&v1alpha1.DPIDeployment{}, handler.EnqueueRequestsFromMapFunc(r.requestsForNeighbours), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Component{}, handler.EnqueueRequestsFromMapFunc(r.requestsForNeighbours), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Binding{}, handler.EnqueueRequestsFromMapFunc(r.requestsForNeighbours), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&v1alpha1.Component{}).
		Owns(&v1alpha1.Binding{}).
		Owns(&v1alpha1.StackRevision{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.DigitalPublicGood{}, catalogue).
		Watches(&v1alpha1.InterfaceContract{}, catalogue).
		Watches(&v1alpha1.StackTemplate{}, catalogue).
		Watches(&v1alpha1.Catalog{}, catalogue, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(r)
}

func indexReferences(object client.Object) []string {
	deployment, ok := object.(*v1alpha1.DPIDeployment)
	if !ok {
		return nil
	}
	var keys []string
	for _, reference := range plan.References(deployment) {
		key := reference.Namespace + "/" + reference.Deployment
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// requestsForNeighbours wakes the deployments that take components from the one that changed, or of which something did, and those that
// take components from these: a circle is closed or opened at any of its links.
func (r *Reconciler) requestsForNeighbours(ctx context.Context, object client.Object) []ctrl.Request {
	changed := client.ObjectKeyFromObject(object)
	if _, whole := object.(*v1alpha1.DPIDeployment); !whole {
		changed.Name = object.GetLabels()[v1alpha1.DeploymentLabel]
	}
	var requests []ctrl.Request
	seen := map[types.NamespacedName]bool{changed: true}
	for next := []types.NamespacedName{changed}; len(next) > 0; next = next[1:] {
		var users v1alpha1.DPIDeploymentList
		if err := r.Client.List(ctx, &users, client.MatchingFields{indexFrom: next[0].String()}); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "List the deployments that take components from another")
			return requests
		}
		for i := range users.Items {
			user := client.ObjectKeyFromObject(&users.Items[i])
			if !seen[user] {
				seen[user] = true
				next = append(next, user)
				requests = append(requests, ctrl.Request{NamespacedName: user})
			}
		}
	}
	return requests
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
