package report_test

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/controllers/report"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/registry"
	"github.com/dpi-operator/dpi-operator/internal/testenv"
)

const token = "token-of-the-ministry"

var (
	cluster client.WithWatch
	config  *rest.Config
)

func TestMain(m *testing.M) {
	os.Exit(testenv.Run(m, testenv.Options{CRDs: []string{"../../config/crd"}}, func(_ context.Context, ready *rest.Config) {
		config = ready
		scheme := runtime.NewScheme()
		for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
			if err := add(scheme); err != nil {
				panic(err)
			}
		}
		var err error
		if cluster, err = client.NewWithWatch(ready, client.Options{Scheme: scheme}); err != nil {
			panic(err)
		}
	}))
}

// world is a namespace with a deployment `he` that reports to `national`: the real registry over TLS and a SQLite file.
type world struct {
	t          *testing.T
	namespace  string
	now        time.Time
	store      *registry.Store
	server     *httptest.Server
	requests   atomic.Int32
	down       atomic.Bool
	reconciler *report.Reconciler
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, namespace: testenv.Namespace(t, config), now: time.Now().Truncate(time.Second)}
	w.serve()
	w.reconciler = &report.Reconciler{
		Client: cluster, Namespace: w.namespace, CatalogNamespace: w.namespace, Now: func() time.Time { return w.now },
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.server.Certificate().Raw})
	w.create(&corev1.Secret{ObjectMeta: w.meta("registry"), Data: map[string][]byte{"token": []byte(token), "ca.crt": certificate}})
	w.create(&v1alpha1.CoordinationRegistry{ObjectMeta: w.meta("national"), Spec: v1alpha1.CoordinationRegistrySpec{
		URL: w.server.URL, ReporterID: "moh", TokenSecret: v1alpha1.SecretKeyReference{Name: "registry"},
		CASecret: &v1alpha1.SecretKeyReference{Name: "registry", Key: "ca.crt"},
	}})
	w.create(&v1alpha1.DigitalPublicGood{ObjectMeta: w.meta("ehrbase"), Spec: v1alpha1.DigitalPublicGoodSpec{
		DisplayName: "EHRbase", Class: v1alpha1.ClassGood,
		Identity: v1alpha1.GoodIdentity{License: "Apache-2.0", Repository: "https://github.com/ehrbase/ehrbase"},
		Versions: []v1alpha1.GoodVersion{{Version: "2.16.0", Chart: &v1alpha1.ChartReference{Name: "ehrbase", Version: "0.1.0"}}},
	}})
	w.create(&v1alpha1.DPIDeployment{ObjectMeta: w.meta("he"), Spec: v1alpha1.DPIDeploymentSpec{
		Environment: v1alpha1.EnvironmentDemo, Components: []v1alpha1.StackComponent{{Name: "ehr", Good: "ehrbase"}},
		Reporting: &v1alpha1.Reporting{
			Registries: []v1alpha1.RegistryName{"national"}, Jurisdictions: []v1alpha1.Jurisdiction{"iso3166:KE"}, Stage: "pilot",
			Organisation: v1alpha1.Organisation{URI: "https://health.example.org", Name: "Ministry of Health"},
		},
	}})
	w.says(metav1.ConditionFalse)
	return w
}

// serve starts the registry anew with an empty file.
func (w *world) serve() {
	w.t.Helper()
	dir := w.t.TempDir()
	reporters := filepath.Join(dir, "reporters.yaml")
	w.must(os.WriteFile(reporters, []byte("reporters:\n- {id: moh, tokenHash: \""+registry.HashToken(token)+
		"\", organisations: [\"https://health.example.org\"], jurisdictions: [\"iso3166:KE\"]}\n"), 0o600))
	var err error
	w.store, err = registry.Open(w.t.Context(), filepath.Join(dir, "registry.db"))
	w.must(err)
	handler := (&registry.Server{
		Store: w.store, Reporters: registry.Reporters{Path: reporters}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Now: func() time.Time { return w.now },
	}).Handler()
	w.server = httptest.NewTLSServer(http.HandlerFunc(func(out http.ResponseWriter, request *http.Request) {
		w.requests.Add(1)
		if w.down.Load() {
			http.Error(out, "down", http.StatusBadGateway)
			return
		}
		handler.ServeHTTP(out, request)
	}))
	w.t.Cleanup(func() {
		w.server.Close()
		_ = w.store.Close()
	})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: w.namespace}
}

func (w *world) create(object client.Object) {
	w.t.Helper()
	w.must(cluster.Create(w.t.Context(), object))
}

func (w *world) get() *v1alpha1.DPIDeployment {
	w.t.Helper()
	object := &v1alpha1.DPIDeployment{ObjectMeta: w.meta("he")}
	w.must(cluster.Get(w.t.Context(), client.ObjectKeyFromObject(object), object))
	return object
}

// says plays the deployment controller: its one component is ready, or not.
func (w *world) says(ready metav1.ConditionStatus) {
	w.t.Helper()
	object := w.get()
	object.Status.Components = []v1alpha1.ComponentSummary{{Name: "ehr", Good: "ehrbase", Version: "2.16.0", Ready: ready}}
	object.Status.ObservedGeneration = object.Generation
	verdict := conditions.False(v1alpha1.ReasonComponentNotReady, "ehr: starting on node-7.internal")
	if ready == metav1.ConditionTrue {
		verdict = conditions.True(v1alpha1.ReasonReady, "1 component works")
	}
	conditions.MarkReady(object, verdict, conditions.Resting)
	w.must(cluster.Status().Update(w.t.Context(), object))
}

func (w *world) reconcile() ctrl.Result {
	w.t.Helper()
	result, err := w.reconciler.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: w.namespace, Name: "he"}})
	w.must(err)
	return result
}

// record is what the registry knows of the deployment.
func (w *world) record() *registry.Record {
	w.t.Helper()
	records, err := w.store.List(w.t.Context())
	w.must(err)
	if len(records) > 1 {
		w.t.Fatalf("the registry knows %d deployments", len(records))
	}
	if len(records) == 0 {
		return nil
	}
	return &records[0]
}

func (w *world) wantReported(status metav1.ConditionStatus, reason v1alpha1.ConditionReason) {
	w.t.Helper()
	reported := conditions.Get(w.get(), v1alpha1.ReportedCondition)
	if reported == nil || reported.Status != status || reported.Reason != string(reason) {
		w.t.Errorf("got %+v, want %s %s", reported, status, reason)
	}
}

func TestTheRegistryFollowsTheDeployment(t *testing.T) {
	w := newWorld(t)
	w.reconcile()
	w.wantReported(metav1.ConditionTrue, v1alpha1.ReasonAcknowledged)
	record := w.record()
	if record == nil || record.Sequence != 1 || record.Deployment.State == "Ready" || record.Reporter != "moh" {
		t.Fatalf("got %+v", record)
	}
	if component := record.Deployment.Components[0]; component.Version != "2.16" || component.Good.Identifiers["repo"] != "https://github.com/ehrbase/ehrbase" {
		t.Errorf("got %+v", component)
	}
	w.says(metav1.ConditionTrue)
	w.reconcile()
	if record := w.record(); record.Sequence != 2 || record.Deployment.State != "Ready" {
		t.Errorf("got sequence %d, state %s", record.Sequence, record.Deployment.State)
	}

	sent := w.requests.Load()
	before := w.get().ResourceVersion
	w.reconcile()
	if w.requests.Load() != sent || w.get().ResourceVersion != before {
		t.Error("nothing changed, but something was sent or written")
	}
}

func TestMessagesStayInTheCluster(t *testing.T) {
	w := newWorld(t)
	w.reconcile()
	records, err := w.store.List(t.Context())
	w.must(err)
	for _, condition := range records[0].Deployment.Conditions {
		if strings.Contains(condition.Reason, "node-7") {
			t.Errorf("a host left the cluster: %+v", condition)
		}
	}
}

func TestARegistryThatIsDownChangesOneConditionAndNothingElse(t *testing.T) {
	w := newWorld(t)
	w.down.Store(true)
	result := w.reconcile()
	w.wantReported(metav1.ConditionUnknown, v1alpha1.ReasonRegistryUnavailable)
	if result.RequeueAfter <= 0 || result.RequeueAfter > 5*time.Second {
		t.Errorf("looks again after %s", result.RequeueAfter)
	}
	w.says(metav1.ConditionTrue)
	w.now = w.now.Add(time.Hour)
	w.reconcile()
	w.down.Store(false)
	w.now = w.now.Add(time.Hour)
	w.reconcile()
	w.wantReported(metav1.ConditionTrue, v1alpha1.ReasonAcknowledged)
	if record := w.record(); record.Sequence != 2 || record.Deployment.State != "Ready" {
		t.Errorf("the newest snapshot did not arrive: %+v", record)
	}
}

func TestACrashAfterSendingSendsTheSameAgain(t *testing.T) {
	w := newWorld(t)
	patches := 0
	w.reconciler.Client = interceptor.NewClient(cluster, interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			if patches++; patches > 1 {
				return errors.New("killed")
			}
			return c.SubResource(sub).Patch(ctx, object, patch, options...)
		},
	})
	_, err := w.reconciler.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: w.namespace, Name: "he"}})
	if err == nil || w.record() == nil {
		t.Fatalf("the operator was not killed between sending and noting it: %v", err)
	}
	if slot := w.get().Status.Reports[0]; slot.Sequence != 1 || slot.AcknowledgedSequence != 0 {
		t.Fatalf("got %+v", slot)
	}
	w.reconciler.Client = cluster
	w.now = w.now.Add(time.Minute)
	w.reconcile()
	w.wantReported(metav1.ConditionTrue, v1alpha1.ReasonAcknowledged)
	if record := w.record(); record.Sequence != 1 {
		t.Errorf("got sequence %d", record.Sequence)
	}
}

func TestAStatusThatWasLostIsCaughtUpWithTheRegistry(t *testing.T) {
	w := newWorld(t)
	for _, ready := range []metav1.ConditionStatus{metav1.ConditionFalse, metav1.ConditionTrue, metav1.ConditionFalse} {
		w.says(ready)
		w.reconcile()
	}
	object := w.get()
	object.Status.Reports = nil
	w.must(cluster.Status().Update(t.Context(), object))
	w.says(metav1.ConditionTrue)
	for range 3 {
		w.reconcile()
		w.now = w.now.Add(time.Minute)
	}
	w.wantReported(metav1.ConditionTrue, v1alpha1.ReasonAcknowledged)
	if record := w.record(); record.Sequence != 4 || record.Deployment.State != "Ready" {
		t.Errorf("got sequence %d, state %s", record.Sequence, record.Deployment.State)
	}
}

func TestACredentialThatIsRefusedIsNamedAndMended(t *testing.T) {
	w := newWorld(t)
	secret := &corev1.Secret{ObjectMeta: w.meta("registry")}
	w.must(cluster.Get(t.Context(), client.ObjectKeyFromObject(secret), secret))
	secret.Data["token"] = []byte("wrong")
	w.must(cluster.Update(t.Context(), secret))
	w.reconcile()
	w.wantReported(metav1.ConditionFalse, v1alpha1.ReasonUnauthenticated)
	w.wantRegistry(metav1.ConditionFalse, v1alpha1.ReasonUnauthenticated, "refuses the credential of moh")

	secret.Data["token"] = []byte(token)
	w.must(cluster.Update(t.Context(), secret))
	w.now = w.now.Add(time.Hour)
	w.reconcile()
	w.wantReported(metav1.ConditionTrue, v1alpha1.ReasonAcknowledged)
	w.wantRegistry(metav1.ConditionTrue, v1alpha1.ReasonReady, "takes reports of moh")
}

func (w *world) wantRegistry(status metav1.ConditionStatus, reason v1alpha1.ConditionReason, text string) {
	w.t.Helper()
	key := types.NamespacedName{Namespace: w.namespace, Name: "national"}
	_, err := (&report.RegistryReconciler{Reconciler: w.reconciler}).Reconcile(w.t.Context(), ctrl.Request{NamespacedName: key})
	w.must(err)
	var object v1alpha1.CoordinationRegistry
	w.must(cluster.Get(w.t.Context(), key, &object))
	ready := conditions.Get(&object, v1alpha1.ReadyCondition)
	if ready == nil || ready.Status != status || ready.Reason != string(reason) || !strings.Contains(ready.Message, text) {
		w.t.Errorf("got %+v, want %s %s %q", ready, status, reason, text)
	}
}

func TestARegistryThatNobodyDeclaredIsNamed(t *testing.T) {
	w := newWorld(t)
	w.must(cluster.Delete(t.Context(), &v1alpha1.CoordinationRegistry{ObjectMeta: w.meta("national")}))
	w.reconcile()
	w.wantReported(metav1.ConditionFalse, v1alpha1.ReasonRegistryNotFound)
}

func TestWithoutReportingNothingIsSent(t *testing.T) {
	w := newWorld(t)
	object := w.get()
	object.Spec.Reporting = nil
	w.must(cluster.Update(t.Context(), object))
	w.reconcile()
	if w.requests.Load() > 0 || conditions.Get(w.get(), v1alpha1.ReportedCondition) != nil {
		t.Error("something was reported")
	}
}
