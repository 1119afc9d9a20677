package release_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/helm"
	"github.com/dpi-operator/dpi-operator/internal/release"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

// What users of other systems suffer from, by the numbers of docs/pains.md.

// TestPain01_aFirstInstallThatWasKilledIsFinishedUnderItsOwnRevision: there is nothing to roll back to, and nothing is purged.
func TestPain01_aFirstInstallThatWasKilledIsFinishedUnderItsOwnRevision(t *testing.T) {
	w := newWorld(t)
	k := &killer{left: 3, made: map[string]int{}}
	if _, err := w.newEngine(k.wrap(config), "mortal").Reconcile(t.Context(), w.request("basic", nil)); err == nil {
		t.Fatal("the process was not killed")
	}
	if history := must(w.helm.History("app"))(t); len(history) != 1 || history[0].Status != "pending-install" {
		t.Fatalf("the release is not in the middle of its first install: %+v", history)
	}
	w.wantState(w.settle(w.request("basic", nil)), release.StateDeployed, 1)
	if history := must(w.helm.History("app"))(t); len(history) != 1 || history[0].Status != "deployed" {
		t.Errorf("helm history shows %+v", history)
	}
}

// TestPain10_discoveryDoesNotGrowWithReleases counts what is asked about the kinds of the cluster.
func TestPain10_discoveryDoesNotGrowWithReleases(t *testing.T) {
	w := newWorld(t)
	var asked atomic.Int64
	wrapped := rest.CopyConfig(config)
	wrapped.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(request *http.Request) (*http.Response, error) {
			path := request.URL.Path
			isObject := strings.Contains(path, "/namespaces/") || strings.HasSuffix(path, "/namespaces")
			if strings.HasPrefix(path, "/openapi") || !isObject && request.Method == http.MethodGet && strings.Count(path, "/") <= 3 {
				asked.Add(1)
			}
			return next.RoundTrip(request)
		})
	})
	w.engine = w.engineOn(must(apply.NewCluster(wrapped))(t), "holder-1")
	install := func(from, to int) {
		request := w.request("three", nil)
		for i := from; i < to; i++ {
			request.Name = fmt.Sprintf("app-%d", i)
			request.Owner.Component = request.Name
			w.wantState(w.settle(request), release.StateDeployed, 1)
		}
	}
	install(0, 1)
	first := asked.Load()
	started := time.Now()
	install(1, 21)
	// Once a second it may be asked whether the list changed, and the mapping may learn of kinds in use.
	if more := asked.Load() - first; first == 0 || more > 5+int64(time.Since(started).Seconds()) {
		t.Errorf("the first release asked %d times which kinds there are, 20 more releases %d times", first, more)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// TestPain13_noFailureUninstalls goes through whatever the records can say: an installation that fails is repeated, rolled
// back or left, and no step of a removal is ever taken for it.
func TestPain13_noFailureUninstalls(t *testing.T) {
	allowed := map[release.Step]bool{
		release.StepNothing: true, release.StepWait: true, release.StepBegin: true, release.StepTakeOver: true, release.StepAbandon: true,
		release.StepCRDs: true, release.StepHook: true, release.StepApply: true, release.StepDeploy: true, release.StepFail: true,
	}
	statuses := []helm.Status{
		helm.StatusPendingInstall, helm.StatusPendingUpgrade, helm.StatusPendingRollback, helm.StatusDeployed, helm.StatusFailed,
		helm.StatusSuperseded, helm.StatusUninstalling, helm.StatusUninstalled,
	}
	operations := []release.Operation{release.OperationInstall, release.OperationUpgrade, release.OperationRollback, release.OperationUninstall}
	for _, status := range statuses {
		for _, operation := range operations {
			for _, onFailure := range []release.FailurePolicy{release.Leave, release.Rollback} {
				for attempt := range 3 {
					in := release.Input{
						Now: time.Now(), Component: "app", Holder: "me", Wanted: "new",
						Policy:    release.Policy{OnUpgradeFailure: onFailure, MaxAttempts: 2},
						Revisions: []release.Revision{{Number: 1, Status: status, Ours: true, Component: "app", Inputs: "new", Attempt: attempt + 1}},
						Progress:  &release.Progress{Operation: operation, Holder: "me", Reason: release.ReasonApplyFailed},
					}
					decision := release.Decide(in)
					if !allowed[decision.Step] || len(decision.Forget) > 0 || decision.Operation == release.OperationUninstall {
						t.Errorf("%s by %s: %s %s", status, operation, decision.Step, decision.Operation)
					}
				}
			}
		}
	}
}

// TestPain13_failuresKeepVolumesAndWhatWorks has a database's release fail in every way until nobody tries any more.
func TestPain13_failuresKeepVolumesAndWhatWorks(t *testing.T) {
	for name, policy := range map[string]release.Policy{
		"left":        {MaxAttempts: 2},
		"rolled back": {MaxAttempts: 2, OnUpgradeFailure: release.Rollback},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.wantState(w.settle(w.request("state", nil)), release.StateDeployed, 1)
			w.check(w.client.Create(t.Context(), w.claim("data-app-0")))
			before := w.uids()
			request := w.request("state", map[string]any{"storage": "2Gi"})
			request.Policy = policy
			for outcome := w.settle(request); !outcome.RetryAt.IsZero(); outcome = w.settle(request) {
				w.now = outcome.RetryAt
			}
			if diff := cmp.Diff(before, w.uids()); diff != "" {
				t.Errorf("something was removed or made anew: %s", diff)
			}
		})
	}
	t.Run("first install", func(t *testing.T) {
		w := newWorld(t)
		request := w.request("state", map[string]any{"image": "registry.example.org/db:1"})
		request.Policy.MaxAttempts = 2
		// An object that the cluster refuses, after the others.
		request.Transform.Patches = []render.Patch{{Patch: `{apiVersion: batch/v1, kind: Job, metadata: {name: app-load}, spec: {template: {spec: {restartPolicy: Always}}}}`}}
		outcome := w.settle(request)
		w.wantState(outcome, release.StateFailed, 1)
		before := w.uids()
		if before["PersistentVolumeClaim app-backup"] == "" {
			t.Fatalf("the failure came before the volume: %v", before)
		}
		w.now = outcome.RetryAt
		w.wantState(w.settle(request), release.StateFailed, 2)
		if diff := cmp.Diff(before, w.uids()); diff != "" {
			t.Errorf("something was removed or made anew: %s", diff)
		}
	})
}

// TestPain14_fieldsOfHelmsManagersAreTakenOver: Helm 3 writes with client-side patches. Whoever goes on with server-side
// apply meets conflicts with it, and fields that the chart drops stay for ever.
func TestPain14_fieldsOfHelmsManagersAreTakenOver(t *testing.T) {
	w := newWorld(t)
	must(w.helm.Install("app", archive(t, "basic").Data, map[string]any{"message": "old", "replicas": 3}))(t)
	request := w.request("basic", map[string]any{"message": "new"})
	request.Policy.Adoption = release.AdoptRelease
	request.Transform.Patches = []render.Patch{{Target: &render.Target{Kind: "Deployment"}, Patch: `[{"op":"remove","path":"/spec/template/spec/containers/0/env"}]`}}
	w.wantState(w.settle(request), release.StateDeployed, 2)
	deployment := &appsv1.Deployment{}
	w.read("app", deployment)
	if env := deployment.Spec.Template.Spec.Containers[0].Env; len(env) > 0 {
		t.Errorf("what the chart has no more is still there: %v", env)
	}
	if *deployment.Spec.Replicas != 1 {
		t.Errorf("the old value won: %d replicas", *deployment.Spec.Replicas)
	}
	w.wantSoleManager("app-settings")
}

// TestPain16_passwordsThatChartsRollDoNotChange: neither by looking again, nor by another process, nor by an upgrade of a
// chart that looks up what it made.
func TestPain16_passwordsThatChartsRollDoNotChange(t *testing.T) {
	w := newWorld(t)
	w.wantState(w.settle(w.request("basic", nil)), release.StateDeployed, 1)
	password := w.password()
	for holder := range 3 {
		w.engine = w.newEngine(config, fmt.Sprintf("holder-%d", holder))
		w.wantState(w.settle(w.request("basic", nil)), release.StateDeployed, 1)
	}
	w.wantState(w.settle(w.request("basic", map[string]any{"message": "two"})), release.StateDeployed, 2)
	failing := w.request("basic", map[string]any{"broken": true})
	failing.Policy.OnUpgradeFailure = release.Rollback
	w.wantState(w.settle(failing), release.StateFailed, 4)
	if w.password() != password {
		t.Error("the password changed")
	}
}

// TestPain21_chartsSeeKindsThatCameAfterTheStart: a chart asks whether the cluster serves a kind, and a definition that
// nobody told the operator of comes between two releases.
func TestPain21_chartsSeeKindsThatCameAfterTheStart(t *testing.T) {
	t.Cleanup(func() { removeDefinition(t) })
	removeDefinition(t)
	w := newWorld(t)
	w.wantState(w.settle(w.request("asks", nil)), release.StateDeployed, 1)
	settings := &corev1.ConfigMap{}
	w.read("app-asks", settings)
	if settings.Data["widgets"] != "none" {
		t.Fatalf("widgets are served already: %v", settings.Data)
	}
	other := newWorld(t)
	must(other.helm.Install("app", archive(t, "defs").Data, nil))(t)
	attempt := 0
	w.eventually(func() bool {
		attempt++
		w.settle(w.request("asks", map[string]any{"attempt": attempt}))
		w.read("app-asks", settings)
		return settings.Data["widgets"] == "served"
	})
}

// TestPain21_aHelmUninstallUnderWayIsNotAnswered: what is installed in its midst, it takes away at its end.
func TestPain21_aHelmUninstallUnderWayIsNotAnswered(t *testing.T) {
	w := newWorld(t)
	request := w.request("basic", nil)
	w.settleLongAgo(request)
	w.check(w.helm.InterruptUninstall("app"))
	before := w.versions()
	outcome := w.reconcile(request)
	w.wantState(outcome, release.StateProgressing, 1)
	if outcome.Reason != release.ReasonOtherOperation {
		t.Errorf("got %s: %s", outcome.Reason, outcome.Message)
	}
	if diff := cmp.Diff(before, w.versions()); diff != "" {
		t.Errorf("something was written: %s", diff)
	}
	// Whoever ran it is gone.
	w.now = w.now.Add(10*time.Minute + time.Second)
	w.wantState(w.settle(request), release.StateDeployed, 2)
}

// settleLongAgo makes a release that was at rest for an hour when the test goes on.
func (w *world) settleLongAgo(request release.Request) {
	w.t.Helper()
	w.now = w.now.Add(-time.Hour)
	w.wantState(w.settle(request), release.StateDeployed, 1)
	w.now = w.now.Add(time.Hour)
}

// uids tells objects that were made anew from those that stayed, but for records.
func (w *world) uids() map[string]string {
	w.t.Helper()
	found := map[string]string{}
	w.each(func(what string, object *metav1.PartialObjectMetadata) {
		if !strings.HasPrefix(object.Name, "sh.helm.release.") {
			found[what] = string(object.UID)
		}
	})
	return found
}
