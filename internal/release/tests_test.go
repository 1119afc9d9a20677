package release_test

import (
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/dpi-operator/dpi-operator/internal/release"
)

func (w *world) test(request release.Request) release.Outcome {
	w.t.Helper()
	return must(w.engine.Test(w.t.Context(), request))(w.t)
}

func (w *world) checkUID() string {
	w.t.Helper()
	var job batchv1.Job
	w.read("app-check", &job)
	return string(job.UID)
}

func TestTest_runsOncePerRevision(t *testing.T) {
	w := newWorld(t)
	request := w.request("tested", nil)
	w.wantState(w.reconcile(request), release.StateDeployed, 1)
	if w.exists("app-check", &batchv1.Job{}) {
		t.Fatal("the tests ran with the installation")
	}
	w.wantState(w.test(request), release.StateProgressing, 1)
	first := w.checkUID()
	w.wantState(w.test(request), release.StateProgressing, 1)
	w.finishJobs(batchv1.JobComplete)
	outcome := w.test(request)
	w.wantState(outcome, release.StateDeployed, 1)
	w.wantEvents(outcome, "TestsPassed")
	w.wantState(w.test(request), release.StateDeployed, 1)
	if w.checkUID() != first {
		t.Error("the tests ran twice")
	}
	w.wantState(w.reconcile(request), release.StateDeployed, 1)

	upgrade := w.request("tested", map[string]any{"message": "two"})
	w.wantState(w.reconcile(upgrade), release.StateDeployed, 2)
	w.wantState(w.test(upgrade), release.StateProgressing, 2)
	if w.checkUID() == first {
		t.Error("the tests of the new revision did not run")
	}
}

func TestTest_aFailureIsToldAndTriedAgainInBounds(t *testing.T) {
	w := newWorld(t)
	request := w.request("tested", nil)
	request.Policy.MaxAttempts = 2
	w.reconcile(request)
	w.test(request)
	first := w.checkUID()
	w.finishJobs(batchv1.JobFailed)
	outcome := w.test(request)
	w.wantState(outcome, release.StateFailed, 1)
	w.wantEvents(outcome, "TestsFailed")
	if outcome.Reason != release.ReasonTestsFailed || !strings.Contains(outcome.Message, "no such table") || !outcome.RetryAt.After(w.now) {
		t.Errorf("got %s %q, again at %v", outcome.Reason, outcome.Message, outcome.RetryAt)
	}
	if again := w.test(request); again.Message != outcome.Message || len(again.Events) > 0 {
		t.Errorf("the second pass says %q and tells %v", again.Message, again.Events)
	}
	w.wantState(w.reconcile(request), release.StateDeployed, 1)

	w.now = outcome.RetryAt
	w.wantState(w.test(request), release.StateProgressing, 1)
	if w.checkUID() == first {
		t.Error("the retry looks at the run that failed")
	}
	w.finishJobs(batchv1.JobFailed)
	if outcome = w.test(request); !outcome.RetryAt.IsZero() {
		t.Errorf("a third attempt is due at %v", outcome.RetryAt)
	}
	request.ResetToken = "again"
	w.wantState(w.test(request), release.StateProgressing, 1)
	w.finishJobs(batchv1.JobComplete)
	w.wantState(w.test(request), release.StateDeployed, 1)
}

func TestTest_aChartWithoutTestsPasses(t *testing.T) {
	w := newWorld(t)
	request := w.request("basic", nil)
	w.wantState(w.settle(request), release.StateDeployed, 1)
	w.wantState(w.test(request), release.StateDeployed, 1)
}
