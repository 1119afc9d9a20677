package release_test

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/fetch"
	"github.com/dpi-operator/dpi-operator/internal/helm/oracle"
	"github.com/dpi-operator/dpi-operator/internal/release"
	"github.com/dpi-operator/dpi-operator/internal/testenv"
)

var (
	config *rest.Config
	// shared has one discovery for all tests, as the operator has one for all releases.
	shared *apply.Cluster
)

func TestMain(m *testing.M) {
	os.Exit(testenv.Run(m, testenv.Options{}, func(_ context.Context, ready *rest.Config) {
		config = ready
		var err error
		if shared, err = apply.NewCluster(config); err != nil {
			panic(err)
		}
	}))
}

// world is one namespace with an engine and Helm's own actions on it.
type world struct {
	t         testing.TB
	namespace string
	client    client.Client
	engine    *release.Engine
	helm      *oracle.Helm
	now       time.Time
	// recordBytes is the engines' limit.
	recordBytes int
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{t: tb, namespace: testenv.Namespace(tb, config), now: time.Now().Truncate(time.Second)}
	w.engine = w.engineOn(shared, "holder-1")
	// It asks anew which kinds there are: tests add and remove definitions.
	w.client = must(apply.NewCluster(config))(tb).Client()
	w.helm = must(oracle.New(config, w.namespace))(tb)
	return w
}

func (w *world) newEngine(config *rest.Config, holder string) *release.Engine {
	w.t.Helper()
	return w.engineOn(must(apply.NewCluster(config))(w.t), holder)
}

func (w *world) engineOn(cluster *apply.Cluster, holder string) *release.Engine {
	w.t.Helper()
	return must(release.New(release.Options{
		Cluster: cluster, Holder: holder, Now: func() time.Time { return w.now }, Logs: logs{}, RecordBytes: w.recordBytes,
	}))(w.t)
}

// must turns a result and its error into the result: must(f())(t).
func must[T any](value T, err error) func(tb testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return value
	}
}

type logs struct{}

func (logs) Tail(context.Context, client.Object, int) (string, error) { return "no such table", nil }

func archive(tb testing.TB, name string) fetch.Archive {
	tb.Helper()
	fetcher := must(fetch.New(fetch.Options{AllowLocal: true}))(tb)
	return must(fetcher.Get(tb.Context(), fetch.Reference{URL: "testdata/charts/" + name}))(tb)
}

// request asks for a chart of testdata under the name `app`.
func (w *world) request(chart string, values map[string]any) release.Request {
	w.t.Helper()
	a := archive(w.t, chart)
	return release.Request{
		Namespace: w.namespace, Name: "app", Owner: release.Owner{Component: "app", Deployment: "shop"}, Values: values,
		Chart: release.Chart{Digest: a.Digest, Load: func(context.Context) ([]byte, error) { return a.Data, nil }},
	}
}

// reconcile calls once.
func (w *world) reconcile(request release.Request) release.Outcome {
	w.t.Helper()
	return must(w.engine.Reconcile(w.t.Context(), request))(w.t)
}

// settle calls until nothing is under way any more, completing Jobs as a Job controller would.
func (w *world) settle(request release.Request) release.Outcome {
	w.t.Helper()
	return w.until(func() (release.Outcome, error) { return w.engine.Reconcile(w.t.Context(), request) })
}

func (w *world) uninstall(volumes release.VolumePolicy) release.Outcome {
	w.t.Helper()
	return w.until(func() (release.Outcome, error) { return w.engine.Uninstall(w.t.Context(), w.removal(volumes)) })
}

func (w *world) removal(volumes release.VolumePolicy) release.UninstallRequest {
	return release.UninstallRequest{Namespace: w.namespace, Name: "app", Owner: release.Owner{Component: "app"}, Volumes: volumes}
}

func (w *world) until(call func() (release.Outcome, error)) release.Outcome {
	w.t.Helper()
	var events []release.Event
	for range 50 {
		outcome, err := call()
		if err != nil {
			w.t.Fatal(err)
		}
		events = append(events, outcome.Events...)
		if outcome.State != release.StateProgressing {
			outcome.Events = events
			return outcome
		}
		w.playControllers()
	}
	w.t.Fatal("the release does not settle")
	return release.Outcome{}
}

// playControllers does what controllers would: Jobs complete, and what is deleted in the foreground disappears.
func (w *world) playControllers() {
	w.t.Helper()
	w.finishJobs(batchv1.JobComplete)
	w.collectGarbage()
}

func (w *world) finishJobs(result batchv1.JobConditionType) {
	w.t.Helper()
	var jobs batchv1.JobList
	w.check(w.client.List(w.t.Context(), &jobs, client.InNamespace(w.namespace)))
	for i := range jobs.Items {
		job := &jobs.Items[i]
		if len(job.Status.Conditions) > 0 || job.DeletionTimestamp != nil {
			continue
		}
		now := metav1.Now()
		before := batchv1.JobSuccessCriteriaMet
		if result == batchv1.JobFailed {
			before = batchv1.JobFailureTarget
		} else {
			job.Status.CompletionTime = &now
		}
		job.Status.StartTime = &now
		for _, kind := range []batchv1.JobConditionType{before, result} {
			job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{
				Type: kind, Status: corev1.ConditionTrue, Reason: "Played", Message: "by the test", LastTransitionTime: now,
			})
		}
		w.check(client.IgnoreNotFound(w.client.Status().Update(w.t.Context(), job)))
	}
}

func (w *world) collectGarbage() {
	w.t.Helper()
	finalizers := []string{metav1.FinalizerDeleteDependents, "kubernetes.io/pvc-protection"}
	for _, kind := range []struct{ gv, kind string }{
		{"apps/v1", "Deployment"}, {"apps/v1", "StatefulSet"}, {"batch/v1", "Job"}, {"v1", "PersistentVolumeClaim"},
	} {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(must(parseGV(kind.gv))(w.t).WithKind(kind.kind + "List"))
		w.check(w.client.List(w.t.Context(), list, client.InNamespace(w.namespace)))
		for i := range list.Items {
			object := &list.Items[i]
			if object.DeletionTimestamp == nil || !slices.ContainsFunc(object.Finalizers, func(f string) bool { return slices.Contains(finalizers, f) }) {
				continue
			}
			patch := client.MergeFrom(object.DeepCopy())
			object.Finalizers = nil
			w.check(client.IgnoreNotFound(w.client.Patch(w.t.Context(), object, patch)))
		}
	}
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}
