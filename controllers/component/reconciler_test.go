package component_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

const (
	greeting = `{"greeting":"hello"}`
	isTrue   = metav1.ConditionTrue
	isFalse  = metav1.ConditionFalse
)

func dependsOn(names ...v1alpha1.ObjectName) func(*v1alpha1.ComponentSpec) {
	return func(spec *v1alpha1.ComponentSpec) { spec.DependsOn = names }
}

func TestItInstallsItsReleaseAndSaysSo(t *testing.T) {
	w := newWorld(t)
	w.component("cfg", "config", greeting)
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "1 object works")
	var installed corev1.ConfigMap
	if !w.read("cfg", &installed) || installed.Data["greeting"] != "hello" || installed.Labels[v1alpha1.ComponentLabel] != "cfg" {
		t.Errorf("got %+v", installed)
	}
	if !w.read("sh.helm.release.v1.cfg.v1", &corev1.Secret{}) {
		t.Error("there is no Helm release")
	}
	if object := w.get("cfg"); object.Status.Objects != "1/1" || object.Status.Release.Revision != 1 {
		t.Errorf("got %+v", object.Status)
	}
	w.eventually(func() string {
		if told := w.events("cfg"); !strings.Contains(told, "Installed: Installed config 1.0.0") {
			return "told " + told
		}
		return ""
	})

	w.update("cfg", func(c *v1alpha1.Component) { c.Spec.Values.Raw = []byte(`{"greeting":"good day"}`) })
	w.eventually(func() string {
		w.read("cfg", &installed)
		if installed.Data["greeting"] != "good day" {
			return "the ConfigMap says " + installed.Data["greeting"]
		}
		return ""
	})
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
	if revision := w.get("cfg").Status.Release.Revision; revision != 2 {
		t.Errorf("got revision %d", revision)
	}
}

func TestNothingIsWrittenOnceItWorks(t *testing.T) {
	w := newWorld(t)
	w.component("cfg", "config", greeting)
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
	before := w.get("cfg").ResourceVersion
	// A touch that is no change of the spec wakes it.
	w.update("cfg", func(c *v1alpha1.Component) { c.Annotations = map[string]string{v1alpha1.ReconcileAtAnnotation: "now"} })
	<-time.After(time.Second)
	after := w.get("cfg")
	after.Annotations = nil
	var releases corev1.SecretList
	w.must(cluster.List(t.Context(), &releases, client.InNamespace(w.namespace)))
	if len(releases.Items) != 1 {
		t.Errorf("got %d Secrets", len(releases.Items))
	}
	if after.Status.Release.Revision != 1 || before == "" {
		t.Errorf("got %+v", after.Status.Release)
	}
}

func TestAChainStartsByEvents(t *testing.T) {
	w := newWorld(t)
	w.component("c", "config", greeting, dependsOn("b"))
	w.component("b", "web", "", dependsOn("a"))
	w.wantReady("b", isFalse, v1alpha1.ReasonWaitingForDependency, "Waiting for component a, which does not exist yet")
	w.wantReady("c", isFalse, v1alpha1.ReasonWaitingForDependency, "Waiting for component b, which waits itself")
	w.component("a", "config", greeting)
	w.wantReady("b", isFalse, v1alpha1.ReasonRolloutInProgress, "Deployment b")
	if w.read("c", &corev1.ConfigMap{}) {
		t.Error("c is installed although b is not ready")
	}
	w.rollOut("b", 1)
	w.wantReady("c", isTrue, v1alpha1.ReasonReady, "")
}

func TestAComponentWaitsForItsBindings(t *testing.T) {
	w := newWorld(t)
	w.component("cfg", "config", greeting, func(spec *v1alpha1.ComponentSpec) {
		spec.Bindings = []v1alpha1.ComponentBinding{{Name: "cfg-database"}, {Name: "cfg-callback", Gate: v1alpha1.GateResolved}}
	})
	w.wantReady("cfg", isFalse, v1alpha1.ReasonWaitingForBinding, "Waiting for binding cfg-database, which does not exist yet")
	binding := &v1alpha1.Binding{ObjectMeta: w.meta("cfg-database"), Spec: v1alpha1.BindingSpec{
		Contract: "postgresql-v1", Type: "postgresql", SecretName: "cfg-database",
		Provider: v1alpha1.BindingProvider{Component: "db"}, Consumer: v1alpha1.BindingConsumer{Component: "cfg", Requirement: "database"},
		Outputs:      []v1alpha1.BindingOutput{{Name: "host", Origin: v1alpha1.OriginProvider, Value: new("db")}},
		Verification: v1alpha1.BindingVerification{Method: "postgresql-v1"},
	}}
	w.must(cluster.Create(t.Context(), binding))
	w.mark(binding, conditions.False(v1alpha1.ReasonWaitingForProvider, "Waiting for component db"))
	w.wantReady("cfg", isFalse, v1alpha1.ReasonWaitingForBinding, "Waiting for component db (binding cfg-database)")
	w.component("db", "", "")
	w.mark(binding, conditions.True(v1alpha1.ReasonReady, "Proved"))
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")

	// A proof that fails later does not take down what runs.
	w.mark(binding, conditions.False(v1alpha1.ReasonVerificationFailed, "Password refused"))
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
}

func TestAComponentStartsWithProvisionalValues(t *testing.T) {
	w := newWorld(t)
	w.component("cfg", "config", greeting, func(spec *v1alpha1.ComponentSpec) {
		spec.Bindings = []v1alpha1.ComponentBinding{{Name: "cfg-licence", Gate: v1alpha1.GateProvisional}}
	})
	w.wantReady("cfg", isFalse, v1alpha1.ReasonWaitingForBinding, "Waiting for binding cfg-licence, which does not exist yet")
	binding := &v1alpha1.Binding{ObjectMeta: w.meta("cfg-licence"), Spec: v1alpha1.BindingSpec{
		Contract: "licence-v1", Type: "licence", SecretName: "cfg-licence", Gate: v1alpha1.GateProvisional,
		Provider: v1alpha1.BindingProvider{Component: "cfg-user"}, Consumer: v1alpha1.BindingConsumer{Component: "cfg", Requirement: "licence"},
		Outputs:      []v1alpha1.BindingOutput{{Name: "key", Origin: v1alpha1.OriginMinted, Provisional: new("dummy")}},
		Verification: v1alpha1.BindingVerification{Method: "licence-v1"},
	}}
	w.must(cluster.Create(t.Context(), binding))
	w.wantReady("cfg", isFalse, v1alpha1.ReasonWaitingForBinding, "Waiting for binding cfg-licence: it has no values yet")
	binding.Status.Binding = &v1alpha1.BindingSecret{Name: "cfg-licence"}
	w.mark(binding, conditions.False(v1alpha1.ReasonWaitingForPerson, "Waiting for the partner desk"))
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
}

func (w *world) mark(binding *v1alpha1.Binding, verdict conditions.Verdict) {
	w.t.Helper()
	conditions.MarkReady(binding, verdict, conditions.Resting)
	w.must(cluster.Status().Update(w.t.Context(), binding))
}

func TestHealthFollowsTheWorkloads(t *testing.T) {
	w := newWorld(t)
	w.component("web", "web", "")
	w.wantReady("web", isFalse, v1alpha1.ReasonRolloutInProgress, "Deployment web")
	w.rollOut("web", 1)
	w.wantReady("web", isTrue, v1alpha1.ReasonReady, "1 object works")
	w.rollOut("web", 0)
	w.wantReady("web", isFalse, v1alpha1.ReasonRolloutInProgress, "Deployment web")
	w.rollOut("web", 1)
	w.wantReady("web", isTrue, v1alpha1.ReasonReady, "")
}

func TestOneThatDoesNotStartIsStalledAfterItsDeadline(t *testing.T) {
	w := newWorld(t)
	w.component("web", "web", "", func(spec *v1alpha1.ComponentSpec) {
		spec.Policy.StartupDeadline = &metav1.Duration{Duration: time.Second}
	})
	w.rollOut("web", 0)
	w.wantReady("web", isFalse, v1alpha1.ReasonUnhealthy, "Not healthy within 1s")
	if conditions.Get(w.get("web"), v1alpha1.StalledCondition) == nil {
		t.Error("not stalled")
	}
	w.rollOut("web", 1)
	w.wantReady("web", isTrue, v1alpha1.ReasonReady, "")
	if conditions.Get(w.get("web"), v1alpha1.StalledCondition) != nil {
		t.Error("still stalled")
	}
}

func TestBadChartsAndValuesInstallNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		chart, values string
		reason        v1alpha1.ConditionReason
		text          string
		stalled       bool
	}{
		"a chart that is not there": {chart: "none", reason: v1alpha1.ReasonChartNotFound, text: "There is no chart none 1.0.0 from oci://registry.example.org/charts; publish it"},
		"a value that is missing":   {chart: "config", reason: v1alpha1.ReasonRenderFailed, text: "values.greeting is required", stalled: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.component("cfg", tc.chart, tc.values)
			w.wantReady("cfg", isFalse, tc.reason, tc.text)
			if stalled := conditions.Get(w.get("cfg"), v1alpha1.StalledCondition) != nil; stalled != tc.stalled {
				t.Errorf("stalled is %t", stalled)
			}
			var secrets corev1.SecretList
			w.must(cluster.List(t.Context(), &secrets, client.InNamespace(w.namespace)))
			if len(secrets.Items) > 0 || w.read("cfg", &corev1.ConfigMap{}) {
				t.Error("something was installed")
			}
			w.update("cfg", func(c *v1alpha1.Component) {
				c.Spec.Chart.Name = "config"
				c.Spec.Values = jsonOf(greeting)
			})
			w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
		})
	}
}

func TestAPinnedChartThatIsNotThereIsNamedToo(t *testing.T) {
	w := newWorld(t)
	w.component("cfg", "none", "", func(spec *v1alpha1.ComponentSpec) { spec.Chart.Digest = "sha256:" + strings.Repeat("0", 64) })
	w.wantReady("cfg", isFalse, v1alpha1.ReasonChartNotFound, "There is no chart none 1.0.0")
}

func TestCredentialsAreMadeOnceAndKept(t *testing.T) {
	w := newWorld(t)
	credentials := func(spec *v1alpha1.ComponentSpec) {
		spec.Credentials = []v1alpha1.ComponentCredential{{Name: "admin", SecretName: "cfg-admin", Keys: []v1alpha1.CredentialKey{
			{Name: "username", Value: "admin"}, {Name: "password", Length: 32},
		}}}
	}
	w.component("cfg", "config", greeting, credentials)
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
	var first, second corev1.Secret
	if !w.read("cfg-admin", &first) || string(first.Data["username"]) != "admin" || len(first.Data["password"]) != 32 {
		t.Fatalf("the Secret has keys of lengths %d and %d", len(first.Data["username"]), len(first.Data["password"]))
	}
	w.must(cluster.Delete(t.Context(), w.get("cfg")))
	w.wantGone("cfg", &v1alpha1.Component{})
	w.eventually(func() string {
		if told := w.events("cfg"); !strings.Contains(told, "DataRetained: Kept Secret cfg-admin") {
			return "told " + told
		}
		return ""
	})

	w.component("cfg", "config", greeting, credentials, func(spec *v1alpha1.ComponentSpec) { spec.DeletionPolicy = v1alpha1.DeleteData })
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
	if !w.read("cfg-admin", &second) || string(first.Data["password"]) != string(second.Data["password"]) {
		t.Error("the password changed with the component made again")
	}
	w.must(cluster.Delete(t.Context(), w.get("cfg")))
	w.wantGone("cfg", &v1alpha1.Component{})
	if w.read("cfg-admin", &second) {
		t.Error("the Secret was kept although data was to be deleted")
	}
}

func TestASecretOfSomeoneElseIsNotTaken(t *testing.T) {
	w := newWorld(t)
	w.must(cluster.Create(t.Context(), &corev1.Secret{ObjectMeta: w.meta("cfg-admin"), StringData: map[string]string{"password": "theirs"}}))
	w.component("cfg", "config", greeting, func(spec *v1alpha1.ComponentSpec) {
		spec.Credentials = []v1alpha1.ComponentCredential{{Name: "admin", SecretName: "cfg-admin", Keys: []v1alpha1.CredentialKey{{Name: "password", Length: 32}}}}
	})
	w.wantReady("cfg", isFalse, v1alpha1.ReasonForeignObject, "Secret cfg-admin exists and is not this component's")
	if w.read("cfg", &corev1.ConfigMap{}) {
		t.Error("the release was installed without its credential")
	}
}

func TestASecretThatAPersonLeavesIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.component("cfg", "", "", func(spec *v1alpha1.ComponentSpec) {
		spec.Credentials = []v1alpha1.ComponentCredential{{Name: "admin", SecretName: "national-db"}}
	})
	w.wantReady("cfg", isFalse, v1alpha1.ReasonWaitingForCredentials, "Waiting for someone to leave Secret national-db")
	w.must(cluster.Create(t.Context(), &corev1.Secret{ObjectMeta: w.meta("national-db")}))
	w.update("cfg", func(c *v1alpha1.Component) { c.Annotations = map[string]string{v1alpha1.ReconcileAtAnnotation: "now"} })
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "Wired; nothing is installed for it")
}

func TestDeletionWaitsForThoseWhoUseIt(t *testing.T) {
	w := newWorld(t)
	w.component("a", "config", greeting)
	w.component("b", "config", greeting, dependsOn("a"))
	w.wantReady("b", isTrue, v1alpha1.ReasonReady, "")
	w.must(cluster.Delete(t.Context(), w.get("a")))
	w.eventually(func() string {
		ready := conditions.Get(w.get("a"), v1alpha1.ReadyCondition)
		if ready.Reason != string(v1alpha1.ReasonWaitingForConsumers) || ready.Message != "Still used by component b" {
			return "a says " + ready.Reason + " " + ready.Message
		}
		return ""
	})
	if !w.read("a", &corev1.ConfigMap{}) {
		t.Fatal("a was uninstalled while b uses it")
	}
	w.must(cluster.Delete(t.Context(), w.get("b")))
	w.wantGone("b", &corev1.ConfigMap{})
	w.wantGone("a", &corev1.ConfigMap{})
	w.wantGone("a", &v1alpha1.Component{})
	w.wantGone("sh.helm.release.v1.a.v1", &corev1.Secret{})
}

func TestASuspendedComponentIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.component("cfg", "config", greeting)
	w.wantReady("cfg", isTrue, v1alpha1.ReasonReady, "")
	w.update("cfg", func(c *v1alpha1.Component) {
		c.Spec.Suspend = true
		c.Spec.Values = jsonOf(`{"greeting":"later"}`)
	})
	w.wantReady("cfg", isFalse, v1alpha1.ReasonSuspended, "")
	var installed corev1.ConfigMap
	if w.read("cfg", &installed); installed.Data["greeting"] != "hello" {
		t.Error("it was changed while suspended")
	}
	w.must(cluster.Delete(t.Context(), w.get("cfg")))
	w.wantGone("cfg", &corev1.ConfigMap{})
}

func TestDeletionWaitsForThoseWhoUseItThroughAMediator(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"records", "exchange", "clinic"} {
		w.component(name, "config", greeting)
		w.wantReady(name, isTrue, v1alpha1.ReasonReady, "")
	}
	edge := &v1alpha1.Binding{ObjectMeta: w.meta("clinic-records-via-exchange"), Spec: v1alpha1.BindingSpec{
		Contract: "fhir-r4-v1", Type: "fhir", SecretName: "clinic-records-via-exchange",
		Provider: v1alpha1.BindingProvider{Component: "exchange"}, Consumer: v1alpha1.BindingConsumer{Component: "clinic", Requirement: "records"},
		Via:          &v1alpha1.BindingVia{Component: "records", Channel: "records-via-exchange"},
		Outputs:      []v1alpha1.BindingOutput{{Name: "url", Origin: v1alpha1.OriginDerived, Value: new("http://exchange/records")}},
		Verification: v1alpha1.BindingVerification{Method: "fhir-r4-v1"},
	}}
	w.must(cluster.Create(t.Context(), edge))
	for _, name := range []string{"records", "exchange"} {
		w.must(cluster.Delete(t.Context(), w.get(name)))
		w.wantReady(name, isFalse, v1alpha1.ReasonWaitingForConsumers, "Still used by binding "+edge.Name)
	}
	w.must(cluster.Delete(t.Context(), edge))
	for _, name := range []string{"records", "exchange"} {
		w.wantGone(name, &v1alpha1.Component{})
	}
}
