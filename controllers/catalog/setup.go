package catalog

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/trigger"
)

// SetupWithManager registers the watches: catalogues, their entries, and the metadata of ConfigMaps in their namespace.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error {
	source := &metav1.PartialObjectMetadata{}
	source.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	return ctrl.NewControllerManagedBy(manager).
		Named("catalog").
		For(&v1alpha1.Catalog{}, builder.WithPredicates(trigger.ChangedByPeople{})).
		Owns(&v1alpha1.DigitalPublicGood{}).
		Owns(&v1alpha1.InterfaceContract{}).
		Owns(&v1alpha1.StackTemplate{}).
		WatchesMetadata(source, handler.EnqueueRequestsFromMapFunc(r.requestsForSource)).
		Complete(r)
}

// requestsForSource wakes the catalogues that read the ConfigMap.
func (r *Reconciler) requestsForSource(ctx context.Context, object client.Object) []ctrl.Request {
	var catalogs v1alpha1.CatalogList
	if err := r.Client.List(ctx, &catalogs, client.InNamespace(object.GetNamespace())); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "List catalogues of a changed source")
		return nil
	}
	var requests []ctrl.Request
	for i := range catalogs.Items {
		if source := catalogs.Items[i].Spec.Source.ConfigMap; source != nil && source.Name == object.GetName() {
			requests = append(requests, ctrl.Request{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: catalogs.Items[i].Name}})
		}
	}
	return requests
}
