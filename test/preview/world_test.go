package preview_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/controllers/deployment"
	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/cli"
	"github.com/dpi-operator/dpi-operator/internal/demo"
	"github.com/dpi-operator/dpi-operator/internal/fetch"
	"github.com/dpi-operator/dpi-operator/internal/manifest"
	"github.com/dpi-operator/dpi-operator/internal/plan"
	"github.com/dpi-operator/dpi-operator/internal/preview"
	"github.com/dpi-operator/dpi-operator/internal/release"
	"github.com/dpi-operator/dpi-operator/internal/request"
	"github.com/dpi-operator/dpi-operator/internal/testenv"
)

const (
	charts           = "../../charts/goods"
	catalogNamespace = "dpi-system"
)

var (
	config  *rest.Config
	cluster client.Client
)

func TestMain(m *testing.M) {
	os.Exit(testenv.Run(m, testenv.Options{CRDs: []string{"../../config/crd"}}, func(ctx context.Context, ready *rest.Config) {
		config = ready
		scheme := runtime.NewScheme()
		err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))
		if err == nil {
			cluster, err = client.New(config, client.Options{Scheme: scheme})
		}
		if err == nil {
			err = loadCatalogue(ctx)
		}
		if err != nil {
			panic(err)
		}
	}))
}

// loadCatalogue puts the project's own entries into the cluster, as a Catalog would.
func loadCatalogue(ctx context.Context) error {
	if err := cluster.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: catalogNamespace}}); err != nil {
		return err
	}
	built, err := demo.BuildCatalogue("../../config/catalog")
	if err != nil {
		return err
	}
	objects, err := manifest.Decode(built)
	if err != nil {
		return err
	}
	source := &v1alpha1.Catalog{ObjectMeta: metav1.ObjectMeta{Name: "public-goods"}, Spec: v1alpha1.CatalogSpec{
		Source: v1alpha1.CatalogSource{ConfigMap: &v1alpha1.CatalogConfigMap{Name: "public-goods"}},
		Charts: &v1alpha1.CatalogCharts{Repository: "oci://registry.cluster.invalid/charts"}, Images: &v1alpha1.CatalogImages{Registry: "registry.example.org"},
	}}
	for _, object := range append(objects, source) {
		entry := object.(client.Object)
		entry.SetNamespace(catalogNamespace)
		entry.SetLabels(map[string]string{v1alpha1.CatalogLabel: source.Name})
		if err := cluster.Create(ctx, entry); err != nil {
			return err
		}
	}
	return nil
}

// world is one test's namespace, with a person at the command line and an operator that moves when it is told to.
type world struct {
	t          *testing.T
	namespace  string
	kubeconfig string
	reconciler *deployment.Reconciler
	engine     *release.Engine
	fetcher    *fetch.Fetcher
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Setenv("DPI_CACHE", t.TempDir())
	served := must(apply.NewCluster(config))(t)
	w := &world{
		t: t, namespace: testenv.Namespace(t, config),
		engine:  must(release.New(release.Options{Cluster: served, Holder: "operator"}))(t),
		fetcher: must(fetch.New(fetch.Options{AllowLocal: true}))(t),
		reconciler: &deployment.Reconciler{
			Client: cluster, Events: events.NewFakeRecorder(1000), CatalogNamespace: catalogNamespace, ClusterDomain: "cluster.local", Now: time.Now,
		},
	}
	w.kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	w.must(clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{"test": {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{"test": {
			ClientCertificateData: config.CertData, ClientKeyData: config.KeyData,
		}},
		Contexts:       map[string]*clientcmdapi.Context{"test": {Cluster: "test", AuthInfo: "test", Namespace: w.namespace}},
		CurrentContext: "test",
	}, w.kubeconfig))
	return w
}

func must[T any](value T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// dpi runs the command and returns what it printed.
func (w *world) dpi(args ...string) (string, error) {
	w.t.Helper()
	streams, _, out, _ := genericiooptions.NewTestIOStreams()
	command := cli.NewCommand(streams)
	command.SetArgs(append(args, "--kubeconfig", w.kubeconfig))
	err := command.ExecuteContext(w.t.Context())
	return out.String(), err
}

// plan runs the command on the local charts and returns what it printed.
func (w *world) plan(args ...string) string {
	w.t.Helper()
	text, err := w.dpi(append([]string{"plan", "--chart-repository", charts}, args...)...)
	if err != nil && !errors.Is(err, cli.ErrWouldChange) {
		w.t.Fatalf("plan %s: %v", strings.Join(args, " "), err)
	}
	return text
}

// document is what plan says as data.
type document struct {
	plan.Plan
	Preview *preview.Report `json:"preview"`
}

func (w *world) planned(args ...string) document {
	w.t.Helper()
	var out document
	w.must(json.Unmarshal([]byte(w.plan(append(args, "-o", "json")...)), &out))
	return out
}

// file writes a deployment of these components.
func (w *world) file(spec string) string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "stack.yaml")
	w.must(os.WriteFile(path, []byte("apiVersion: dpi-operator.io/v1alpha1\nkind: DPIDeployment\nmetadata: {name: he, namespace: "+w.namespace+"}\nspec:\n"+spec), 0o600))
	return path
}

// apply declares the deployment of a file and lets the operator carry it out.
func (w *world) apply(path string) {
	w.t.Helper()
	data, err := os.ReadFile(path)
	w.must(err)
	objects, err := manifest.Decode(data)
	w.must(err)
	wanted := objects[0].(*v1alpha1.DPIDeployment)
	var live v1alpha1.DPIDeployment
	if err := cluster.Get(w.t.Context(), client.ObjectKeyFromObject(wanted), &live); err != nil {
		w.must(client.IgnoreNotFound(err))
		w.must(cluster.Create(w.t.Context(), wanted))
	} else {
		live.Spec = wanted.Spec
		w.must(cluster.Update(w.t.Context(), &live))
	}
	w.operate()
}

// operate makes revisions and Components, then the releases of those that have a chart.
func (w *world) operate() {
	w.t.Helper()
	_, err := w.reconciler.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: w.namespace, Name: "he"}})
	w.must(err)
	var components v1alpha1.ComponentList
	w.must(cluster.List(w.t.Context(), &components, client.InNamespace(w.namespace)))
	for i := range components.Items {
		if components.Items[i].Spec.Chart != nil {
			w.release(&components.Items[i])
		}
	}
}

func (w *world) release(component *v1alpha1.Component) {
	w.t.Helper()
	reference := fetch.Reference{URL: filepath.Join(charts, component.Spec.Chart.Name)}
	archive := must(w.fetcher.Get(w.t.Context(), reference))(w.t)
	load := func(context.Context) ([]byte, error) { return archive.Data, nil }
	wanted := must(request.Release(component, release.Chart{Digest: archive.Digest, Load: load}))(w.t)
	result := must(w.engine.Reconcile(w.t.Context(), wanted))(w.t)
	if result.State != release.StateDeployed {
		w.t.Fatalf("%s: %s: %s", component.Name, result.State, result.Message)
	}
}

// allow gives a person rights, and no others.
func (w *world) allow(person string, rule rbacv1.PolicyRule) {
	w.t.Helper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: person}, Rules: []rbacv1.PolicyRule{rule}}
	w.must(cluster.Create(w.t.Context(), role))
	w.must(cluster.Create(w.t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: person},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: person},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: person}},
	}))
}

func (w *world) deployment() *v1alpha1.DPIDeployment {
	w.t.Helper()
	object := &v1alpha1.DPIDeployment{}
	w.must(cluster.Get(w.t.Context(), types.NamespacedName{Namespace: w.namespace, Name: "he"}, object))
	return object
}

func (w *world) revision(name string) *v1alpha1.StackRevision {
	w.t.Helper()
	object := &v1alpha1.StackRevision{}
	w.must(cluster.Get(w.t.Context(), types.NamespacedName{Namespace: w.namespace, Name: name}, object))
	return object
}
