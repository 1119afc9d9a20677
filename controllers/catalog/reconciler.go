package catalog

import (
	"context"
	"errors"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/outcome"
	"github.com/dpi-operator/dpi-operator/internal/phrase"
)

// Reconciler syncs Catalogs. All fields are required.
type Reconciler struct {
	// Client must not cache ConfigMaps.
	Client client.Client
	Events events.EventRecorder
}

// +kubebuilder:rbac:groups=dpi-operator.io,resources=catalogs,verbs=get;list;watch
// +kubebuilder:rbac:groups=dpi-operator.io,resources=catalogs/status,verbs=patch
// +kubebuilder:rbac:groups=dpi-operator.io,resources=digitalpublicgoods;interfacecontracts;stacktemplates,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch

// Reconcile makes one pass over one Catalog.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var object v1alpha1.Catalog
	if err := r.Client.Get(ctx, request.NamespacedName, &object); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !object.DeletionTimestamp.IsZero() {
		// Entries carry an owner reference and go with the catalogue.
		return ctrl.Result{}, nil
	}
	base := object.DeepCopy()
	ended := r.sync(ctx, &object)
	if ended.IsSettled() {
		object.Status.ObservedGeneration = object.Generation
	}
	if err := conditions.PatchStatus(ctx, r.Client, &object, base); err != nil {
		if apierrors.IsConflict(err) {
			return ctrl.Result{RequeueAfter: outcome.CatchUp}, nil
		}
		return ctrl.Result{}, errors.Join(ended.Err(), err)
	}
	r.tell(&object, base)
	return ended.Result()
}

// sync reads, judges and applies, and marks the outcome.
func (r *Reconciler) sync(ctx context.Context, object *v1alpha1.Catalog) outcome.Outcome {
	if object.Spec.Suspend {
		conditions.MarkReady(object, conditions.False(v1alpha1.ReasonSuspended, "Suspended; entries stay as they are"), conditions.Resting)
		return outcome.Done(0)
	}
	documents, err := r.read(ctx, object)
	if err != nil {
		return mark(object, err)
	}
	entries, err := parse(documents)
	if err != nil {
		return mark(object, err)
	}
	if err := r.apply(ctx, object, entries); err != nil {
		return mark(object, err)
	}
	object.Status.Digest = entries.digest
	object.Status.Goods, object.Status.Contracts, object.Status.Templates = entries.counts()
	conditions.MarkReady(object, conditions.True(v1alpha1.ReasonReady, strings.Join([]string{phrase.Count(object.Status.Goods, "good"),
		phrase.Count(object.Status.Contracts, "contract"), phrase.Count(object.Status.Templates, "template")}, ", ")), conditions.Resting)
	return outcome.Done(0)
}

// refusal is a source that a person must change, or one that is not there yet.
type refusal struct {
	reason  v1alpha1.ConditionReason
	message string
}

// Error returns the message.
func (r *refusal) Error() string { return r.message }

func mark(object *v1alpha1.Catalog, err error) outcome.Outcome {
	var refused *refusal
	if !errors.As(err, &refused) {
		conditions.MarkReady(object, conditions.False(v1alpha1.ReasonRetrying, "Trying again: "+err.Error()), conditions.Reconciling)
		return outcome.Retry(err)
	}
	verdict := conditions.False(refused.reason, refused.message)
	if refused.reason == v1alpha1.ReasonSourceNotFound {
		conditions.MarkReady(object, verdict, conditions.Reconciling)
		return outcome.Wait(0)
	}
	conditions.MarkReady(object, verdict, conditions.Stalled)
	return outcome.Terminal(err)
}

func (r *Reconciler) tell(object, base *v1alpha1.Catalog) {
	for _, transition := range conditions.Transitions(object, base, v1alpha1.ReadyCondition) {
		kind := corev1.EventTypeNormal
		if conditions.Get(object, v1alpha1.StalledCondition) != nil {
			kind = corev1.EventTypeWarning
		}
		r.Events.Eventf(object, nil, kind, transition.Condition.Reason, "Sync", "%s", transition.Condition.Message)
	}
}
