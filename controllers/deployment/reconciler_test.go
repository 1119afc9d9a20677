package deployment_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/controllers/deployment"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/manifest"
	"github.com/dpi-operator/dpi-operator/internal/testenv"
)

var (
	cluster    client.WithWatch
	restConfig *rest.Config
)

func TestMain(m *testing.M) {
	os.Exit(testenv.Run(m, testenv.Options{CRDs: []string{"../../config/crd"}}, func(_ context.Context, config *rest.Config) {
		restConfig = config
		scheme := runtime.NewScheme()
		for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
			if err := add(scheme); err != nil {
				panic(err)
			}
		}
		var err error
		if cluster, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
			panic(err)
		}
	}))
}

// world is one test's namespace with a reconciler over it; the catalogue is in it too.
type world struct {
	t          *testing.T
	namespace  string
	reconciler *deployment.Reconciler
	events     *events.FakeRecorder
}

func newWorld(t *testing.T, entries bool) *world {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "deployment-"}}
	if err := cluster.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	recorder := events.NewFakeRecorder(100)
	w := &world{t: t, namespace: namespace.Name, events: recorder, reconciler: &deployment.Reconciler{
		Client: cluster, Events: recorder, CatalogNamespace: namespace.Name, ClusterDomain: "cluster.local", Now: time.Now,
	}}
	if entries {
		w.loadCatalogue()
	}
	return w
}

func (w *world) loadCatalogue() {
	w.t.Helper()
	data, err := os.ReadFile("../../internal/plan/testdata/catalog.yaml")
	if err != nil {
		w.t.Fatal(err)
	}
	objects, err := manifest.Decode(data)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, object := range objects {
		entry := object.(client.Object)
		entry.SetNamespace(w.namespace)
		w.create(entry)
	}
}

func (w *world) create(object client.Object) {
	w.t.Helper()
	if err := cluster.Create(w.t.Context(), object); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) deploy(components ...v1alpha1.StackComponent) {
	w.t.Helper()
	object := &v1alpha1.DPIDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: "he", Namespace: w.namespace},
		Spec:       v1alpha1.DPIDeploymentSpec{Environment: v1alpha1.EnvironmentDemo, Components: components},
	}
	w.create(object)
}

func (w *world) reconcile() ctrl.Result {
	w.t.Helper()
	result, err := w.reconciler.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: w.namespace, Name: "he"}})
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

func (w *world) get() *v1alpha1.DPIDeployment {
	w.t.Helper()
	var object v1alpha1.DPIDeployment
	if err := cluster.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "he"}, &object); err != nil {
		w.t.Fatal(err)
	}
	return &object
}

func (w *world) update(change func(*v1alpha1.DPIDeployment)) {
	w.t.Helper()
	object := w.get()
	change(object)
	if err := cluster.Update(w.t.Context(), object); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) components() map[string]*v1alpha1.Component {
	w.t.Helper()
	var list v1alpha1.ComponentList
	if err := cluster.List(w.t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
		w.t.Fatal(err)
	}
	out := map[string]*v1alpha1.Component{}
	for i := range list.Items {
		out[list.Items[i].Name] = &list.Items[i]
	}
	return out
}

func (w *world) bindings() []v1alpha1.Binding {
	w.t.Helper()
	var list v1alpha1.BindingList
	if err := cluster.List(w.t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
		w.t.Fatal(err)
	}
	return list.Items
}

// markAll plays the other controllers: it says of every component and binding that it is ready.
func (w *world) markAll() {
	w.t.Helper()
	for _, component := range w.components() {
		conditions.MarkReady(component, conditions.True(v1alpha1.ReasonReady, "Works"), conditions.Resting)
		if err := cluster.Status().Update(w.t.Context(), component); err != nil {
			w.t.Fatal(err)
		}
	}
	list := w.bindings()
	for i := range list {
		conditions.MarkReady(&list[i], conditions.True(v1alpha1.ReasonReady, "Proved"), conditions.Resting)
		if err := cluster.Status().Update(w.t.Context(), &list[i]); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) wantReady(status metav1.ConditionStatus, reason v1alpha1.ConditionReason, text string) {
	w.t.Helper()
	ready := conditions.Get(w.get(), v1alpha1.ReadyCondition)
	if ready == nil || ready.Status != status || ready.Reason != string(reason) || !strings.Contains(ready.Message, text) {
		w.t.Errorf("got %+v\nwant %s %s %q", ready, status, reason, text)
	}
}

var (
	database = v1alpha1.StackComponent{Name: "db", Good: "postgresql"}
	records  = v1alpha1.StackComponent{Name: "ehr", Good: "ehrbase", Version: "2.x"}
)

func TestADeploymentBecomesARevisionWithComponentsAndBindings(t *testing.T) {
	w := newWorld(t, true)
	w.deploy(database, records)
	w.reconcile()
	object := w.get()
	if object.Status.Revision == nil || object.Status.Revision.Number != 1 || object.Status.Progress != "0/2" {
		t.Errorf("got %+v", object.Status)
	}
	if got := w.components(); len(got) != 2 || got["he-ehr"] == nil || got["he-ehr"].Spec.Good.Version != "2.16.0" {
		t.Errorf("got components %v", got)
	}
	if got := w.bindings(); len(got) != 1 || got[0].Spec.Provider.Component != "he-db" {
		t.Errorf("got bindings %v", got)
	}
	w.wantReady(metav1.ConditionFalse, v1alpha1.ReasonComponentNotReady, "db has not been looked at yet")

	w.markAll()
	w.reconcile()
	w.wantReady(metav1.ConditionTrue, v1alpha1.ReasonReady, "2 components work, 1 binding proved")
	if object := w.get(); object.Status.Progress != "2/2" || object.Status.FirstReadyAt == nil {
		t.Errorf("got %+v", object.Status)
	}
}

func TestASecondPassWritesNothing(t *testing.T) {
	w := newWorld(t, true)
	w.deploy(database, records)
	w.reconcile()
	w.markAll()
	w.reconcile()
	before := w.versions()
	for len(w.events.Events) > 0 {
		<-w.events.Events
	}
	w.reconcile()
	if diff := cmp.Diff(before, w.versions()); diff != "" {
		t.Error(diff)
	}
	if len(w.events.Events) > 0 {
		t.Errorf("told again: %s", <-w.events.Events)
	}
}

// versions are the resource versions of everything the reconciler may write.
func (w *world) versions() map[string]string {
	w.t.Helper()
	out := map[string]string{"deployment": w.get().ResourceVersion}
	for name, component := range w.components() {
		out["component "+name] = component.ResourceVersion
	}
	for _, binding := range w.bindings() {
		out["binding "+binding.Name] = binding.ResourceVersion
	}
	var revisions v1alpha1.StackRevisionList
	if err := cluster.List(w.t.Context(), &revisions, client.InNamespace(w.namespace)); err != nil {
		w.t.Fatal(err)
	}
	for _, revision := range revisions.Items {
		out["revision "+revision.Name] = revision.ResourceVersion
	}
	return out
}

func TestACatalogueChangeDoesNotMoveARunningStack(t *testing.T) {
	w := newWorld(t, true)
	w.deploy(database, records)
	w.reconcile()
	var entry v1alpha1.DigitalPublicGood
	if err := cluster.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "ehrbase"}, &entry); err != nil {
		t.Fatal(err)
	}
	entry.Spec.Versions = append(entry.Spec.Versions, v1alpha1.GoodVersion{Version: "2.17.0", Chart: entry.Spec.Versions[0].Chart})
	if err := cluster.Update(t.Context(), &entry); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	if got := w.components()["he-ehr"].Spec.Good.Version; got != "2.16.0" {
		t.Errorf("moved to %s", got)
	}
	if got := w.get().Status.Revision.Number; got != 1 {
		t.Errorf("made revision %d", got)
	}
}

func TestAnUnknownGoodStallsAndInstallsNothing(t *testing.T) {
	w := newWorld(t, true)
	w.deploy(database, v1alpha1.StackComponent{Name: "x", Good: "dhis3"})
	w.reconcile()
	w.wantReady(metav1.ConditionFalse, v1alpha1.ReasonUnknownGood, `good "dhis3" is unknown`)
	if conditions.Get(w.get(), v1alpha1.StalledCondition) == nil {
		t.Error("not stalled")
	}
	if got := len(w.components()); got != 0 {
		t.Errorf("%d components were made", got)
	}
}

func TestABadChangeLeavesTheRunningStackAlone(t *testing.T) {
	w := newWorld(t, true)
	w.deploy(database, records)
	w.reconcile()
	w.markAll()
	w.update(func(object *v1alpha1.DPIDeployment) { object.Spec.Components[1].Version = "9.x" })
	w.reconcile()
	w.wantReady(metav1.ConditionFalse, v1alpha1.ReasonNoMatchingVersion, `no version of good ehrbase satisfies "9.x"`)
	if got := w.components()["he-ehr"].Spec.Good.Version; got != "2.16.0" {
		t.Errorf("moved to %s", got)
	}
	w.update(func(object *v1alpha1.DPIDeployment) { object.Spec.Components[1].Version = "2.x" })
	w.reconcile()
	w.wantReady(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
}

func TestAnEmptyCatalogueIsWaitedFor(t *testing.T) {
	w := newWorld(t, false)
	w.deploy(database)
	if result := w.reconcile(); result.RequeueAfter == 0 {
		t.Error("no safety net")
	}
	w.wantReady(metav1.ConditionFalse, v1alpha1.ReasonCatalogEmpty, "Waiting for the catalogue")
	if conditions.Get(w.get(), v1alpha1.StalledCondition) != nil {
		t.Error("waiting is shown as stalled")
	}
	w.loadCatalogue()
	w.reconcile()
	if got := len(w.components()); got != 1 {
		t.Errorf("%d components", got)
	}
}

func TestTheBlockerIsNamedNotThoseThatWaitForIt(t *testing.T) {
	w := newWorld(t, true)
	w.deploy(database, records)
	w.reconcile()
	for name, verdict := range map[string]conditions.Verdict{
		"he-db":  conditions.False(v1alpha1.ReasonUnhealthy, "Pod he-db-0: ImagePullBackOff"),
		"he-ehr": conditions.False(v1alpha1.ReasonWaitingForBinding, "Waiting for component he-db"),
	} {
		component := w.components()[name]
		conditions.MarkReady(component, verdict, conditions.Reconciling)
		if err := cluster.Status().Update(t.Context(), component); err != nil {
			t.Fatal(err)
		}
	}
	w.reconcile()
	w.wantReady(metav1.ConditionFalse, v1alpha1.ReasonComponentNotReady, "db: Pod he-db-0: ImagePullBackOff")
}

func TestARemovedComponentIsDeleted(t *testing.T) {
	w := newWorld(t, true)
	w.deploy(database, records)
	w.reconcile()
	w.update(func(object *v1alpha1.DPIDeployment) { object.Spec.Components = object.Spec.Components[:1] })
	w.reconcile()
	if got := w.components(); len(got) != 1 || got["he-db"] == nil {
		t.Errorf("got %v", got)
	}
	if got := w.bindings(); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	if got := w.get().Status.Revision.Number; got != 2 {
		t.Errorf("revision %d", got)
	}
}

func TestAForeignComponentIsLeftAlone(t *testing.T) {
	w := newWorld(t, true)
	foreign := &v1alpha1.Component{
		ObjectMeta: metav1.ObjectMeta{Name: "he-db", Namespace: w.namespace},
		Spec:       v1alpha1.ComponentSpec{Good: v1alpha1.GoodReference{Name: "mine", Version: "1"}},
	}
	w.create(foreign)
	w.deploy(database)
	w.reconcile()
	w.wantReady(metav1.ConditionFalse, v1alpha1.ReasonNameConflict, "Component he-db exists and does not belong to this deployment")
	if got := w.components()["he-db"].Spec.Good.Name; got != "mine" {
		t.Errorf("overwritten with %s", got)
	}
}

func TestDeletionTakesEverythingAndWaitsForIt(t *testing.T) {
	w := newWorld(t, true)
	w.deploy(database, records)
	w.reconcile()
	held := w.components()["he-db"]
	held.Finalizers = []string{v1alpha1.Finalizer}
	if err := cluster.Update(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Delete(t.Context(), w.get()); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	w.reconcile()
	w.wantReady(metav1.ConditionFalse, v1alpha1.ReasonDeleting, "Taking down he-db; data and credentials are kept")
	held = w.components()["he-db"]
	held.Finalizers = nil
	if err := cluster.Update(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	err := cluster.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "he"}, &v1alpha1.DPIDeployment{})
	if client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("still there: %v", err)
	}
}

var errKilled = errors.New("killed")

// Killed at the k-th write, for every k, a fresh operator ends in the same world.
func TestKilledAtAnyWriteItConverges(t *testing.T) {
	for kill := 1; ; kill++ {
		w := newWorld(t, true)
		w.deploy(database, records)
		died := w.reconcileKilledAt(kill)
		w.reconcile()
		w.reconcile()
		if got := w.components(); len(got) != 2 {
			t.Fatalf("killed at write %d: %d components", kill, len(got))
		}
		var revisions v1alpha1.StackRevisionList
		if err := cluster.List(t.Context(), &revisions, client.InNamespace(w.namespace)); err != nil {
			t.Fatal(err)
		}
		if len(revisions.Items) != 1 || w.get().Status.Revision.Name != revisions.Items[0].Name {
			t.Fatalf("killed at write %d: %d revisions, status %+v", kill, len(revisions.Items), w.get().Status.Revision)
		}
		if !died {
			t.Logf("killed at each of %d writes", kill-1)
			return
		}
	}
}

func (w *world) reconcileKilledAt(kill int) bool {
	w.t.Helper()
	writes := 0
	count := func() error {
		if writes++; writes >= kill {
			return errKilled
		}
		return nil
	}
	mortal := *w.reconciler
	mortal.Client = interceptor.NewClient(cluster, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			if err := count(); err != nil {
				return err
			}
			return c.Create(ctx, object, options...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			if err := count(); err != nil {
				return err
			}
			return c.Patch(ctx, object, patch, options...)
		},
		Apply: func(ctx context.Context, c client.WithWatch, object runtime.ApplyConfiguration, options ...client.ApplyOption) error {
			if err := count(); err != nil {
				return err
			}
			return c.Apply(ctx, object, options...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			if err := count(); err != nil {
				return err
			}
			return c.SubResource(sub).Patch(ctx, object, patch, options...)
		},
	})
	_, err := mortal.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: w.namespace, Name: "he"}})
	if err != nil && !errors.Is(err, errKilled) {
		w.t.Fatal(fmt.Errorf("killed at write %d: %w", kill, err))
	}
	return err != nil
}
