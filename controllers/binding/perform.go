package binding

import (
	"context"
	"fmt"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/outcome"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// perform starts the Job of a step, waits for it, or takes its result.
func (p *pass) perform(ctx context.Context, next step) outcome.Outcome {
	result, running, err := p.job(ctx, next)
	switch {
	case err != nil:
		return p.stopped(err)
	case running:
		return outcome.Wait(0)
	}
	return p.take(ctx, next, result)
}

// job returns the result of the step's Job, or reports that it runs.
func (p *pass) job(ctx context.Context, next step) (result provision.Result, running bool, err error) {
	name := p.jobName(next)
	at := p.site(next, name)
	var job batchv1.Job
	err = p.Client.Get(ctx, client.ObjectKey{Namespace: at.namespace, Name: name}, &job)
	switch {
	case apierrors.IsNotFound(err):
		return result, true, p.start(ctx, next, name)
	case err != nil:
		return result, false, fmt.Errorf("read Job %s: %w", name, err)
	case job.Spec.Suspend != nil && *job.Spec.Suspend && at.away:
		return result, true, p.equip(ctx, next, &job)
	case !isFinished(&job):
		return result, true, nil
	}
	if at.away {
		if err := p.takeBack(ctx, at); err != nil {
			return result, false, err
		}
	}
	result, err = p.result(ctx, &job, at)
	if err != nil {
		return result, false, err
	}
	isOver := result.Phase == provision.PhaseDone || result.Phase == provision.PhaseWaiting
	if isOver && (next != stepRevoke || p.object.DeletionTimestamp.IsZero()) {
		// A failed Job is kept for its log until the next attempt, that of a revocation until the binding goes, and any other until its
		// result is recorded: a pass with an old view must find it. One that waits for a person is asked again by a Job of that name.
		p.recorded = append(p.recorded, &job)
	}
	return result, false, nil
}

func isFinished(job *batchv1.Job) bool {
	for _, condition := range job.Status.Conditions {
		if (condition.Type == batchv1.JobComplete || condition.Type == batchv1.JobFailed) && condition.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

// result reads what the Job left. Without a result that answers this very Job nothing counts as done, whatever it exited with.
func (p *pass) result(ctx context.Context, job *batchv1.Job, at site) (provision.Result, error) {
	var secret corev1.Secret
	err := p.Client.Get(ctx, client.ObjectKey{Namespace: at.namespace, Name: at.result}, &secret)
	if client.IgnoreNotFound(err) != nil {
		return provision.Result{}, fmt.Errorf("read the result of Job %s: %w", job.Name, err)
	}
	data := secret.Data[provision.ResultKey]
	if len(data) == 0 {
		return provision.Result{Phase: provision.PhaseRetry, Reason: "NoResult", Message: "Job " + job.Name + " ended without a result; see its log"}, nil
	}
	result, err := provision.ParseResult(data, job.Name)
	if err != nil {
		return provision.Result{Phase: provision.PhaseRetry, Reason: "NoResult", Message: "Job " + job.Name + ": " + err.Error()}, nil //nolint:nilerr // the answer is no result; that is what is said
	}
	return result, nil
}

// take draws the consequences of a result.
func (p *pass) take(ctx context.Context, done step, result provision.Result) outcome.Outcome {
	if done.ofRotation() {
		return p.takeRotation(done, result)
	}
	if done == stepVerify || done == stepPrepare {
		p.object.Status.LastHandledReconcileAt = annotated(p.object, v1alpha1.ReconcileAtAnnotation)
	}
	if result.Phase == provision.PhaseWaiting {
		return p.awaitPerson(v1alpha1.PersonWait{Instruction: conditions.Line(result.Message)})
	}
	if done == stepRevoke {
		return p.takeRevocation(result)
	}
	if result.Phase != provision.PhaseDone {
		return p.retry(done, result)
	}
	p.object.Status.RetryAt, p.object.Status.WaitingFor = nil, nil
	if done != stepProvision {
		// What is provisioned and then not proved goes on counting.
		p.object.Status.Attempts = 0
	}
	switch done {
	case stepNone, stepRevoke, stepStage, stepProve, stepRetire, stepLeave:
	case stepPrepare:
		return p.takePreparation()
	case stepProvision:
		missing, err := p.storeMinted(ctx, result.Outputs)
		if err != nil {
			return p.stopped(err)
		}
		if len(missing) > 0 {
			return p.retry(done, provision.Result{Phase: provision.PhaseFailed, Reason: "NoOutput",
				Message: "The provisioner says that it is done and gave no " + strings.Join(missing, ", ")})
		}
		return p.provisioned(ctx)
	case stepVerify:
		now := metav1.NewTime(p.Now())
		p.object.Status.Verified, p.object.Status.VerifiedAt = p.seen.verify, &now
		if rotation := p.object.Status.Rotation; rotation != nil {
			return p.confirmed(rotation)
		}
		p.verdict = restingVerdict(p.object, p.seen)
		if p.proposal != nil || len(p.object.Status.FormerAccess) > 0 || beginRotation(p.object, p.Now()) != "" {
			return soon()
		}
		return outcome.Done(nextLook(p.object, p.seen, p.Now()))
	}
	return outcome.Done(0)
}

// provisioned goes on to the proof.
func (p *pass) provisioned(ctx context.Context) outcome.Outcome {
	p.object.Status.Provisioned = p.seen.provision
	p.seen.verify = p.verifyDigest()
	p.verdict = provingVerdict(p.object, p.seen)
	return p.perform(ctx, stepVerify)
}

// retry counts the failure. After a failed proof the provider is asked to put things right before the next one.
func (p *pass) retry(failed step, result provision.Result) outcome.Outcome {
	p.object.Status.Attempts++
	p.object.Status.LastHandledReconcileAt = annotated(p.object, v1alpha1.ReconcileAtAnnotation)
	reason := v1alpha1.ReasonProvisioningFailed
	if failed == stepRevoke {
		reason = v1alpha1.ReasonGrantWithdrawn
	}
	if failed == stepVerify {
		reason = v1alpha1.ReasonVerificationFailed
	}
	if failed == stepVerify || failed == stepPrepare {
		p.object.Status.Verified = ""
		if result.Phase == provision.PhaseFailed {
			p.object.Status.Provisioned = ""
		}
	}
	delay := retryDelay(p.object.Status.Attempts)
	at := metav1.NewTime(p.Now().Add(delay))
	p.object.Status.RetryAt = &at
	p.verdict = verdict{reason: reason, message: sentence(result), stalled: isStalled(p.object)}
	return outcome.Wait(delay)
}

func sentence(result provision.Result) string {
	if result.Message == "" {
		return result.Reason
	}
	return result.Reason + ": " + result.Message
}

// start makes what the Job needs, and the Job. Earlier Jobs of the binding are removed first, so that they never pile up.
func (p *pass) start(ctx context.Context, next step, name string) error {
	if err := p.clearJobs(ctx); err != nil {
		return err
	}
	if access := p.object.Status.Access; next.action() == provision.ActionProvision && access != nil && access.RequestedAt == nil {
		access.RequestedAt = new(metav1.NewTime(p.Now()))
	}
	at := p.site(next, name)
	if at.away {
		return p.startAway(ctx, next, name)
	}
	if err := p.ensureSupport(ctx, at, p.owner()); err != nil {
		return err
	}
	if err := p.ensureRequest(ctx, next, name, p.owner()); err != nil {
		return err
	}
	credentials, err := p.credentialsVolume(ctx, next, at)
	if err != nil {
		return err
	}
	if err := p.Client.Create(ctx, p.newJob(next, name, credentials)); err != nil {
		return fmt.Errorf("start Job %s: %w", name, err)
	}
	return nil
}

func (p *pass) clearJobs(ctx context.Context) error {
	var jobs batchv1.JobList
	if err := p.Client.List(ctx, &jobs, client.InNamespace(p.object.Namespace), client.MatchingLabels{v1alpha1.BindingLabel: p.object.Name}); err != nil {
		return fmt.Errorf("look for earlier Jobs: %w", err)
	}
	for i := range jobs.Items {
		if !metav1.IsControlledBy(&jobs.Items[i], p.object) {
			// It is that of a binding of the same name in another namespace.
			continue
		}
		if err := p.deleteJob(ctx, &jobs.Items[i]); err != nil {
			return err
		}
	}
	return p.clearJobsAway(ctx)
}

func (p *pass) deleteJob(ctx context.Context, job *batchv1.Job) error {
	err := p.Client.Delete(ctx, job, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete Job %s: %w", job.Name, err)
	}
	return nil
}
