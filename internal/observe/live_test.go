package observe_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/observe"
	"github.com/dpi-operator/dpi-operator/internal/render"
	"github.com/dpi-operator/dpi-operator/internal/testenv"
)

// patience bounds what is waited for.
const patience = 20 * time.Second

var config *rest.Config

func TestMain(m *testing.M) {
	os.Exit(testenv.Run(m, testenv.Options{}, func(_ context.Context, c *rest.Config) { config = c }))
}

// bench is a Live against the test cluster, with a queue behind it.
type bench struct {
	*observe.Live
	client   client.Client
	requests *traffic
	woken    chan types.NamespacedName
	lines    *lines
}

func setUp(t *testing.T) *bench {
	t.Helper()
	return setUpAs(t, config)
}

func setUpAs(t *testing.T, as *rest.Config, namespaces ...string) *bench {
	t.Helper()
	b := &bench{requests: &traffic{}, woken: make(chan types.NamespacedName, 1000), lines: &lines{}}
	counted := rest.CopyConfig(as)
	counted.Wrap(b.requests.wrap)
	httpClient, err := rest.HTTPClientFor(counted)
	must(t, err)
	mapper, err := apiutil.NewDynamicRESTMapper(counted, httpClient)
	must(t, err)
	b.client, err = client.New(counted, client.Options{HTTPClient: httpClient, Mapper: mapper, Scheme: clientgoscheme.Scheme})
	must(t, err)
	b.Live, err = observe.New(counted, observe.Options{
		Namespaces: namespaces, Mapper: mapper, Client: b.client, HTTPClient: httpClient, Log: b.lines.logger(),
	})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	must(t, b.Source().Start(ctx, queue))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := b.Start(ctx); err != nil {
			t.Error(err)
		}
	}()
	go func() {
		for {
			request, down := queue.Get()
			if down {
				return
			}
			queue.Done(request)
			b.woken <- request.NamespacedName
		}
	}()
	t.Cleanup(func() { cancel(); queue.ShutDown(); <-ended })
	return b
}

// traffic counts requests and open watches.
type traffic struct {
	mu      sync.Mutex
	gets    []string
	watches map[string]int
	all     int
}

func (c *traffic) wrap(inner http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		response, err := inner.RoundTrip(request)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all++
		switch {
		case err != nil:
		case request.URL.Query().Get("watch") == "true" && response.StatusCode == http.StatusOK:
			if c.watches == nil {
				c.watches = map[string]int{}
			}
			c.watches[request.URL.Path]++
			response.Body = &watchBody{ReadCloser: response.Body, closed: sync.OnceFunc(func() {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.watches[request.URL.Path]--
			})}
		case request.Method == http.MethodGet:
			c.gets = append(c.gets, request.URL.Path)
		}
		return response, err
	})
}

func (c *traffic) open(part string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for path, count := range c.watches {
		if strings.Contains(path, part) {
			n += count
		}
	}
	return n
}

func (c *traffic) got(suffix string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, path := range c.gets {
		if strings.HasSuffix(path, suffix) {
			n++
		}
	}
	return n
}

func (c *traffic) total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

type watchBody struct {
	io.ReadCloser
	closed func()
}

func (b *watchBody) Close() error {
	b.closed()
	return b.ReadCloser.Close()
}

// lines is a log.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) logger() logr.Logger {
	return funcr.New(func(prefix, args string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.all = append(l.all, prefix+args)
	}, funcr.Options{})
}

func (l *lines) containing(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(l.all), func(line string) bool { return !strings.Contains(line, part) }))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// waitFor waits for a condition.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// wokenUp waits for a request for the component.
func (b *bench) wokenUp(t *testing.T, component types.NamespacedName) {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case got := <-b.woken:
			if got == component {
				return
			}
		case <-deadline:
			t.Fatalf("%s is not woken", component)
		}
	}
}

// quiet forgets requests until none came for a moment.
func (b *bench) quiet(t *testing.T) {
	t.Helper()
	for {
		select {
		case <-b.woken:
		case <-time.After(300 * time.Millisecond):
			return
		}
	}
}

func (b *bench) objects(t *testing.T, component types.NamespacedName, inventory ...render.ID) observe.Snapshot {
	t.Helper()
	snapshot, err := b.Objects(t.Context(), observe.Request{Component: component, Inventory: inventory})
	must(t, err)
	return snapshot
}

func find(s observe.Snapshot, id render.ID) *unstructured.Unstructured {
	for i := range s.Objects {
		if render.IDOf(&s.Objects[i]) == id {
			return &s.Objects[i]
		}
	}
	return nil
}

func metadata(component types.NamespacedName, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: component.Namespace, Name: name, Labels: map[string]string{v1alpha1.ComponentLabel: component.Name}}
}

func podTemplate() corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "app", Image: "registry.example.org/web:1", Env: []corev1.EnvVar{{Name: "MODE", Value: "production"}},
		}}},
	}
}

func deployment(component types.NamespacedName, name string) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: metadata(component, name), Spec: appsv1.DeploymentSpec{
		Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, Template: podTemplate(),
	}}
}

func pod(component types.NamespacedName, name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metadata(component, name), Spec: podTemplate().Spec}
}

func secret(component types.NamespacedName, name string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metadata(component, name), StringData: map[string]string{"password": "hunter2"}}
}

func idOf(gvk schema.GroupVersionKind, namespace, name string) render.ID {
	return render.ID{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind, Namespace: namespace, Name: name}
}

var (
	deploymentKind  = appsv1.SchemeGroupVersion.WithKind("Deployment")
	podKind         = corev1.SchemeGroupVersion.WithKind("Pod")
	claimKind       = corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim")
	secretKind      = corev1.SchemeGroupVersion.WithKind("Secret")
	configMapKind   = corev1.SchemeGroupVersion.WithKind("ConfigMap")
	clusterRoleKind = schema.GroupVersionKind{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"}
)
