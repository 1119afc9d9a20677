package component

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/fetch"
	"github.com/dpi-operator/dpi-operator/internal/outcome"
	"github.com/dpi-operator/dpi-operator/internal/release"
	"github.com/dpi-operator/dpi-operator/internal/render"
	"github.com/dpi-operator/dpi-operator/internal/request"
)

// chartRetry is how often a chart is looked for that was not there.
const chartRetry = time.Minute

// fetchingRetry is how soon to ask for a chart that is on its way.
const fetchingRetry = 5 * time.Second

// release has the release made. stop says that the pass ends here; otherwise the release is deployed.
func (p *pass) release(ctx context.Context) (ended outcome.Outcome, stop bool) {
	wanted, err := p.request(ctx)
	if err != nil {
		return p.chartProblem(err), true
	}
	if wanted.ResetToken, err = p.resetToken(ctx); err != nil {
		return p.failed(err), true
	}
	p.watch()
	result, err := p.Releases.Reconcile(ctx, wanted)
	p.told = append(p.told, result.Events...)
	p.watch(result.WaitingFor...)
	if err != nil && isOfChart(err) {
		return p.chartProblem(err), true
	}
	if err != nil {
		return p.failed(fmt.Errorf("release %s: %w", wanted.Name, err)), true
	}
	p.record(result)
	p.facts.released, p.facts.request = &result, wanted
	switch result.State {
	case release.StateDeployed:
		p.object.Status.ObservedGeneration = p.object.Generation
		return outcome.Outcome{}, false
	case release.StateFailed:
		if result.RetryAt.IsZero() {
			p.object.Status.ObservedGeneration = p.object.Generation
			return outcome.Terminal(errors.New(result.Message)), true
		}
	case release.StateProgressing, release.StateBlocked, release.StateGone:
	}
	return outcome.Wait(p.until(result.RetryAt)), true
}

// test runs the chart's tests once the component is healthy, if they are a gate. stop says that the pass ends here.
func (p *pass) test(ctx context.Context) (ended outcome.Outcome, stop bool) {
	if p.object.Spec.Policy.Tests != v1alpha1.RunTests || p.object.Status.Release.Tested {
		return outcome.Outcome{}, false
	}
	result, err := p.Releases.Test(ctx, p.facts.request)
	p.told = append(p.told, result.Events...)
	if err != nil {
		return p.failed(fmt.Errorf("test %s: %w", p.facts.request.Name, err)), true
	}
	p.facts.tested = &result
	if result.State == release.StateDeployed {
		p.object.Status.Release.Tested = true
		return outcome.Outcome{}, false
	}
	return outcome.Wait(p.until(result.RetryAt)), true
}

// watch has this component woken by its hooks, and by the objects named, from before they are waited for: what happens
// meanwhile would be seen only when the wait is over.
func (p *pass) watch(objects ...render.ID) {
	p.Live.Track(client.ObjectKeyFromObject(p.object), objects...)
}

func (p *pass) until(moment time.Time) time.Duration {
	if moment.IsZero() {
		return 0
	}
	return max(moment.Sub(p.Now()), time.Second)
}

// request gathers what the release is made from. The archive is loaded only if there is something to render; its digest,
// once known for this generation, stands for it.
func (p *pass) request(ctx context.Context) (release.Request, error) {
	versions, err := p.credentialsVersions(ctx)
	if err != nil {
		return release.Request{}, err
	}
	p.facts.credentials = versions
	reference := request.Chart(p.object)
	chart := release.Chart{Digest: reference.Digest, Load: func(ctx context.Context) ([]byte, error) {
		archive, err := p.Charts.Get(ctx, reference)
		return archive.Data, err
	}}
	if chart.Digest == "" {
		archive, err := p.Charts.Get(ctx, reference)
		if err != nil {
			return release.Request{}, err
		}
		chart.Digest = archive.Digest
		chart.Load = func(context.Context) ([]byte, error) { return archive.Data, nil }
	}
	out, err := request.Release(p.object, chart)
	if err != nil {
		return release.Request{}, &refusal{reason: v1alpha1.ReasonInvalid, message: err.Error()}
	}
	out.Transform.WorkloadAnnotations = request.WorkloadAnnotations(versions)
	return out, nil
}

// record keeps what is known of the release and restarts the clock of the startup deadline when a new revision is deployed.
func (p *pass) record(result release.Outcome) {
	if result.Revision == 0 {
		return
	}
	status := &v1alpha1.ReleaseStatus{
		Name: p.object.Spec.ReleaseName, Revision: int64(result.Revision), ChartVersion: result.ChartVersion, ChartDigest: result.ChartDigest,
		InputsDigest: result.InputsDigest, Attempts: int32(min(result.Attempts, 1<<16)), //nolint:gosec // bounded right here
	}
	before := p.object.Status.Release
	p.facts.isNewRevision = before == nil || before.Revision != status.Revision
	status.Tested = before != nil && before.Revision == status.Revision && before.Tested
	if result.State == release.StateDeployed && (before == nil || before.Revision != status.Revision || p.object.Status.StartedAt == nil) {
		now := metav1.NewTime(p.Now())
		p.object.Status.StartedAt = &now
	}
	if result.State == release.StateDeployed {
		p.object.Status.Credentials = p.facts.credentials
	}
	p.object.Status.Release = status
	p.object.Status.RetryAt = nil
	if !result.RetryAt.IsZero() && result.State == release.StateFailed {
		retry := metav1.NewTime(result.RetryAt)
		p.object.Status.RetryAt = &retry
	}
}

// isOfChart tells whether the archive is the matter: a pinned one is fetched only when there is something to render.
func isOfChart(err error) bool {
	return slices.ContainsFunc([]error{
		fetch.ErrFetching, fetch.ErrNotFound, fetch.ErrUnreachable, fetch.ErrUnauthorized, fetch.ErrInvalidReference,
		fetch.ErrDigestMismatch, fetch.ErrTooLarge,
	}, func(kind error) bool { return errors.Is(err, kind) })
}

// chartProblem says what is wrong with the chart. A chart that is not there may still come, so it is looked for again.
func (p *pass) chartProblem(err error) outcome.Outcome {
	chart := p.object.Spec.Chart
	name := fmt.Sprintf("chart %s %s from %s", chart.Name, chart.Version, chart.Repository)
	refuse := func(reason v1alpha1.ConditionReason, text string) {
		p.facts.refusal = &refusal{reason: reason, message: text}
	}
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		p.facts.refusal = refused
		return outcome.Terminal(err)
	case errors.Is(err, fetch.ErrFetching):
		refuse(v1alpha1.ReasonReleaseInProgress, "Getting "+name)
		p.facts.refusal.waits = true
		return outcome.Wait(fetchingRetry)
	case errors.Is(err, fetch.ErrNotFound):
		refuse(v1alpha1.ReasonChartNotFound, "There is no "+name+"; publish it there or choose another version")
	case errors.Is(err, fetch.ErrUnreachable), errors.Is(err, fetch.ErrUnauthorized):
		refuse(v1alpha1.ReasonChartUnreachable, "Cannot get "+name+": "+err.Error())
	case errors.Is(err, fetch.ErrInvalidReference), errors.Is(err, fetch.ErrDigestMismatch), errors.Is(err, fetch.ErrTooLarge):
		refuse(v1alpha1.ReasonChartInvalid, "Cannot use "+name+": "+err.Error())
	default:
		return p.failed(fmt.Errorf("get %s: %w", name, err))
	}
	p.facts.refusal.waits = true
	return outcome.Wait(chartRetry)
}
