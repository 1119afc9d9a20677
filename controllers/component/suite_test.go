package component_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/controllers/component"
	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/fetch"
	"github.com/dpi-operator/dpi-operator/internal/observe"
	"github.com/dpi-operator/dpi-operator/internal/podlogs"
	"github.com/dpi-operator/dpi-operator/internal/release"
	"github.com/dpi-operator/dpi-operator/internal/testenv"
)

var (
	config  *rest.Config
	cluster client.Client
)

// TestMain runs the component controller as the operator does: over a cache, woken by watches. No workload controller
// runs, so a Deployment becomes what the tests say of it.
func TestMain(m *testing.M) {
	os.Exit(testenv.Run(m, testenv.Options{CRDs: []string{"../../config/crd"}}, func(ctx context.Context, ready *rest.Config) {
		config = ready
		manager, err := newManager(ctx)
		if err != nil {
			panic(err)
		}
		cluster, err = client.New(config, client.Options{Scheme: manager.GetScheme()})
		if err != nil {
			panic(err)
		}
		go func() {
			if err := manager.Start(ctx); err != nil {
				panic(err)
			}
		}()
	}))
}

func newManager(ctx context.Context) (ctrl.Manager, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"},
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
	})
	if err != nil {
		return nil, err
	}
	counted := rest.CopyConfig(config)
	counted.Wrap(func(next http.RoundTripper) http.RoundTripper { return dryRunCounter{next} })
	served, err := apply.NewCluster(counted)
	if err != nil {
		return nil, err
	}
	logs, err := podlogs.New(config)
	if err != nil {
		return nil, err
	}
	live, err := observe.New(config, observe.Options{Mapper: served.Mapper(), Client: served.Client()})
	if err != nil {
		return nil, err
	}
	if err := manager.Add(live); err != nil {
		return nil, err
	}
	engine, err := release.New(release.Options{
		Cluster: served, Objects: live.Noting(served.Client()), Holder: "test", Now: time.Now, Logs: logs,
	})
	if err != nil {
		return nil, err
	}
	fetcher, err := fetch.New(fetch.Options{AllowLocal: true})
	if err != nil {
		return nil, err
	}
	reconciler := &component.Reconciler{
		Client: manager.GetClient(), Events: manager.GetEventRecorder("component"), Releases: engine,
		Charts: chartsOnDisk{fetcher}, Live: live, Logs: logs, Now: time.Now,
	}
	return manager, reconciler.SetupWithManager(ctx, manager, live.Source())
}

// dryRuns are counted by namespace: drift is looked for with them alone.
var dryRuns sync.Map

type dryRunCounter struct{ next http.RoundTripper }

func (c dryRunCounter) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Query().Get("dryRun") != "" {
		for part := range strings.SplitSeq(request.URL.Path, "/") {
			count, _ := dryRuns.LoadOrStore(part, new(atomic.Int64))
			count.(*atomic.Int64).Add(1)
		}
	}
	return c.next.RoundTrip(request)
}

func (w *world) dryRuns() int64 {
	if count, found := dryRuns.Load(w.namespace); found {
		return count.(*atomic.Int64).Load()
	}
	return 0
}

// chartsOnDisk takes the charts of testdata for those of any repository.
type chartsOnDisk struct{ fetcher *fetch.Fetcher }

func (c chartsOnDisk) Get(ctx context.Context, reference fetch.Reference) (fetch.Archive, error) {
	return c.fetcher.Get(ctx, fetch.Reference{URL: filepath.Join("testdata", "charts", reference.Chart)})
}

// world is one test's namespace.
type world struct {
	// annotations of the components that are made.
	annotations map[string]string
	t           *testing.T
	namespace   string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, namespace: testenv.Namespace(t, config)}
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

// component makes one that installs a chart with values.
func (w *world) component(name, chart, values string, change ...func(*v1alpha1.ComponentSpec)) {
	w.t.Helper()
	object := &v1alpha1.Component{ObjectMeta: w.meta(name), Spec: v1alpha1.ComponentSpec{
		Good: v1alpha1.GoodReference{Name: chart, Version: "1.0.0"},
	}}
	object.Labels = map[string]string{v1alpha1.DeploymentLabel: "stack"}
	object.Annotations = w.annotations
	if chart != "" {
		object.Spec.Chart = &v1alpha1.ChartReference{Repository: "oci://registry.example.org/charts", Name: chart, Version: "1.0.0"}
		object.Spec.ReleaseName = name
	} else {
		object.Spec.Good.Name = "app"
	}
	if values != "" {
		object.Spec.Values = jsonOf(values)
	}
	for _, each := range change {
		each(&object.Spec)
	}
	w.must(cluster.Create(w.t.Context(), object))
}

func (w *world) get(name string) *v1alpha1.Component {
	w.t.Helper()
	object := &v1alpha1.Component{ObjectMeta: w.meta(name)}
	w.must(cluster.Get(w.t.Context(), client.ObjectKeyFromObject(object), object))
	return object
}

func (w *world) update(name string, change func(*v1alpha1.Component)) {
	w.t.Helper()
	base := w.get(name)
	object := base.DeepCopy()
	change(object)
	w.must(cluster.Patch(w.t.Context(), object, client.MergeFrom(base)))
}

// read returns the object of that name, or false.
func (w *world) read(name string, into client.Object) bool {
	w.t.Helper()
	err := cluster.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, into)
	if client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
	return err == nil
}

// eventually waits until the check holds, or fails with what it says.
func (w *world) eventually(check func() string) {
	w.t.Helper()
	var said string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
		if said = check(); said == "" {
			return
		}
	}
	w.t.Fatal(said)
}

// wantReady waits until the Ready condition of the current generation says so.
func (w *world) wantReady(name string, status metav1.ConditionStatus, reason v1alpha1.ConditionReason, text string) {
	w.t.Helper()
	w.eventually(func() string {
		object := w.get(name)
		ready := conditions.Get(object, v1alpha1.ReadyCondition)
		if ready == nil {
			return name + " has no Ready condition"
		}
		if ready.Status != status || ready.Reason != string(reason) || !strings.Contains(ready.Message, text) ||
			ready.ObservedGeneration != object.Generation {
			return name + " is " + string(ready.Status) + " " + ready.Reason + " " + ready.Message + ", want " + string(status) + " " + string(reason) + " " + text
		}
		return ""
	})
}

func (w *world) wantGone(name string, object client.Object) {
	w.t.Helper()
	w.eventually(func() string {
		if w.read(name, object) {
			return name + " is still there"
		}
		return ""
	})
}

// rollOut plays the workload controllers: so many of the replicas are ready.
func (w *world) rollOut(name string, ready int32) {
	w.t.Helper()
	var deployment appsv1.Deployment
	w.eventually(func() string {
		if !w.read(name, &deployment) {
			return "there is no Deployment " + name
		}
		return ""
	})
	deployment.Status = appsv1.DeploymentStatus{
		ObservedGeneration: deployment.Generation, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: ready, AvailableReplicas: ready,
		Conditions: []appsv1.DeploymentCondition{
			{Type: appsv1.DeploymentAvailable, Status: status(ready > 0), LastTransitionTime: metav1.Now(), LastUpdateTime: metav1.Now()},
			{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable", LastTransitionTime: metav1.Now(), LastUpdateTime: metav1.Now()},
		},
	}
	w.must(cluster.Status().Update(w.t.Context(), &deployment))
}

func status(is bool) corev1.ConditionStatus {
	if is {
		return corev1.ConditionTrue
	}
	return corev1.ConditionFalse
}

// events are the reasons told about an object.
func (w *world) events(name string) string {
	w.t.Helper()
	var list corev1.EventList
	w.must(cluster.List(w.t.Context(), &list, client.InNamespace(w.namespace)))
	var out []string
	for i := range list.Items {
		if list.Items[i].InvolvedObject.Name == name {
			out = append(out, list.Items[i].Reason+": "+list.Items[i].Message)
		}
	}
	return strings.Join(out, "\n")
}

func jsonOf(text string) *apiextensionsv1.JSON { return &apiextensionsv1.JSON{Raw: []byte(text)} }
