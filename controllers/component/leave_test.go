package component_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

// database installs one with a volume, and an edge of app to it that is in use.
func (w *world) database() *v1alpha1.Binding {
	w.t.Helper()
	const (
		volume = `{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"db-data"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`
		config = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"db-config"}}`
	)
	w.component("db", "any", w.objects(volume, config), func(spec *v1alpha1.ComponentSpec) {
		spec.Endpoints = []v1alpha1.Endpoint{{Name: "sql", URL: "tcp://db:5432", Host: "db", Port: 5432}}
	})
	w.eventually(func() string {
		if w.get("db").Status.Release == nil || !w.read("db-config", &corev1.ConfigMap{}) {
			return "db is not installed"
		}
		return ""
	})
	edge := &v1alpha1.Binding{ObjectMeta: w.meta("app-database"), Spec: v1alpha1.BindingSpec{
		Contract: "postgresql-v1", Type: "postgresql", SecretName: "app-database",
		Provider:     v1alpha1.BindingProvider{Component: "db", Endpoint: &v1alpha1.Endpoint{Name: "sql", URL: "tcp://db:5432", Host: "db", Port: 5432}},
		Consumer:     v1alpha1.BindingConsumer{Component: "app", Requirement: "database"},
		Outputs:      []v1alpha1.BindingOutput{{Name: "password", Origin: v1alpha1.OriginGenerated}},
		Verification: v1alpha1.BindingVerification{Method: "postgresql-v1"},
	}}
	w.must(cluster.Create(w.t.Context(), edge))
	edge.Status.Access = &v1alpha1.BindingAccess{Provider: *edge.Spec.Provider.DeepCopy()}
	w.mark(edge, conditions.True(v1alpha1.ReasonReady, "Proved"))
	return edge
}

// runsElsewhere takes the chart away from db.
func (w *world) runsElsewhere() {
	w.t.Helper()
	w.update("db", func(c *v1alpha1.Component) {
		c.Spec.Chart, c.Spec.ReleaseName, c.Spec.Values = nil, "", nil
		c.Spec.Endpoints[0].URL, c.Spec.Endpoints[0].Host = "tcp://db.example.org:5432", "db.example.org"
	})
}

// moves plays the binding controller: the edge leads there, and where it led before is remembered or not any more.
func (w *world) moves(edge *v1alpha1.Binding, remembers bool) {
	w.t.Helper()
	before := v1alpha1.FormerAccess{BindingAccess: v1alpha1.BindingAccess{Provider: *edge.Spec.Provider.DeepCopy()}, Since: metav1.Now()}
	if remembers {
		edge.Spec.Provider.Endpoint.Host = "db.example.org"
		w.must(cluster.Update(w.t.Context(), edge))
		edge.Status.Access.Provider, edge.Status.FormerAccess = *edge.Spec.Provider.DeepCopy(), []v1alpha1.FormerAccess{before}
	} else {
		edge.Status.FormerAccess = nil
	}
	w.mark(edge, conditions.True(v1alpha1.ReasonReady, "Proved"))
}

func TestWhatWasInstalledGoesOnceEveryConsumerHasMoved(t *testing.T) {
	w := newWorld(t)
	edge := w.database()
	w.runsElsewhere()
	const waits = "Runs elsewhere; release db is taken down once these use it no more: binding app-database"
	w.wantReady("db", isTrue, v1alpha1.ReasonReady, waits)
	w.moves(edge, true)
	w.wantReady("db", isTrue, v1alpha1.ReasonReady, waits)
	if !w.read("db-config", &corev1.ConfigMap{}) {
		t.Fatal("it was taken down while it is in use")
	}

	w.moves(edge, false)
	w.wantReady("db", isTrue, v1alpha1.ReasonReady, "Wired; nothing is installed for it")
	w.wantGone("db-config", &corev1.ConfigMap{})
	if !w.read("db-data", &corev1.PersistentVolumeClaim{}) {
		t.Error("the data is gone")
	}
	if told := w.events("db"); !strings.Contains(told, "DataRetained: Kept PersistentVolumeClaim db-data") {
		t.Errorf("told %s", told)
	}
	status := w.get("db").Status
	if status.Release != nil || conditions.Get(w.get("db"), v1alpha1.HealthyCondition) != nil {
		t.Errorf("still tells of what is gone: %+v", status)
	}
	if secrets := w.helmRecords("db"); secrets > 0 {
		t.Errorf("%d records of the release are left", secrets)
	}
}

// helmRecords counts the records of a release.
func (w *world) helmRecords(release string) int {
	w.t.Helper()
	var list corev1.SecretList
	w.must(cluster.List(w.t.Context(), &list))
	count := 0
	for i := range list.Items {
		if list.Items[i].Namespace == w.namespace && strings.HasPrefix(list.Items[i].Name, "sh.helm.release.v1."+release+".") {
			count++
		}
	}
	return count
}

func TestAComponentThatComesBackBeforeItLeftGoesOnAsItWas(t *testing.T) {
	w := newWorld(t)
	w.database()
	was := w.get("db").DeepCopy()
	w.runsElsewhere()
	w.wantReady("db", isTrue, v1alpha1.ReasonReady, "Runs elsewhere")
	w.update("db", func(c *v1alpha1.Component) { c.Spec = was.Spec })
	w.eventually(func() string {
		if got := w.get("db"); got.Status.ObservedGeneration != got.Generation || got.Status.Release == nil || got.Status.Release.Revision != was.Status.Release.Revision {
			return "the release is another"
		}
		return ""
	})
	if !w.read("db-config", &corev1.ConfigMap{}) {
		t.Error("it was taken down")
	}
}

func TestAReleaseThatStandsKeepsItsName(t *testing.T) {
	w := newWorld(t)
	w.database()
	was := w.get("db").DeepCopy()
	w.runsElsewhere()
	w.wantReady("db", isTrue, v1alpha1.ReasonReady, "Runs elsewhere")
	other := w.get("db")
	other.Spec = was.Spec
	other.Spec.ReleaseName = "another"
	err := cluster.Update(t.Context(), other)
	if err == nil || !strings.Contains(err.Error(), "an earlier release still stands; keep its name, or wait until it is gone") {
		t.Errorf("got %v", err)
	}
}

func TestWhatWasInstalledGoesWithItsComponentInTheMidstOfAMove(t *testing.T) {
	w := newWorld(t)
	edge := w.database()
	w.runsElsewhere()
	w.wantReady("db", isTrue, v1alpha1.ReasonReady, "Runs elsewhere")
	w.must(cluster.Delete(t.Context(), w.get("db")))
	w.wantReady("db", isFalse, v1alpha1.ReasonWaitingForConsumers, "Still used by binding app-database")
	w.must(cluster.Delete(t.Context(), edge))
	w.wantGone("db", &v1alpha1.Component{})
	w.wantGone("db-config", &corev1.ConfigMap{})
}
