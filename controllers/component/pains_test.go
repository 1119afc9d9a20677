package component_test

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/helm/oracle"
)

// What users of other systems suffer from, by the numbers of docs/pains.md.

// stall has cfg exhaust its only attempt at an upgrade, and returns the failed hook.
func (w *world) stall(change ...func(*v1alpha1.ComponentSpec)) string {
	w.t.Helper()
	change = append(change, policy(v1alpha1.ReleasePolicy{MaxAttempts: 1}))
	w.component("cfg", "hooked", greeting, change...)
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
	w.greet("new")
	failed := w.endHook(batchv1.JobFailed)
	w.wantReady("cfg", isFalse, v1alpha1.ReasonReleaseFailed, hook)
	w.wantStalled("cfg", true)
	return failed
}

// bindingOf is the database of a component, provided by the component db.
func bindingOf(w *world, consumer string) *v1alpha1.Binding {
	return &v1alpha1.Binding{ObjectMeta: w.meta(consumer + "-database"), Spec: v1alpha1.BindingSpec{
		Contract: "postgresql-v1", Type: "postgresql", SecretName: consumer + "-database",
		Provider:     v1alpha1.BindingProvider{Component: "db"},
		Consumer:     v1alpha1.BindingConsumer{Component: consumer, Requirement: "database"},
		Outputs:      []v1alpha1.BindingOutput{{Name: "password", Origin: v1alpha1.OriginGenerated}},
		Verification: v1alpha1.BindingVerification{Method: "postgresql-v1"},
	}}
}

// prove plays the binding controller.
func (w *world) prove(name string, change func(*v1alpha1.Binding)) {
	w.t.Helper()
	binding := &v1alpha1.Binding{}
	if !w.read(name, binding) {
		w.t.Fatal("there is no binding " + name)
	}
	change(binding)
	conditions.MarkReady(binding, conditions.True(v1alpha1.ReasonReady, "Proved"), conditions.Resting)
	w.must(cluster.Status().Update(w.t.Context(), binding))
}

func (w *world) wantStalled(name string, want bool) {
	w.t.Helper()
	if is := conditions.Get(w.get(name), v1alpha1.StalledCondition) != nil; is != want {
		w.t.Errorf("%s is stalled: %t, want %t", name, is, want)
	}
}

func TestPain02_exhaustedRetriesAreClearedByAnyRelevantChange(t *testing.T) {
	bound := func(spec *v1alpha1.ComponentSpec) {
		spec.Bindings = []v1alpha1.ComponentBinding{{Name: "cfg-database"}}
	}
	provide := func(w *world) {
		w.component("db", "config", greeting)
		w.must(cluster.Create(t.Context(), bindingOf(w, "cfg")))
		w.prove("cfg-database", func(*v1alpha1.Binding) {})
	}
	for name, tc := range map[string]struct {
		needs  func(*v1alpha1.ComponentSpec)
		before func(*world)
		change func(*world)
	}{
		"other values": {change: func(w *world) { w.greet("other") }},
		"a patch": {change: func(w *world) {
			w.update("cfg", func(c *v1alpha1.Component) {
				c.Spec.Patches = []v1alpha1.KustomizePatch{{Patch: `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cfg"},"data":{"more":"x"}}`}}
			})
		}},
		"a release of what it depends on": {
			needs:  dependsOn("base"),
			before: func(w *world) { w.component("base", "config", greeting) },
			change: func(w *world) {
				w.update("base", func(c *v1alpha1.Component) { c.Spec.Values = jsonOf(`{"greeting":"fixed"}`) })
			},
		},
		"a binding that is provisioned anew": {
			needs: bound, before: provide,
			change: func(w *world) {
				w.prove("cfg-database", func(b *v1alpha1.Binding) { b.Status.Provisioned = "sha256:anew" })
			},
		},
		"a Secret whose credentials were rotated": {
			needs: bound, before: provide,
			change: func(w *world) {
				w.prove("cfg-database", func(b *v1alpha1.Binding) {
					b.Status.Credentials = &v1alpha1.BindingCredentials{Version: 1, Since: metav1.Now()}
				})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var needs []func(*v1alpha1.ComponentSpec)
			if tc.needs != nil {
				needs = append(needs, tc.needs)
			}
			if tc.before != nil {
				tc.before(w)
			}
			failed := w.stall(needs...)
			tc.change(w)
			w.endHook(batchv1.JobComplete, failed)
			w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
			w.wantStalled("cfg", false)
		})
	}
	t.Run("another chart", func(t *testing.T) {
		w := newWorld(t)
		w.stall()
		w.update("cfg", func(c *v1alpha1.Component) { c.Spec.Chart.Name = "config" })
		w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
		w.greets("new")
	})
}

// TestPain04_whatCannotBeInstalledCanBeDeleted: the chart is gone, the values do not render, and what it needs never comes.
func TestPain04_whatCannotBeInstalledCanBeDeleted(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil  func(*v1alpha1.ComponentSpec)
		reason v1alpha1.ConditionReason
	}{
		"the chart is gone":      {func(spec *v1alpha1.ComponentSpec) { spec.Chart.Name = "none" }, v1alpha1.ReasonChartNotFound},
		"the values are refused": {func(spec *v1alpha1.ComponentSpec) { spec.Values = jsonOf(`{}`) }, v1alpha1.ReasonRenderFailed},
		"its dependency is gone": {dependsOn("nobody"), v1alpha1.ReasonWaitingForDependency},
		"its binding never comes": {func(spec *v1alpha1.ComponentSpec) {
			spec.Bindings = []v1alpha1.ComponentBinding{{Name: "none"}}
		}, v1alpha1.ReasonWaitingForBinding},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.component("cfg", "config", greeting)
			w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
			w.update("cfg", func(c *v1alpha1.Component) { tc.spoil(&c.Spec) })
			w.wantReady("cfg", isFalse, tc.reason, "")
			w.must(cluster.Delete(t.Context(), w.get("cfg")))
			w.wantGone("cfg", &v1alpha1.Component{})
			w.wantGone("cfg", &corev1.ConfigMap{})
		})
	}
}

// of is a Deployment that rolls out anew with each image.
func of(name, image string) string {
	return strings.Replace(pending(name), "registry.example.org/c:1", image, 1)
}

func (w *world) image(name, image string) {
	w.t.Helper()
	w.update(name, func(c *v1alpha1.Component) { c.Spec.Values = jsonOf(w.objects(of(name, image))) })
}

func TestPain05_aDependentIsUpgradedAfterItsDependency(t *testing.T) {
	w := newWorld(t)
	w.component("base", "any", w.objects(of("base", "base:1")))
	w.component("cfg", "config", greeting, dependsOn("base"))
	w.rollOut("base", 1)
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")

	// Both change at once, as they do when a stack changes. What the dependency was before says nothing of what it becomes.
	w.image("base", "base:2")
	w.greet("new")
	w.wantReady("cfg", isFalse, v1alpha1.ReasonWaitingForDependency, "Waiting for component base")
	w.wantReady("base", isFalse, v1alpha1.ReasonRolloutInProgress, "")
	w.greets("hello")
	w.rollOut("base", 1)
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
	w.greets("new")
}

// TestPain05_aFailedUpgradeIsRepeatedAfterItsDependencyHasChanged: not while the dependency is being changed. That would use
// up the attempts on what is half done, and leave none for when it is.
func TestPain05_aFailedUpgradeIsRepeatedAfterItsDependencyHasChanged(t *testing.T) {
	w := newWorld(t)
	w.component("base", "any", w.objects(of("base", "base:1")))
	w.rollOut("base", 1)
	failed := w.stall(dependsOn("base"))
	w.image("base", "base:2")
	w.wantReady("base", isFalse, v1alpha1.ReasonRolloutInProgress, "")
	w.wantReady("cfg", isFalse, v1alpha1.ReasonWaitingForDependency, "Waiting for component base")
	<-time.After(time.Second)
	if revision := w.get("cfg").Status.Release.Revision; revision != 2 {
		t.Errorf("the upgrade was repeated as revision %d while its dependency rolls out", revision)
	}
	w.rollOut("base", 1)
	w.endHook(batchv1.JobComplete, failed)
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
}

// TestPain08_aJobThatRemovesItselfIsNotMissing: once done, a Job with a time to live goes; the component works no less.
func TestPain08_aJobThatRemovesItselfIsNotMissing(t *testing.T) {
	w := newWorld(t)
	w.component("cfg", "any", w.objects(marker, `{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"cfg-migrate"},`+
		`"spec":{"ttlSecondsAfterFinished":1,"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"registry.example.org/c:1"}]}}}}`))
	w.wantReady("cfg", isFalse, v1alpha1.ReasonRolloutInProgress, "Job cfg-migrate")
	w.endHook(batchv1.JobComplete)
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
	job := &batchv1.Job{ObjectMeta: w.meta(hook)}
	w.must(cluster.Delete(t.Context(), job, client.PropagationPolicy(metav1.DeletePropagationBackground)))
	w.wantGone(hook, &batchv1.Job{})
	<-time.After(time.Second)
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "2 objects work")
}

// TestPain08_whatIsReadyIsSoForWhatWasLastAskedFor: that the old pods are ready says nothing of the new ones.
func TestPain08_whatIsReadyIsSoForWhatWasLastAskedFor(t *testing.T) {
	w := newWorld(t)
	w.component("web", "any", w.objects(of("web", "web:1")))
	w.component("next", "config", greeting, dependsOn("web"))
	w.rollOut("web", 1)
	w.wantReady("next", isTrue, v1alpha1.ReasonReady, "")
	// The Deployment's status stays what it was, and so looks ready.
	w.image("web", "web:2")
	w.wantReady("web", isFalse, v1alpha1.ReasonRolloutInProgress, "Deployment web")
	if conditions.IsTrue(w.get("web"), v1alpha1.HealthyCondition) {
		t.Error("it counts as healthy for a rollout that was not observed yet")
	}
	// What runs behind it stays in sight: its dependency rolls out, it does not.
	w.wantReady("next", isTrue, v1alpha1.ReasonReady, "")
	w.rollOut("web", 1)
	w.wantReady("web", isTrue, v1alpha1.ReasonReady, "")
}

func TestPain11_aFixIsTakenUpWhileTheRolloutIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.component("web", "any", w.objects(of("web", "typo:1")), policy(v1alpha1.ReleasePolicy{StartupDeadline: &metav1.Duration{Duration: time.Hour}}))
	w.rollOut("web", 0)
	w.wantReady("web", isFalse, v1alpha1.ReasonRolloutInProgress, "")
	w.image("web", "right:1")
	w.eventually(func() string {
		var web appsv1.Deployment
		if w.read("web", &web); web.Spec.Template.Spec.Containers[0].Image != "right:1" {
			return "the old rollout is still waited for"
		}
		return ""
	})
	w.rollOut("web", 1)
	w.wantReady("web", isTrue, v1alpha1.ReasonReady, "")
}

func TestPain12_aFailedSiblingHoldsUpNobodyAndRepeatsNobody(t *testing.T) {
	w := newWorld(t)
	w.component("before", "config", greeting)
	w.wantReady("before", isTrue, v1alpha1.ReasonReady, "")
	var installed corev1.ConfigMap
	w.read("before", &installed)

	w.component("no-chart", "none", "")
	w.component("no-values", "config", "")
	w.component("no-start", "web", "", policy(v1alpha1.ReleasePolicy{StartupDeadline: &metav1.Duration{Duration: time.Second}}))
	w.stall()
	w.component("after", "config", greeting)
	w.wantReady("after", isTrue, v1alpha1.ReasonReady, "")
	w.wantReady("no-start", isFalse, v1alpha1.ReasonUnhealthy, "")
	w.wantReady("no-chart", isFalse, v1alpha1.ReasonChartNotFound, "")
	w.wantReady("no-values", isFalse, v1alpha1.ReasonRenderFailed, "")

	version := installed.ResourceVersion
	w.read("before", &installed)
	if component := w.get("before"); component.Status.Release.Revision != 1 || installed.ResourceVersion != version {
		t.Errorf("the sibling that works was made anew: revision %d", component.Status.Release.Revision)
	}
}

func TestPain21_helmUninstallByHandIsNoticed(t *testing.T) {
	w := newWorld(t)
	w.component("web", "mixed", "")
	w.rollOut("web", 1)
	w.wantReady("web", isTrue, v1alpha1.ReasonReady, "")
	helm, err := oracle.New(config, w.namespace)
	w.must(err)
	var before, after appsv1.Deployment
	w.read("web", &before)
	w.must(helm.Uninstall("web"))
	// By watch: nobody asks for it, and no timer is near.
	w.eventually(func() string {
		after = appsv1.Deployment{}
		if !w.read("web", &after) || after.UID == before.UID {
			return "the release is not installed anew"
		}
		return ""
	})
	w.rollOut("web", 1)
	w.wantReady("web", isTrue, v1alpha1.ReasonReady, "")
}

func TestPain22_waitingIsNotShownAsAnError(t *testing.T) {
	w := newWorld(t)
	w.component("rolling", "web", "")
	w.component("dependent", "config", greeting, dependsOn("rolling"))
	w.component("bound", "config", greeting, func(spec *v1alpha1.ComponentSpec) {
		spec.Bindings = []v1alpha1.ComponentBinding{{Name: "none"}}
	})
	w.component("permitted", "config", greeting, func(spec *v1alpha1.ComponentSpec) {
		spec.Needs = []v1alpha1.ObjectDependency{{APIVersion: "v1", Kind: "ConfigMap", Name: "none"}}
	})
	w.component("hooked", "seeded", "")
	for name, reason := range map[string]v1alpha1.ConditionReason{
		"rolling": v1alpha1.ReasonRolloutInProgress, "dependent": v1alpha1.ReasonWaitingForDependency,
		"bound": v1alpha1.ReasonWaitingForBinding, "permitted": v1alpha1.ReasonWaitingForDependency, "hooked": v1alpha1.ReasonReleaseInProgress,
	} {
		w.wantReady(name, isFalse, reason, "")
		w.wantStalled(name, false)
		if conditions.Get(w.get(name), v1alpha1.ReconcilingCondition) == nil {
			t.Errorf("%s does not say that it is being worked on", name)
		}
	}
	var told corev1.EventList
	w.must(cluster.List(t.Context(), &told, client.InNamespace(w.namespace)))
	for i := range told.Items {
		if told.Items[i].Type == corev1.EventTypeWarning {
			t.Errorf("a warning was told: %s %s", told.Items[i].Reason, told.Items[i].Message)
		}
	}
}

// TestPain04_aCircleCanBeDeleted: what waits for each other never was installed, so nobody loses anything.
func TestPain04_aCircleCanBeDeleted(t *testing.T) {
	w := newWorld(t)
	w.component("a", "config", greeting, dependsOn("b"))
	w.component("b", "config", greeting, dependsOn("a"))
	w.wantReady("a", isFalse, v1alpha1.ReasonWaitingForDependency, "Waiting for component b")
	w.must(cluster.Delete(t.Context(), w.get("a")))
	w.must(cluster.Delete(t.Context(), w.get("b")))
	w.wantGone("a", &v1alpha1.Component{})
	w.wantGone("b", &v1alpha1.Component{})
}
