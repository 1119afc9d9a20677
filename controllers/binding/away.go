package binding

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/naming"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// jobKept is how long a Job in a provider's namespace outlives its end in seconds, should nobody be left to take it away.
const jobKept = 24 * 60 * 60

// site is where a Job runs, and the names of what it uses there.
type site struct {
	namespace                             string
	account, result, request, credentials string
	// away is set in the namespace of a provider that is not the binding's own.
	away bool
}

// site tells where a step's Job runs. Beside the binding one set of objects serves all Jobs, because one runs at a time. Beside a
// provider in another namespace everything belongs to the Job and goes with it: an owner cannot be in another namespace.
func (p *pass) site(next step, job string) site {
	if p.object.IsForeign() && next.action() != provision.ActionVerify {
		return site{
			namespace: p.object.ProviderKey().Namespace, account: job, request: job, away: true,
			result: naming.Join(naming.ObjectMax, job, "result"), credentials: naming.Join(naming.ObjectMax, job, "credentials"),
		}
	}
	name := func(suffix string) string { return naming.Join(naming.ObjectMax, p.object.Name, suffix) }
	here := site{
		namespace: p.object.Namespace, account: name("provisioner"), result: name("result"), request: name("request"),
		credentials: p.object.Spec.SecretName,
	}
	if p.proposal != nil {
		here.credentials = p.proposalName()
	}
	if p.seen.credential != "" {
		here.credentials = p.seen.credential
	}
	if next.isStaged() {
		here.credentials = p.stagingName()
	}
	return here
}

// awayLabels find what was made for the binding in its provider's namespace. They name no deployment: one of that name may be
// there too.
func (p *pass) awayLabels() map[string]string {
	return map[string]string{v1alpha1.BindingLabel: p.object.Name, v1alpha1.BindingNamespaceLabel: p.object.Namespace}
}

// startAway makes the Job suspended, so that what it uses can be made as its own before it runs.
func (p *pass) startAway(ctx context.Context, next step, name string) error {
	credentials, err := p.credentialsVolume(ctx, next, p.site(next, name))
	if err != nil {
		return err
	}
	job := p.newJob(next, name, credentials)
	job.Spec.Suspend, job.Spec.TTLSecondsAfterFinished = new(true), new(int32(jobKept))
	if err := p.Client.Create(ctx, job); err != nil {
		return fmt.Errorf("start Job %s in namespace %s: %w", name, job.Namespace, err)
	}
	return p.equip(ctx, next, job)
}

// equip makes what a suspended Job uses, and lets it run. A pass that died in between is continued here.
func (p *pass) equip(ctx context.Context, next step, job *batchv1.Job) error {
	at := p.site(next, job.Name)
	owner := metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", Name: job.Name, UID: job.UID}
	if err := p.ensureSupport(ctx, at, owner); err != nil {
		return err
	}
	if err := p.ensureRequest(ctx, next, job.Name, owner); err != nil {
		return err
	}
	if err := p.lend(ctx, next, at, owner); err != nil {
		return err
	}
	running := job.DeepCopy()
	running.Spec.Suspend = new(false)
	if err := p.Client.Patch(ctx, running, client.MergeFromWithOptions(job, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("start Job %s in namespace %s: %w", job.Name, job.Namespace, err)
	}
	return nil
}

// lend copies to the provider's namespace what the Job sets there and cannot know otherwise: generated and minted values, but no
// private key. It is taken back when the Job ends. A revocation needs none of it.
func (p *pass) lend(ctx context.Context, next step, at site, owner metav1.OwnerReference) error {
	if next == stepRevoke {
		return nil
	}
	source, err := p.source(ctx, next)
	if err != nil {
		return err
	}
	lent := corev1.Secret{ObjectMeta: p.metaAt(at, at.credentials, owner), Data: map[string][]byte{}, Immutable: new(true)}
	for _, output := range p.object.Spec.Outputs {
		value, has := source.Data[output.Name]
		if has && !output.IsPrivateKey() && (output.Origin == v1alpha1.OriginGenerated || output.Origin == v1alpha1.OriginMinted) {
			lent.Data[output.Name] = value
		}
	}
	if err := p.Client.Create(ctx, &lent); client.IgnoreAlreadyExists(err) != nil {
		return fmt.Errorf("lend credentials to Job %s in namespace %s: %w", owner.Name, at.namespace, err)
	}
	return nil
}

// source is the Secret that a step works with: the consumer's, or the one with the credentials that are not in force yet.
func (p *pass) source(ctx context.Context, next step) (*corev1.Secret, error) {
	if !next.isStaged() {
		return p.working(), nil
	}
	var staging corev1.Secret
	found, err := p.readStaging(ctx, &staging)
	if err == nil && !found {
		err = fmt.Errorf("secret %s, which this rotation needs, is gone", p.stagingName())
	}
	return &staging, err
}

// takeBack deletes the credentials that were lent to a Job.
func (p *pass) takeBack(ctx context.Context, at site) error {
	lent := corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: at.credentials, Namespace: at.namespace}}
	if err := p.Client.Delete(ctx, &lent); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("take the credentials in Secret %s back from namespace %s: %w", at.credentials, at.namespace, err)
	}
	return nil
}

// sweep takes back what was lent to Jobs that nobody waits for any more: this pass goes another way than the one that started
// them. Where the grant is gone they are stopped as well.
func (p *pass) sweep(ctx context.Context, next step) error {
	if !p.object.IsForeign() {
		return nil
	}
	awaited := ""
	if next != stepNone {
		awaited = p.jobName(next)
	}
	jobs, err := p.jobsAway(ctx)
	if err != nil {
		return err
	}
	for i := range jobs {
		job := &jobs[i]
		stop := !p.seen.entitled()
		if job.Name == awaited || !stop && !isFinished(job) {
			continue
		}
		if err := p.takeBack(ctx, p.site(stepProvision, job.Name)); err != nil {
			return err
		}
		if stop && !isFinished(job) {
			if err := p.deleteJob(ctx, job); err != nil {
				return err
			}
		}
	}
	return nil
}

// clearAway removes everything that was made in the provider's namespace. Credentials that were lent are looked up live, because
// nothing comes after this to find what a cache did not know yet.
func (p *pass) clearAway(ctx context.Context) error {
	if !p.object.IsForeign() {
		return nil
	}
	var secrets corev1.SecretList
	if err := p.Client.List(ctx, &secrets, client.InNamespace(p.object.ProviderKey().Namespace), client.MatchingLabels(p.awayLabels())); err != nil {
		return fmt.Errorf("look for credentials that were lent: %w", err)
	}
	for i := range secrets.Items {
		if err := p.Client.Delete(ctx, &secrets.Items[i]); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("take back Secret %s: %w", secrets.Items[i].Name, err)
		}
	}
	return p.clearJobsAway(ctx)
}

// clearJobsAway removes the Jobs beside a provider in another namespace, and what was lent to them. One that is not known here
// yet keeps what it needs.
func (p *pass) clearJobsAway(ctx context.Context) error {
	if !p.object.IsForeign() {
		return nil
	}
	jobs, err := p.jobsAway(ctx)
	if err != nil {
		return err
	}
	for i := range jobs {
		if err := p.takeBack(ctx, p.site(stepProvision, jobs[i].Name)); err != nil {
			return err
		}
		if err := p.deleteJob(ctx, &jobs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (p *pass) jobsAway(ctx context.Context) ([]batchv1.Job, error) {
	var jobs batchv1.JobList
	err := p.Client.List(ctx, &jobs, client.InNamespace(p.object.ProviderKey().Namespace), client.MatchingLabels(p.awayLabels()))
	if err != nil {
		return nil, fmt.Errorf("look for Jobs beside the provider: %w", err)
	}
	return jobs.Items, nil
}
