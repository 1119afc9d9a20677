package deployment

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/outcome"
	"github.com/dpi-operator/dpi-operator/internal/plan"
)

// Reconciler turns DPIDeployments into revisions, Components and Bindings. All fields but Namespaces are required.
type Reconciler struct {
	Client client.Client
	Events events.EventRecorder
	// CatalogNamespace holds the catalogue.
	CatalogNamespace string
	// ClusterDomain is the DNS suffix of Services.
	ClusterDomain string
	// Namespaces the operator works in; none means all.
	Namespaces []string
	// Now is the clock.
	Now func() time.Time
}

// +kubebuilder:rbac:groups=dpi-operator.io,resources=dpideployments,verbs=get;list;watch;update;patch
// +kubebuilder:rbac:groups=dpi-operator.io,resources=dpideployments/status,verbs=patch
// +kubebuilder:rbac:groups=dpi-operator.io,resources=dpideployments/finalizers,verbs=update
// +kubebuilder:rbac:groups=dpi-operator.io,resources=stackrevisions;components;bindings,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=dpi-operator.io,resources=stackrevisions/status,verbs=patch
// +kubebuilder:rbac:groups=dpi-operator.io,resources=catalogs;digitalpublicgoods;interfacecontracts;stacktemplates,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile makes one pass over one DPIDeployment.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var object v1alpha1.DPIDeployment
	if err := r.Client.Get(ctx, request.NamespacedName, &object); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	pass := &pass{Reconciler: r, object: &object, base: object.DeepCopy()}
	if !object.DeletionTimestamp.IsZero() {
		return pass.close(ctx, pass.finalize(ctx))
	}
	if controllerutil.AddFinalizer(&object, v1alpha1.Finalizer) {
		if err := r.Client.Patch(ctx, &object, client.MergeFromWithOptions(pass.base, client.MergeFromWithOptimisticLock{})); err != nil {
			return ctrl.Result{}, client.IgnoreNotFound(err)
		}
		pass.base = object.DeepCopy()
	}
	return pass.close(ctx, pass.run(ctx))
}

// pass is one look at one deployment.
type pass struct {
	*Reconciler
	object, base *v1alpha1.DPIDeployment
	seen         observation
	problem      *plan.Problem
}

// run observes, decides and acts.
func (p *pass) run(ctx context.Context) outcome.Outcome {
	if err := p.observe(ctx); err != nil {
		return outcome.Retry(err)
	}
	if p.object.Spec.Suspend {
		return outcome.Done(0)
	}
	wanted, err := p.decide()
	if err != nil && !errors.As(err, &p.problem) {
		return outcome.Retry(err)
	}
	if p.problem != nil {
		if waits(p.problem.Reason) {
			return outcome.Wait(0)
		}
		return outcome.Terminal(p.problem)
	}
	if err := p.act(ctx, wanted); err != nil {
		if errors.As(err, &p.problem) {
			return outcome.Terminal(p.problem)
		}
		return outcome.Retry(err)
	}
	// What can be met is in force by now, whatever is wrong with the rest.
	if p.problem = plan.Check(p.input(), wanted.Spec); p.problem != nil {
		return outcome.Terminal(p.problem)
	}
	return outcome.Done(0)
}

func (p *pass) input() plan.Input {
	return plan.Input{Deployment: p.object, Catalog: p.seen.catalog, ClusterDomain: p.ClusterDomain, Neighbours: p.seen.neighbours, Waits: p.seen.waits}
}

// waits tells a problem that passes by itself from one that a person must solve.
func waits(reason v1alpha1.ConditionReason) bool {
	return reason == v1alpha1.ReasonCatalogEmpty || reason == v1alpha1.ReasonWaitingForProvider
}

// decide returns the revision that the deployment asks for, stored or not.
func (p *pass) decide() (*v1alpha1.StackRevision, error) {
	next, err := plan.Decide(p.input(), p.seen.revisions)
	if problem, ok := errors.AsType[*plan.Problem](err); ok && problem.Reason == v1alpha1.ReasonCatalogEmpty {
		problem.Message = fmt.Sprintf("Waiting for the catalogue: namespace %s has no entries yet", p.CatalogNamespace)
	}
	if err != nil || next.Revision != nil {
		return next.Revision, err
	}
	return p.newRevision(next), nil
}

// close writes the status once, tells what changed, and maps the outcome.
func (p *pass) close(ctx context.Context, ended outcome.Outcome) (ctrl.Result, error) {
	if p.object.DeletionTimestamp.IsZero() {
		p.fold(ended)
	}
	if err := conditions.PatchStatus(ctx, p.Client, p.object, p.base); err != nil {
		if apierrors.IsConflict(err) {
			return ctrl.Result{RequeueAfter: outcome.CatchUp}, nil
		}
		return ctrl.Result{}, errors.Join(ended.Err(), err)
	}
	p.tell()
	result, err := ended.Result()
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: outcome.CatchUp}, nil
	}
	return result, err
}
