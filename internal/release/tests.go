package release

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/helm"
)

// TestProgress is how far the chart's test hooks got on one revision.
type TestProgress struct {
	// Attempt counts from 1; the hooks of another attempt are other objects.
	Attempt    int    `json:"attempt"`
	ResetToken string `json:"resetToken,omitempty"`
	Passed     bool   `json:"passed,omitempty"`
	// FailedAt and Cause of a failure.
	FailedAt time.Time `json:"failedAt,omitzero"`
	Cause    string    `json:"cause,omitempty"`
}

// Test runs the chart's test hooks on the release that Reconcile reported as deployed, as far as it goes without waiting.
// They run once for each revision; failed ones are tried again like a release. The outcome is StateDeployed once they
// passed, and also when the chart has none.
func (e *Engine) Test(ctx context.Context, request Request) (Outcome, error) {
	digest, err := InputsDigest(request)
	if err != nil {
		return Outcome{}, err
	}
	w := e.work(request.Namespace, request.Name, request.Owner, request.Client)
	w.request, w.digest = request, digest
	if err := w.observe(ctx); err != nil {
		return Outcome{}, err
	}
	if err := w.load(ctx); err != nil {
		return Outcome{}, err
	}
	outcome, err := w.test(ctx)
	if err != nil {
		return Outcome{Events: w.events}, err
	}
	outcome.Events = w.events
	return *outcome, nil
}

func (w *work) test(ctx context.Context) (*Outcome, error) {
	if !w.isWanted() || w.latest.Status != helm.StatusDeployed {
		return w.outcome(StateProgressing, ReasonHookRunning, "Waiting for the release to be tested"), nil
	}
	hooks := HooksFor(w.latest.Hooks, helm.Test)
	if len(hooks) == 0 {
		return w.outcome(StateDeployed, ReasonTestsPassed, "The chart has no tests"), nil
	}
	if outcome := w.testAgain(); outcome != nil {
		return outcome, nil
	}
	for _, index := range hooks {
		outcome, err := w.testOne(ctx, index)
		if outcome != nil || err != nil {
			return outcome, err
		}
	}
	if !w.progress.Tests.Passed {
		if err := w.cleanHooks(ctx, helm.Test); err != nil {
			return nil, err
		}
		w.progress.Tests.Passed = true
		if err := w.save(ctx); err != nil {
			return nil, err
		}
		w.event(EventNormal, string(ReasonTestsPassed), fmt.Sprintf("The tests of revision %d passed", w.latest.Revision))
	}
	return w.outcome(StateDeployed, ReasonTestsPassed, fmt.Sprintf("The tests of revision %d passed", w.latest.Revision)), nil
}

// testAgain begins the first attempt, or another one when it is due; otherwise it says when that is.
func (w *work) testAgain() *Outcome {
	tests := w.progress.Tests
	if tests == nil {
		w.progress.Tests = &TestProgress{Attempt: 1, ResetToken: w.request.ResetToken}
		return nil
	}
	if tests.FailedAt.IsZero() {
		return nil
	}
	isReset := tests.ResetToken != w.request.ResetToken
	retryAt := tests.FailedAt.Add(w.request.Policy.retryDelay(tests.Attempt))
	exhausted := tests.Attempt >= w.request.Policy.maxAttempts()
	if !isReset && (exhausted || w.now().Before(retryAt)) {
		outcome := w.outcome(StateFailed, ReasonTestsFailed, sentence(tests.Cause))
		if !exhausted {
			outcome.RetryAt = retryAt
		}
		return outcome
	}
	next := TestProgress{Attempt: tests.Attempt + 1, ResetToken: w.request.ResetToken}
	if isReset {
		next.Attempt = 1
	}
	w.progress.Tests = &next
	w.progress.dropHooks(helm.Test)
	return nil
}

// testOne carries one test as far as it goes without waiting; nothing is returned once it succeeded.
func (w *work) testOne(ctx context.Context, index int) (*Outcome, error) {
	for range maxSteps {
		known := w.progress.hook(index, helm.Test)
		if known != nil && known.Phase == HookSucceeded {
			return nil, nil
		}
		if known != nil && known.Phase == HookFailed {
			return w.testsFailed(ctx, index)
		}
		outcome, err := w.runHook(ctx, index, helm.Test)
		if outcome != nil || err != nil {
			return outcome, err
		}
	}
	return nil, fmt.Errorf("the tests of release %s/%s do not settle", w.owner.Namespace, w.owner.Release)
}

func (w *work) testsFailed(ctx context.Context, index int) (*Outcome, error) {
	if err := w.cleanFailedHooks(ctx, index, helm.Test); err != nil {
		return nil, err
	}
	w.progress.Tests.FailedAt = w.now()
	if err := w.save(ctx); err != nil {
		return nil, err
	}
	w.event(EventWarning, string(ReasonTestsFailed), sentence(w.progress.Tests.Cause))
	return w.testAgain(), nil
}

// attemptOf is what the hooks of an event carry to tell their run from others, also from that of the same hook at another
// event of the same attempt.
func (w *work) attemptOf(event helm.HookEvent) string {
	attempt := w.progress.AttemptID + "-" + string(event)
	if event != helm.Test || w.progress.Tests == nil {
		return attempt
	}
	return attempt + "-" + w.progress.Tests.ResetToken + strconv.Itoa(w.progress.Tests.Attempt)
}
