package report

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

const (
	checkInterval = 10 * time.Minute
	retryInterval = 30 * time.Second
)

// RegistryReconciler says whether a CoordinationRegistry takes this operator's reports. It shares the reporter's fields.
type RegistryReconciler struct {
	*Reconciler
}

// +kubebuilder:rbac:groups=dpi-operator.io,resources=coordinationregistries/status,verbs=patch

// Reconcile makes one pass over one CoordinationRegistry.
func (r *RegistryReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var object v1alpha1.CoordinationRegistry
	if err := r.Client.Get(ctx, request.NamespacedName, &object); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	base := object.DeepCopy()
	verdict, again := r.check(ctx, &object)
	object.Status.ObservedGeneration = object.Generation
	activity := conditions.Resting
	if !verdict.IsTrue() && !object.Spec.Suspend {
		activity = conditions.Reconciling
	}
	conditions.MarkReady(&object, verdict, activity)
	return ctrl.Result{RequeueAfter: again}, conditions.PatchStatus(ctx, r.Client, &object, base)
}

func (r *RegistryReconciler) check(ctx context.Context, object *v1alpha1.CoordinationRegistry) (conditions.Verdict, time.Duration) {
	if object.Spec.Suspend {
		return conditions.False(v1alpha1.ReasonSuspended, "Suspended; the newest snapshots are sent when it is lifted"), 0
	}
	registry, err := r.clientOf(ctx, object)
	if err != nil {
		return conditions.False(v1alpha1.ReasonUnauthenticated, "No credential: "+err.Error()), retryInterval
	}
	answer, err := registry.Self(ctx)
	switch {
	case err != nil:
		return conditions.Unknown(v1alpha1.ReasonRegistryUnavailable, "The registry does not answer"), retryInterval
	case answer.Status == 200:
		now := metav1.NewTime(r.Now().Truncate(time.Second))
		if object.Status.LastContactTime == nil || now.Sub(object.Status.LastContactTime.Time) >= checkInterval {
			object.Status.LastContactTime = &now
		}
		return conditions.True(v1alpha1.ReasonReady, "The registry takes reports of "+object.Spec.ReporterID), checkInterval
	case answer.Status == 401 || answer.Status == 403:
		return conditions.False(v1alpha1.ReasonUnauthenticated, "The registry refuses the credential of "+object.Spec.ReporterID), retryInterval
	default:
		return conditions.Unknown(v1alpha1.ReasonRegistryUnavailable, fmt.Sprintf("The registry answers %d", answer.Status)), retryInterval
	}
}
