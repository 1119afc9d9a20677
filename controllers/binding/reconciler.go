package binding

import (
	"context"
	"errors"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/outcome"
)

// Reconciler wires Bindings. All fields are required.
type Reconciler struct {
	// Client must not cache Secrets and ConfigMaps.
	Client client.Client
	Events events.EventRecorder
	// Image of the built-in provisioners: the operator's own.
	Image string
	// Now is the clock.
	Now func() time.Time
}

// +kubebuilder:rbac:groups=dpi-operator.io,resources=bindings,verbs=get;list;watch;update;patch
// +kubebuilder:rbac:groups=dpi-operator.io,resources=bindings/status,verbs=patch
// +kubebuilder:rbac:groups=dpi-operator.io,resources=bindings/finalizers,verbs=update
// +kubebuilder:rbac:groups=dpi-operator.io,resources=components,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets;configmaps;serviceaccounts,verbs=get;list;create;update;patch;delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=roles;rolebindings,verbs=get;create;update;patch;delete
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile makes one pass over one Binding.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var object v1alpha1.Binding
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

// pass is one look at one binding.
type pass struct {
	*Reconciler
	object, base *v1alpha1.Binding
	seen         observation
	verdict      verdict
	// secret is the consumer's Secret as it is now; proposal is what it will hold once that is proved, or nil.
	secret, proposal *corev1.Secret
	// leaving is set while a former place is dealt with.
	leaving bool
	// recorded are Jobs that nobody needs once the status has their results.
	recorded []*batchv1.Job
	// identity is the name the provider knows the binding by.
	identity string
}

// run observes, decides and acts.
func (p *pass) run(ctx context.Context) outcome.Outcome {
	if p.object.Spec.Suspend {
		p.verdict = verdict{reason: v1alpha1.ReasonSuspended, message: "Suspended; nothing is changed until spec.suspend is taken away", rests: true}
		return outcome.Done(0)
	}
	p.follow()
	if err := p.observeGiven(ctx); err != nil {
		return p.stopped(err)
	}
	if err := p.ensureSecret(ctx); err != nil {
		return p.stopped(err)
	}
	if err := p.ensureForms(ctx, p.secret); err != nil {
		return p.stopped(err)
	}
	if err := p.observe(ctx); err != nil {
		return p.stopped(err)
	}
	p.clearStall()
	p.absorb()
	next := decide(p.object, p.seen, p.Now())
	p.verdict = next.verdict
	if next.forget {
		p.object.Status.Verified = ""
	}
	if next.waits {
		// The next attempt is made once what is waited for is there.
		p.object.Status.RetryAt = nil
	}
	if err := p.sweep(ctx, next.step); err != nil {
		return p.stopped(err)
	}
	if next.rotation != "" {
		return p.rotate(ctx, next.rotation)
	}
	if next.step == stepNone {
		return next.outcome
	}
	if next.step == stepLeave {
		ended, _ := p.leave(ctx)
		return ended
	}
	if next.step == stepProvision && p.object.Spec.IsGiven() {
		return p.receive(ctx)
	}
	return p.perform(ctx, next.step)
}

// clearStall forgets failures of an earlier generation: what changed may be the cure. Somebody who asks wants the next attempt now.
func (p *pass) clearStall() {
	ready := conditions.Get(p.object, v1alpha1.ReadyCondition)
	if isAsked(p.object) {
		p.object.Status.RetryAt = nil
	}
	if ready != nil && ready.ObservedGeneration != p.object.Generation {
		p.object.Status.Attempts, p.object.Status.RetryAt = 0, nil
		if rotation := p.object.Status.Rotation; rotation != nil {
			rotation.Attempts, rotation.RetryAt = 0, nil
		}
	}
}

// stopped tells a state that a person must change from a failure that may pass.
func (p *pass) stopped(err error) outcome.Outcome {
	if refused, ok := errors.AsType[*refusal](err); ok {
		p.verdict = verdict{reason: refused.reason, message: refused.message, stalled: true}
		return outcome.Terminal(err)
	}
	p.verdict = verdict{reason: v1alpha1.ReasonRetrying, message: "Trying again: " + err.Error()}
	return outcome.Retry(err)
}

// close writes the status once, tells what changed, and maps the outcome.
func (p *pass) close(ctx context.Context, ended outcome.Outcome) (ctrl.Result, error) {
	if p.object.DeletionTimestamp.IsZero() {
		if ended.IsSettled() {
			p.object.Status.ObservedGeneration = p.object.Generation
		}
		if p.verdict.reason != v1alpha1.ReasonWaitingForPerson {
			p.object.Status.WaitingFor = nil
		}
		markStatus(p.object, p.verdict)
	}
	if err := conditions.PatchStatus(ctx, p.Client, p.object, p.base); err != nil {
		if apierrors.IsConflict(err) {
			return ctrl.Result{RequeueAfter: outcome.CatchUp}, nil
		}
		return ctrl.Result{}, errors.Join(ended.Err(), err)
	}
	p.tell()
	for _, job := range p.recorded {
		if err := p.deleteJob(ctx, job); err != nil {
			return ctrl.Result{}, err
		}
	}
	result, err := ended.Result()
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return ctrl.Result{RequeueAfter: outcome.CatchUp}, nil
	}
	return result, err
}
