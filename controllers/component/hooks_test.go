package component_test

import (
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// TestAHookThatFinishesIsSeenBeforeAnythingElseIsInstalled: the first hook of a process that just started was seen only at
// the next look, 15 seconds later, because nothing was watched before the first release was there. It comes first in this
// package for that reason.
func TestAHookThatFinishesIsSeenBeforeAnythingElseIsInstalled(t *testing.T) {
	w := newWorld(t)
	w.component("app", "seeded", "")
	w.wantReady("app", isFalse, v1alpha1.ReasonReleaseInProgress, "Waiting for post-install hook Job")
	began := time.Now()
	w.finishJob("app-seed")
	w.wantReady("app", isTrue, v1alpha1.ReasonReady, "")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s to see that the hook was done", took)
	}
}

func (w *world) finishJob(name string) {
	w.t.Helper()
	var job batchv1.Job
	if !w.read(name, &job) {
		w.t.Fatalf("there is no Job %s", name)
	}
	now := metav1.Now()
	job.Status.StartTime, job.Status.CompletionTime = &now, &now
	for _, kind := range []batchv1.JobConditionType{batchv1.JobSuccessCriteriaMet, batchv1.JobComplete} {
		job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{
			Type: kind, Status: corev1.ConditionTrue, Reason: "Played", LastTransitionTime: now,
		})
	}
	w.must(cluster.Status().Update(w.t.Context(), &job))
}
