package component

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/fetch"
	"github.com/dpi-operator/dpi-operator/internal/health"
	"github.com/dpi-operator/dpi-operator/internal/outcome"
	"github.com/dpi-operator/dpi-operator/internal/release"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

// Releases makes and removes Helm releases without waiting for the cluster.
type Releases interface {
	Reconcile(ctx context.Context, request release.Request) (release.Outcome, error)
	Test(ctx context.Context, request release.Request) (release.Outcome, error)
	Drift(ctx context.Context, request release.DriftRequest) ([]release.Drift, error)
	Correct(ctx context.Context, request release.DriftRequest, drift release.Drift) error
	Render(ctx context.Context, request release.Request) (release.Preview, error)
	IsElsewhere(ctx context.Context, id render.ID, namespace, component string) (bool, error)
	Uninstall(ctx context.Context, request release.UninstallRequest) (release.Outcome, error)
}

// Charts gets chart archives.
type Charts interface {
	Get(ctx context.Context, reference fetch.Reference) (fetch.Archive, error)
}

// Reconciler brings Components to life. All exported fields are required.
type Reconciler struct {
	// Client must not cache Secrets.
	Client   client.Client
	Events   events.EventRecorder
	Releases Releases
	Charts   Charts
	Live     LiveObjects
	Logs     ContainerLogs
	// Now is the clock.
	Now func() time.Time

	drifts drifts
}

// +kubebuilder:rbac:groups=dpi-operator.io,resources=components,verbs=get;list;watch;update;patch
// +kubebuilder:rbac:groups=dpi-operator.io,resources=components/status,verbs=patch
// +kubebuilder:rbac:groups=dpi-operator.io,resources=bindings,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;create;update;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=pods/log,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile makes one pass over one Component.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var object v1alpha1.Component
	if err := r.Client.Get(ctx, request.NamespacedName, &object); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	p := &pass{Reconciler: r, object: &object, base: object.DeepCopy()}
	if !object.DeletionTimestamp.IsZero() {
		return p.close(ctx, p.finalize(ctx))
	}
	if controllerutil.AddFinalizer(&object, v1alpha1.Finalizer) {
		if err := r.Client.Patch(ctx, &object, client.MergeFromWithOptions(p.base, client.MergeFromWithOptimisticLock{})); err != nil {
			return ctrl.Result{}, client.IgnoreNotFound(err)
		}
		p.base = object.DeepCopy()
	}
	return p.close(ctx, p.run(ctx))
}

// pass is one look at one component.
type pass struct {
	*Reconciler
	object, base *v1alpha1.Component
	facts        facts
	told         []release.Event
}

// run observes, decides and acts.
func (p *pass) run(ctx context.Context) outcome.Outcome {
	if p.object.Spec.Suspend {
		p.facts.suspended = true
		return outcome.Done(0)
	}
	if err := p.observeGates(ctx); err != nil {
		return p.failed(err)
	}
	if err := p.inferThings(ctx); errors.Is(err, fetch.ErrFetching) {
		p.facts.gate = gate(p.facts)
		return p.chartProblem(err)
	} else if err != nil {
		return p.failed(err)
	}
	if err := p.inferNeeds(ctx); err != nil {
		return p.failed(err)
	}
	p.facts.gate = gate(p.facts)
	if p.facts.gate != nil && !p.isInstalled() {
		return outcome.Wait(0)
	}
	if ended, stop := p.install(ctx); stop {
		return ended
	}
	return p.assess(ctx)
}

// isInstalled reports whether the current generation was released before: a dependency that fails later does not take
// a running component out of sight. One whose release failed is not installed: another attempt needs what the first did.
func (p *pass) isInstalled() bool {
	released := conditions.Get(p.object, v1alpha1.ReleasedCondition)
	failed := released != nil && released.Status == metav1.ConditionFalse && released.Reason == string(v1alpha1.ReasonReleaseFailed)
	return p.object.Spec.Chart != nil && p.object.Status.Release != nil && !failed &&
		p.object.Status.ObservedGeneration == p.object.Generation && p.object.Status.StartedAt != nil
}

// install makes credentials and release; stop says that the pass ends here.
func (p *pass) install(ctx context.Context) (ended outcome.Outcome, stop bool) {
	if err := p.ensureCredentials(ctx); err != nil {
		return p.refusedOrFailed(err), true
	}
	if p.facts.missingSecret != "" {
		return outcome.Wait(30 * time.Second), true
	}
	if p.object.Spec.Chart == nil {
		p.object.Status.ObservedGeneration = p.object.Generation
		return p.leave(ctx), true
	}
	return p.release(ctx)
}

// assess looks at the live objects.
func (p *pass) assess(ctx context.Context) outcome.Outcome {
	if p.object.Spec.Chart == nil {
		return outcome.Done(0)
	}
	snapshot, err := p.observeLive(ctx)
	if err != nil {
		return p.failed(err)
	}
	if p.facts.health, err = p.health(ctx, snapshot); err != nil {
		return p.failed(err)
	}
	if err := p.drift(ctx, snapshot); err != nil {
		// What runs is no less ready for it.
		return outcome.Retry(err)
	}
	assessment := p.facts.health
	if assessment.State != health.Current {
		return outcome.Wait(assessment.NextCheckAfter)
	}
	if ended, stop := p.test(ctx); stop {
		return ended
	}
	return outcome.Done(assessment.NextCheckAfter)
}

func (p *pass) failed(err error) outcome.Outcome {
	p.facts.failure = err
	return outcome.Retry(err)
}

func (p *pass) refusedOrFailed(err error) outcome.Outcome {
	if refusal, ok := errors.AsType[*refusal](err); ok {
		p.facts.refusal = refusal
		return outcome.Terminal(err)
	}
	return p.failed(err)
}

// close writes the status once, tells what changed, and maps the outcome.
func (p *pass) close(ctx context.Context, ended outcome.Outcome) (ctrl.Result, error) {
	if p.object.DeletionTimestamp.IsZero() {
		markStatus(p.object, p.facts)
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
