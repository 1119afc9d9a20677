package component_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

func policy(change v1alpha1.ReleasePolicy) func(*v1alpha1.ComponentSpec) {
	return func(spec *v1alpha1.ComponentSpec) { spec.Policy = change }
}

// hook is the one of the charts `hooked` and `tested` in a component called cfg.
const hook = "cfg-migrate"

// endHook plays the Job controller: the hook's newest Job ends so.
func (w *world) endHook(kind batchv1.JobConditionType, known ...string) string {
	w.t.Helper()
	var job batchv1.Job
	w.eventually(func() string {
		job = batchv1.Job{}
		if !w.read(hook, &job) || !job.DeletionTimestamp.IsZero() {
			return "there is no hook " + hook
		}
		if slices.Contains(known, string(job.UID)) {
			return "hook " + hook + " was not made anew"
		}
		return ""
	})
	now := metav1.Now()
	job.Status.StartTime = &now
	before := batchv1.JobSuccessCriteriaMet
	if kind == batchv1.JobFailed {
		before = batchv1.JobFailureTarget
	} else {
		job.Status.CompletionTime = &now
		job.Status.Succeeded = 1
	}
	for _, each := range []batchv1.JobConditionType{before, kind} {
		job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{Type: each, Status: corev1.ConditionTrue, Reason: "Because", LastTransitionTime: now})
	}
	w.must(cluster.Status().Update(w.t.Context(), &job))
	return string(job.UID)
}

func (w *world) greets(want string) {
	w.t.Helper()
	w.eventually(func() string {
		var installed corev1.ConfigMap
		if w.read("cfg", &installed); installed.Data["greeting"] != want {
			return "cfg says " + installed.Data["greeting"] + ", want " + want
		}
		return ""
	})
}

func (w *world) greet(text string) {
	w.t.Helper()
	w.update("cfg", func(c *v1alpha1.Component) { c.Spec.Values = jsonOf(`{"greeting":"` + text + `"}`) })
}

func TestAFailedUpgradeGoesBackToTheLastGoodRevision(t *testing.T) {
	w := newWorld(t)
	w.component("cfg", "hooked", greeting, policy(v1alpha1.ReleasePolicy{OnUpgradeFailure: v1alpha1.RollbackFailed, MaxAttempts: 1}))
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
	w.greet("bad")
	failed := w.endHook(batchv1.JobFailed)
	w.wantReady("cfg", isFalse, v1alpha1.ReasonReleaseFailed, "cfg-migrate")
	w.greets("hello")
	if conditions.Get(w.get("cfg"), v1alpha1.StalledCondition) == nil {
		t.Error("not stalled, although no attempt is left")
	}

	// Another value is another attempt, at once.
	w.greet("good")
	w.endHook(batchv1.JobComplete, failed)
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
	w.greets("good")
}

func TestAStallEndsWithAResetAndAWaitIsInterruptedByIt(t *testing.T) {
	for name, attempts := range map[string]int32{"a stall": 1, "a wait": 5} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.component("cfg", "hooked", greeting, policy(v1alpha1.ReleasePolicy{MaxAttempts: attempts}))
			w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
			w.greet("new")
			failed := w.endHook(batchv1.JobFailed)
			w.wantReady("cfg", isFalse, v1alpha1.ReasonReleaseFailed, "cfg-migrate")
			started := time.Now()
			w.update("cfg", func(c *v1alpha1.Component) {
				metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.ResetAtAnnotation, "noon")
			})
			w.endHook(batchv1.JobComplete, failed)
			w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
			w.greets("new")
			if took := time.Since(started); took > 10*time.Second {
				t.Errorf("took %s: the retry was not started at once", took)
			}
		})
	}
}

func TestTheChartsTestsAreAGate(t *testing.T) {
	w := newWorld(t)
	w.component("cfg", "tested", greeting, policy(v1alpha1.ReleasePolicy{Tests: v1alpha1.RunTests, MaxAttempts: 1}))
	w.component("next", "config", greeting, dependsOn("cfg"))
	w.wantReady("cfg", isFalse, v1alpha1.ReasonTestsRunning, "Waiting for test hook")
	failed := w.endHook(batchv1.JobFailed)
	w.wantReady("cfg", isFalse, v1alpha1.ReasonTestsFailed, "it failed: Because")
	w.wantReady("next", isFalse, v1alpha1.ReasonWaitingForDependency, "Waiting for component cfg")
	w.update("cfg", func(c *v1alpha1.Component) {
		metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.ResetAtAnnotation, "noon")
	})
	w.endHook(batchv1.JobComplete, failed)
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
	w.wantReady("next", isTrue, v1alpha1.ReasonReady, "")
}

func TestAnObjectOfAnyKindIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.component("cfg", "config", greeting, func(spec *v1alpha1.ComponentSpec) {
		spec.Needs = []v1alpha1.ObjectDependency{
			{APIVersion: "v1", Kind: "ConfigMap", Name: "go-live", Ready: "self.data.go == 'yes'"},
			{APIVersion: "v1", Kind: "Secret", Name: "stamp", Ready: "'seal' in self.data"},
		}
	})
	w.wantReady("cfg", isFalse, v1alpha1.ReasonWaitingForDependency, "Waiting for ConfigMap go-live, which does not exist yet")
	permit := &corev1.ConfigMap{ObjectMeta: w.meta("go-live"), Data: map[string]string{"go": "no"}}
	w.must(cluster.Create(t.Context(), permit))
	w.wantReady("cfg", isFalse, v1alpha1.ReasonWaitingForDependency, "Waiting for ConfigMap go-live: self.data.go == 'yes' does not hold")
	permit.Data["go"] = "yes"
	w.must(cluster.Update(t.Context(), permit))
	w.wantReady("cfg", isFalse, v1alpha1.ReasonWaitingForDependency, "Waiting for Secret stamp")
	w.must(cluster.Create(t.Context(), &corev1.Secret{ObjectMeta: w.meta("stamp"), StringData: map[string]string{"seal": "hidden"}}))
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
}

func TestAnUpgradeWaitsForItsDependenciesAnew(t *testing.T) {
	w := newWorld(t)
	w.component("base", "web", "")
	w.component("cfg", "config", greeting, dependsOn("base"))
	w.rollOut("base", 1)
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
	w.rollOut("base", 0)
	w.wantReady("base", isFalse, v1alpha1.ReasonRolloutInProgress, "")
	// What runs stays in sight; what is new waits.
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
	w.greet("new")
	w.wantReady("cfg", isFalse, v1alpha1.ReasonWaitingForDependency, "Waiting for component base")
	w.greets("hello")
	w.rollOut("base", 1)
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
	w.greets("new")
}

func TestDeletionOfWhatIsInUseCanBeForced(t *testing.T) {
	w := newWorld(t)
	w.component("a", "config", greeting)
	w.component("b", "config", greeting, dependsOn("a"))
	w.wantReady("b", isTrue, v1alpha1.ReasonReady, "")
	w.must(cluster.Delete(t.Context(), w.get("a")))
	w.eventually(func() string {
		if ready := conditions.Get(w.get("a"), v1alpha1.ReadyCondition); !strings.Contains(ready.Message, "Still used by component b") {
			return "a says " + ready.Message
		}
		return ""
	})
	w.update("a", func(c *v1alpha1.Component) {
		metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.ForceDeleteAnnotation, "true")
	})
	w.wantGone("a", &v1alpha1.Component{})
	w.wantGone("a", &corev1.ConfigMap{})
}
