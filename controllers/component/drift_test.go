package component_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

func drift(mode v1alpha1.DriftMode, ignore ...v1alpha1.DriftIgnore) func(*v1alpha1.ComponentSpec) {
	return policy(v1alpha1.ReleasePolicy{Drift: &v1alpha1.DriftPolicy{Mode: mode, Ignore: ignore}})
}

// mixed installs objects of several kinds and waits until they are known to be as they were applied.
func (w *world) mixed(change ...func(*v1alpha1.ComponentSpec)) {
	w.t.Helper()
	w.component("web", "mixed", "", change...)
	w.wantDrift(isFalse, v1alpha1.ReasonNoDrift, "")
}

func (w *world) wantDrift(status metav1.ConditionStatus, reason v1alpha1.ConditionReason, text string) {
	w.t.Helper()
	w.eventually(func() string {
		condition := conditions.Get(w.get("web"), v1alpha1.DriftedCondition)
		switch {
		case condition == nil:
			return "there is no condition Drifted"
		case condition.Status != status || condition.Reason != string(reason) || !strings.Contains(condition.Message, text):
			return fmt.Sprintf("Drifted is %s %s %s, want %s %s %s", condition.Status, condition.Reason, condition.Message, status, reason, text)
		}
		return ""
	})
}

// meddle changes an object as somebody else.
func (w *world) meddle(object client.Object, manager, patch string) {
	w.t.Helper()
	object.SetName("web" + object.GetName())
	object.SetNamespace(w.namespace)
	w.must(cluster.Patch(w.t.Context(), object, client.RawPatch(types.MergePatchType, []byte(patch)), client.FieldOwner(manager)))
}

// looked waits until the component was looked at after what was done before: a change it is bound to tell comes last.
func (w *world) looked() {
	w.t.Helper()
	w.meddle(&corev1.ConfigMap{}, "kubectl-edit", `{"data":{"greeting":"look"}}`)
	w.wantDrift(isTrue, v1alpha1.ReasonDriftFound, "ConfigMap")
	w.meddle(&corev1.ConfigMap{}, "kubectl-edit", `{"data":{"greeting":"hello"}}`)
	w.wantDrift(isFalse, v1alpha1.ReasonNoDrift, "")
}

func TestWhatSomebodyElseChangesIsSaid(t *testing.T) {
	w := newWorld(t)
	w.mixed()
	w.rollOut("web", 1)
	w.meddle(&appsv1.Deployment{}, "kubectl-edit", `{"spec":{"revisionHistoryLimit":1}}`)
	w.rollOut("web", 1)
	w.wantDrift(isTrue, v1alpha1.ReasonDriftFound, "Deployment web was changed: .spec.revisionHistoryLimit by kubectl-edit")
	w.wantReady("web", isTrue, v1alpha1.ReasonReady, "")
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "-key"}}
	w.meddle(secret, "thief", `{"stringData":{"key":"very-secret"}}`)
	w.wantDrift(isTrue, v1alpha1.ReasonDriftFound, "web-key was changed: .data.key by thief")
	w.eventually(func() string {
		told := w.events("web")
		if strings.Contains(told, "very-secret") || strings.Contains(told, "was-rendered") {
			return "a secret was told"
		}
		if strings.Count(told, "DriftFound") != 2 {
			return "told " + told
		}
		return ""
	})
	w.meddle(&appsv1.Deployment{}, "kubectl-edit", `{"spec":{"revisionHistoryLimit":3}}`)
	w.meddle(secretOf("-key"), "thief", `{"stringData":{"key":"was-rendered"}}`)
	w.wantDrift(isFalse, v1alpha1.ReasonNoDrift, "")
}

func secretOf(suffix string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: suffix}}
}

func TestWhatOthersAddOrOwnIsNoDrift(t *testing.T) {
	for name, meddle := range map[string]func(*world){
		"fields that the release does not set": func(w *world) {
			w.meddle(&appsv1.Deployment{}, "kubectl-edit", `{"metadata":{"annotations":{"note":"mine"}},"spec":{"minReadySeconds":5,"paused":true}}`)
			w.meddle(&corev1.ConfigMap{}, "kubectl-edit", `{"data":{"more":"mine"}}`)
		},
		"an injected sidecar": func(w *world) {
			var web appsv1.Deployment
			w.read("web", &web)
			web.Spec.Template.Spec.Containers = append([]corev1.Container{{Name: "proxy", Image: "registry.example.org/proxy:1"}}, web.Spec.Template.Spec.Containers...)
			w.must(cluster.Update(w.t.Context(), &web, client.FieldOwner("injector")))
		},
		"replicas of an autoscaler": func(w *world) {
			scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 7}}
			web := &appsv1.Deployment{ObjectMeta: w.meta("web")}
			w.must(cluster.SubResource("scale").Update(w.t.Context(), web, client.WithSubResourceBody(scale), client.FieldOwner("kube-controller-manager")))
		},
		"a field that another controller applies": func(w *world) {
			mine := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web", "namespace": w.namespace},
				"spec": map[string]any{"replicas": int64(5)},
			}}
			w.must(cluster.Apply(w.t.Context(), client.ApplyConfigurationFromUnstructured(mine), client.FieldOwner("scaler"), client.ForceOwnership))
		},
		"a change that is taken back": func(w *world) {
			w.meddle(&appsv1.Deployment{}, "kubectl-edit", `{"spec":{"revisionHistoryLimit":1}}`)
			w.wantDrift(isTrue, v1alpha1.ReasonDriftFound, "")
			w.meddle(&appsv1.Deployment{}, "kubectl-edit", `{"spec":{"revisionHistoryLimit":3}}`)
		},
	} {
		for _, mode := range []v1alpha1.DriftMode{v1alpha1.DriftWarn, v1alpha1.DriftCorrect} {
			t.Run(name+"/"+string(mode), func(t *testing.T) {
				w := newWorld(t)
				w.mixed()
				meddle(w)
				w.wantDrift(isFalse, v1alpha1.ReasonNoDrift, "")
				if mode == v1alpha1.DriftWarn {
					w.looked()
					return
				}
				var before, after appsv1.Deployment
				w.read("web", &before)
				w.update("web", func(c *v1alpha1.Component) { drift(v1alpha1.DriftCorrect)(&c.Spec) })
				// Another field of the same object drifts and is corrected: what is others' stays.
				w.meddle(&appsv1.Deployment{}, "kubectl-edit", `{"spec":{"template":{"metadata":{"labels":{"app":"web","dpi-operator.io/component":"other"}}}}}`)
				w.wantDrift(isFalse, v1alpha1.ReasonDriftCorrected, "dpi-operator.io/component")
				w.read("web", &after)
				if *before.Spec.Replicas != *after.Spec.Replicas || before.Spec.Paused != after.Spec.Paused ||
					len(before.Spec.Template.Spec.Containers) != len(after.Spec.Template.Spec.Containers) {
					t.Errorf("was %+v\nis %+v", before.Spec, after.Spec)
				}
			})
		}
	}
}

func TestWhatSomebodyElseDeletesIsDrift(t *testing.T) {
	w := newWorld(t)
	w.mixed()
	w.must(cluster.Delete(t.Context(), &corev1.Service{ObjectMeta: w.meta("web")}))
	w.wantDrift(isTrue, v1alpha1.ReasonDriftFound, "Service web was deleted")
	w.update("web", func(c *v1alpha1.Component) { drift(v1alpha1.DriftCorrect)(&c.Spec) })
	w.wantDrift(isFalse, v1alpha1.ReasonDriftCorrected, "Service web was deleted")
	if !w.read("web", &corev1.Service{}) {
		t.Error("the Service was not made again")
	}
}

func TestDriftIsCorrected(t *testing.T) {
	w := newWorld(t)
	w.mixed(drift(v1alpha1.DriftCorrect))
	var before, after corev1.ConfigMap
	w.read("web", &before)
	w.meddle(&corev1.ConfigMap{}, "kubectl-edit", `{"data":{"greeting":"bye","other":null,"more":"mine"}}`)
	w.wantDrift(isFalse, v1alpha1.ReasonDriftCorrected, ".data.greeting, .data.other by kubectl-edit")
	// The recorded manifest counts, not another render: the chart rolls dice.
	if w.read("web", &after); after.Data["greeting"] != "hello" || after.Data["other"] != before.Data["other"] || after.Data["more"] != "mine" {
		t.Errorf("got %v", after.Data)
	}
	if revision := w.get("web").Status.Release.Revision; revision != 1 {
		t.Errorf("got revision %d", revision)
	}
	w.eventually(func() string {
		if told := w.events("web"); strings.Count(told, "DriftCorrected: Corrected: ") != 1 {
			return "told " + told
		}
		return ""
	})
}

func TestTwoControllersDoNotFightForEver(t *testing.T) {
	w := newWorld(t)
	w.mixed(drift(v1alpha1.DriftCorrect))
	for round := range 3 {
		w.meddle(&corev1.ConfigMap{}, "rival", fmt.Sprintf(`{"data":{"greeting":"mine %d"}}`, round))
		w.eventually(func() string {
			var is corev1.ConfigMap
			if w.read("web", &is); is.Data["greeting"] != "hello" {
				return "not corrected"
			}
			return ""
		})
	}
	w.meddle(&corev1.ConfigMap{}, "rival", `{"data":{"greeting":"mine"}}`)
	w.wantDrift(isTrue, v1alpha1.ReasonDriftContested, "by rival, again after 3 corrections")
	var is corev1.ConfigMap
	if w.read("web", &is); is.Data["greeting"] != "mine" {
		t.Error("the fight goes on")
	}
	w.eventually(func() string {
		if told := w.events("web"); strings.Count(told, "DriftContested") != 1 {
			return "told " + told
		}
		return ""
	})
	w.update("web", func(c *v1alpha1.Component) {
		metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.ResetAtAnnotation, "noon")
	})
	w.wantDrift(isFalse, v1alpha1.ReasonDriftCorrected, "by rival")
}

func TestWhatIsIgnoredIsLeft(t *testing.T) {
	w := newWorld(t)
	w.mixed(drift(v1alpha1.DriftCorrect,
		v1alpha1.DriftIgnore{Kind: "Deployment", Paths: []string{"/spec/template/spec/containers/0/image", "/metadata"}},
		v1alpha1.DriftIgnore{Name: "web-key"}))
	w.meddle(secretOf("-key"), "kubectl-edit", `{"stringData":{"key":"mine"}}`)
	var web appsv1.Deployment
	w.read("web", &web)
	web.Spec.Template.Spec.Containers[0].Image = "registry.example.org/web:2"
	web.Spec.Replicas = new(int32(4))
	w.must(cluster.Update(t.Context(), &web, client.FieldOwner("kubectl-edit")))
	w.wantDrift(isFalse, v1alpha1.ReasonDriftCorrected, "Deployment web was changed: .spec.replicas by kubectl-edit")
	if w.read("web", &web); web.Spec.Template.Spec.Containers[0].Image != "registry.example.org/web:2" || *web.Spec.Replicas != 1 {
		t.Errorf("got %+v", web.Spec)
	}
	var secret corev1.Secret
	if w.read("web-key", &secret); string(secret.Data["key"]) != "mine" {
		t.Error("the Secret was corrected")
	}
}

func TestWhatIsOffIsNotLookedAt(t *testing.T) {
	w := newWorld(t)
	w.mixed()
	w.meddle(&corev1.ConfigMap{}, "kubectl-edit", `{"data":{"greeting":"bye"}}`)
	w.wantDrift(isTrue, v1alpha1.ReasonDriftFound, "")
	w.update("web", func(c *v1alpha1.Component) { drift(v1alpha1.DriftOff)(&c.Spec) })
	w.eventually(func() string {
		if found := conditions.Get(w.get("web"), v1alpha1.DriftedCondition); found != nil {
			return "Drifted is " + found.Reason
		}
		return ""
	})
}

func TestWhatBelongsToSomebodyElseByNowIsNotTakenBack(t *testing.T) {
	w := newWorld(t)
	w.mixed(drift(v1alpha1.DriftCorrect))
	w.meddle(&corev1.ConfigMap{}, "other", `{"data":{"greeting":"theirs"},"metadata":{"annotations":{"meta.helm.sh/release-name":"other"}}}`)
	w.wantDrift(isTrue, v1alpha1.ReasonDriftFound, "ConfigMap web belongs to Helm release")
	var is corev1.ConfigMap
	if w.read("web", &is); is.Data["greeting"] != "theirs" {
		t.Error("it was taken back")
	}
}

func TestNothingIsAskedAboutWhatDidNotChange(t *testing.T) {
	w := newWorld(t)
	w.mixed()
	w.rollOut("web", 1)
	w.wantReady("web", isTrue, v1alpha1.ReasonReady, "")
	for range 3 {
		w.rollOut("web", 0)
		w.wantReady("web", isFalse, v1alpha1.ReasonRolloutInProgress, "")
		w.rollOut("web", 1)
		w.wantReady("web", isTrue, v1alpha1.ReasonReady, "")
	}
	w.meddle(&corev1.ConfigMap{}, "kubectl-edit", `{"data":{"more":"mine"}}`)
	w.update("web", func(c *v1alpha1.Component) { c.Spec.Values = jsonOf(`{"upgrade":true}`) })
	w.eventually(func() string {
		if object := w.get("web"); object.Status.Release.Revision != 2 {
			return "not upgraded"
		}
		return ""
	})
	if asked := w.dryRuns(); asked != 0 {
		t.Errorf("asked %d times", asked)
	}
	// What drifted and stays so is asked about once.
	w.meddle(&appsv1.Deployment{}, "kubectl-edit", `{"spec":{"revisionHistoryLimit":1}}`)
	w.wantDrift(isTrue, v1alpha1.ReasonDriftFound, "")
	before := w.dryRuns()
	w.rollOut("web", 0)
	w.wantReady("web", isFalse, v1alpha1.ReasonRolloutInProgress, "")
	w.rollOut("web", 1)
	w.wantReady("web", isTrue, v1alpha1.ReasonReady, "")
	if asked := w.dryRuns(); before == 0 || asked != before {
		t.Errorf("asked %d times, then %d", before, asked)
	}
}

func TestASuspendedComponentIsNotCorrected(t *testing.T) {
	w := newWorld(t)
	w.mixed(drift(v1alpha1.DriftCorrect))
	w.update("web", func(c *v1alpha1.Component) { c.Spec.Suspend = true })
	w.wantReady("web", isFalse, v1alpha1.ReasonSuspended, "")
	w.meddle(&corev1.ConfigMap{}, "kubectl-edit", `{"data":{"greeting":"bye"}}`)
	w.update("web", func(c *v1alpha1.Component) {
		metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.ReconcileAtAnnotation, "now")
	})
	<-time.After(time.Second)
	var is corev1.ConfigMap
	if w.read("web", &is); is.Data["greeting"] != "bye" {
		t.Error("it was corrected")
	}
	w.update("web", func(c *v1alpha1.Component) { c.Spec.Suspend = false })
	w.wantDrift(isFalse, v1alpha1.ReasonDriftCorrected, "ConfigMap web was changed")
}
