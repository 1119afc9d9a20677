package release_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/release"
)

func parseGV(gv string) (schema.GroupVersion, error) { return schema.ParseGroupVersion(gv) }

func TestReconcile_installsUpgradesAndUninstalls(t *testing.T) {
	w := newWorld(t)

	outcome := w.settle(w.request("basic", map[string]any{"extra": true}))
	w.wantState(outcome, release.StateDeployed, 1)
	w.wantEvents(outcome, "ChartNormalised", "Installed")
	deployment := &appsv1.Deployment{}
	w.read("app", deployment)
	if got := deployment.Spec.Template.Labels["dpi-operator.io/component"]; got != "app" {
		t.Errorf("the pod template's component label is %q", got)
	}
	if _, selects := deployment.Spec.Selector.MatchLabels["dpi-operator.io/component"]; selects {
		t.Error("the selector was changed")
	}
	if diff := cmp.Diff([]corev1.EnvVar{{Name: "MESSAGE", Value: "hello"}}, deployment.Spec.Template.Spec.Containers[0].Env); diff != "" {
		t.Error(diff)
	}
	password := w.password()

	outcome = w.settle(w.request("basic", map[string]any{"message": "bye"}))
	w.wantState(outcome, release.StateDeployed, 2)
	w.wantEvents(outcome, "ChartNormalised", "Upgraded")
	settings := &corev1.ConfigMap{}
	w.read("app-settings", settings)
	if settings.Data["message"] != "bye" {
		t.Errorf("the settings are %v", settings.Data)
	}
	if w.exists("app-extra", &corev1.ConfigMap{}) {
		t.Error("app-extra was not pruned")
	}
	if w.password() != password {
		t.Error("the upgrade made a new password in spite of lookup")
	}

	outcome = w.uninstall(release.KeepVolumes)
	w.wantState(outcome, release.StateGone, 0)
	w.wantNothingLeft()
}

func TestReconcile_doesNothingTwice(t *testing.T) {
	w := newWorld(t)
	request := w.request("basic", nil)
	first := w.settle(request)
	before := w.versions()
	for _, engine := range []*release.Engine{w.engine, w.newEngine(config, "holder-2")} {
		again := must(engine.Reconcile(t.Context(), request))(t)
		first.Events = nil
		if diff := cmp.Diff(first, again); diff != "" {
			t.Error(diff)
		}
	}
	if diff := cmp.Diff(before, w.versions()); diff != "" {
		t.Errorf("something was written: %s", diff)
	}
}

func TestReconcile_runsHooksInOrderAndOnce(t *testing.T) {
	w := newWorld(t)
	request := w.request("hooks", nil)

	outcome := w.reconcile(request)
	w.wantState(outcome, release.StateProgressing, 1)
	if len(outcome.WaitingFor) != 1 || outcome.WaitingFor[0].Name != "app-prepare" {
		t.Fatalf("waiting for %v", outcome.WaitingFor)
	}
	if w.exists("app-settings", &corev1.ConfigMap{}) || !w.exists("app-first", &corev1.ConfigMap{}) {
		t.Error("a pre-install hook must come before the objects")
	}
	job := &batchv1.Job{}
	w.read("app-prepare", job)
	if ttl := *job.Spec.TTLSecondsAfterFinished; ttl < 600 {
		t.Errorf("the Job would remove itself after %d s, before an outage ends", ttl)
	}
	if job.Spec.Template.Labels["dpi-operator.io/component"] != "app" {
		t.Error("the hook's pods carry no component label")
	}

	w.playControllers()
	outcome = w.reconcile(request)
	w.wantState(outcome, release.StateProgressing, 1)
	if !w.exists("app-settings", &corev1.ConfigMap{}) || w.exists("app-prepare", &batchv1.Job{}) {
		t.Error("after the pre-install hook its Job goes and the objects come")
	}
	w.wantState(w.settle(request), release.StateDeployed, 1)
	if w.exists("app-test", &batchv1.Job{}) {
		t.Error("a test hook ran")
	}

	w.wantState(w.settle(w.request("hooks", map[string]any{"message": "two"})), release.StateDeployed, 2)
	first := &corev1.ConfigMap{}
	w.read("app-first", first)
	if first.Data["message"] != "two" {
		t.Errorf("the hook's ConfigMap says %v", first.Data)
	}
	w.wantState(w.uninstall(release.KeepVolumes), release.StateGone, 0)
	w.wantNothingLeft()
}

func TestReconcile_failedHookShowsItsLogAndIsRetried(t *testing.T) {
	w := newWorld(t)
	request := w.request("hooks", nil)
	w.reconcile(request)
	w.finishJobs(batchv1.JobFailed)

	outcome := w.reconcile(request)
	w.wantState(outcome, release.StateFailed, 1)
	if outcome.Reason != release.ReasonHookFailed || !strings.Contains(outcome.Message, "no such table") {
		t.Errorf("got %s: %s", outcome.Reason, outcome.Message)
	}
	if !outcome.RetryAt.After(w.now) {
		t.Errorf("no retry is due: %v", outcome.RetryAt)
	}
	if again := w.reconcile(request); !cmp.Equal(again.Message, outcome.Message) || again.Revision != 1 {
		t.Errorf("the second pass says %d %s", again.Revision, again.Message)
	}
	w.now = outcome.RetryAt
	outcome = w.settle(request)
	w.wantState(outcome, release.StateDeployed, 2)
	if outcome.Attempts != 2 {
		t.Errorf("attempts: %d", outcome.Attempts)
	}
}

func TestReconcile_hookDeadline(t *testing.T) {
	w := newWorld(t)
	request := w.request("hooks", nil)
	w.wantState(w.reconcile(request), release.StateProgressing, 1)
	w.now = w.now.Add(5 * time.Minute)
	w.wantState(w.reconcile(request), release.StateFailed, 1)
	if w.exists("app-prepare", &batchv1.Job{}) {
		t.Error("the Job runs on after its deadline")
	}
}

func TestReconcile_failedUpgradeIsRolledBack(t *testing.T) {
	w := newWorld(t)
	w.wantState(w.settle(w.request("basic", nil)), release.StateDeployed, 1)
	request := w.request("basic", map[string]any{"broken": true, "extra": true, "message": "new"})
	request.Policy = release.Policy{OnUpgradeFailure: release.Rollback, MaxAttempts: 2}

	outcome := w.settle(request)
	w.wantState(outcome, release.StateFailed, 3)
	if outcome.Reason != release.ReasonRolledBack || !strings.Contains(outcome.Message, "Service "+w.namespace+"/app-broken") {
		t.Errorf("got %s: %s", outcome.Reason, outcome.Message)
	}
	settings := &corev1.ConfigMap{}
	w.read("app-settings", settings)
	if settings.Data["message"] != "hello" || w.exists("app-extra", &corev1.ConfigMap{}) {
		t.Error("the rollback did not restore the first revision")
	}

	w.now = outcome.RetryAt
	outcome = w.settle(request)
	w.wantState(outcome, release.StateFailed, 5)
	if !outcome.RetryAt.IsZero() || outcome.Attempts != 2 {
		t.Errorf("attempts %d, retry at %v", outcome.Attempts, outcome.RetryAt)
	}
	request.ResetToken = "again"
	w.wantState(w.settle(request), release.StateFailed, 7)

	outcome = w.settle(w.request("basic", map[string]any{"extra": true}))
	w.wantState(outcome, release.StateDeployed, 8)
}

func TestReconcile_failedUpgradeIsLeft(t *testing.T) {
	w := newWorld(t)
	w.settle(w.request("basic", nil))
	w.wantState(w.settle(w.request("basic", map[string]any{"broken": true, "extra": true})), release.StateFailed, 2)
	if !w.exists("app-extra", &corev1.ConfigMap{}) {
		t.Error("what was applied before the failure should be left")
	}
	w.wantState(w.settle(w.request("basic", nil)), release.StateDeployed, 3)
	if w.exists("app-extra", &corev1.ConfigMap{}) {
		t.Error("the failed revision leaks app-extra")
	}
}

func TestReconcile_changeInterruptsARunningHook(t *testing.T) {
	w := newWorld(t)
	w.reconcile(w.request("hooks", nil))
	old := &batchv1.Job{}
	w.read("app-prepare", old)
	outcome := w.reconcile(w.request("hooks", map[string]any{"message": "fixed"}))
	w.wantState(outcome, release.StateProgressing, 2)
	job := &batchv1.Job{}
	w.read("app-prepare", job)
	if job.UID == old.UID {
		t.Error("the hook of the old inputs is still the one that runs")
	}
	w.wantState(w.settle(w.request("hooks", map[string]any{"message": "fixed"})), release.StateDeployed, 2)
}

func TestReconcile_changeAfterAHookFinishedLeavesNoHookBehind(t *testing.T) {
	for name, finish := range map[string]func(*world){
		"complete": func(w *world) { w.finishJobs(batchv1.JobComplete) },
		"running":  func(*world) {},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.reconcile(w.request("hooks", nil))
			finish(w)
			w.wantState(w.settle(w.request("three", nil)), release.StateDeployed, 2)
			if w.exists("app-prepare", &batchv1.Job{}) {
				t.Error("the hook of the attempt that was given up is leaked")
			}
		})
	}
}

func TestReconcile_installsDefinitionsBeforeTheirObjects(t *testing.T) {
	w := newWorld(t)
	outcome := w.settle(w.request("defs", nil))
	w.wantState(outcome, release.StateDeployed, 1)
	kinds := make([]string, 0, len(outcome.Inventory))
	for _, id := range outcome.Inventory {
		kinds = append(kinds, id.Kind)
	}
	if diff := cmp.Diff([]string{"CustomResourceDefinition", "Widget"}, kinds); diff != "" {
		t.Error(diff)
	}

	t.Run("an update that would harm objects is refused", func(t *testing.T) {
		live := widgetDefinition()
		w.check(w.client.Get(t.Context(), client.ObjectKeyFromObject(live), live))
		versions, _, _ := unstructured.NestedSlice(live.Object, "spec", "versions")
		w.check(unstructured.SetNestedField(versions[0].(map[string]any), "string",
			"schema", "openAPIV3Schema", "properties", "spec", "properties", "size", "type"))
		w.check(unstructured.SetNestedSlice(live.Object, versions, "spec", "versions"))
		w.check(w.client.Update(t.Context(), live))
		outcome := w.settle(w.request("defs", map[string]any{"size": 4}))
		if outcome.State != release.StateBlocked || outcome.Reason != release.ReasonCRDUnsafe ||
			!strings.Contains(outcome.Message, "v1.spec.size changes its type from string to integer") {
			t.Errorf("got %s %s: %s", outcome.State, outcome.Reason, outcome.Message)
		}
		forced := w.request("defs", map[string]any{"size": 4})
		forced.Policy.CRDs = release.CRDForce
		w.wantState(w.settle(forced), release.StateDeployed, 2)
	})

	t.Run("a definition that vanished does not block the removal", func(t *testing.T) {
		removeDefinition(t)
		w.wantState(w.uninstall(release.KeepVolumes), release.StateGone, 0)
	})
}

func TestReconcile_refusesBeforeAnythingIsWritten(t *testing.T) {
	for name, tc := range map[string]struct {
		values map[string]any
		chart  string
		before func(w *world)
		reason release.Reason
		want   string
	}{
		"values that the schema refuses": {
			chart: "basic", values: map[string]any{"replicas": "many"}, reason: release.ReasonValuesInvalid, want: "replicas: got string, want integer",
		},
		"an object of somebody else": {
			chart: "basic", reason: release.ReasonForeignObject, want: "app-settings: exists and belongs to no Helm release or component (written by",
			before: func(w *world) {
				w.check(w.client.Create(w.t.Context(), &corev1.ConfigMap{
					ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "app-settings"}, Data: map[string]string{"a": "b"},
				}))
			},
		},
		"a release of somebody else": {
			chart: "basic", reason: release.ReasonForeignRelease, want: "a Helm release of that name exists",
			before: func(w *world) {
				must(w.helm.Install("app", archive(w.t, "stack").Data, nil))(w.t)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if tc.before != nil {
				tc.before(w)
			}
			before := w.versions()
			outcome := w.reconcile(w.request(tc.chart, tc.values))
			if outcome.State != release.StateBlocked || outcome.Reason != tc.reason || !strings.Contains(outcome.Message, tc.want) {
				t.Errorf("got %s %s: %s", outcome.State, outcome.Reason, outcome.Message)
			}
			if diff := cmp.Diff(before, w.versions()); diff != "" {
				t.Errorf("something was written: %s", diff)
			}
		})
	}
}

func TestUninstall_keepsDataAndSaysSo(t *testing.T) {
	w := newWorld(t)
	w.wantState(w.settle(w.request("state", nil)), release.StateDeployed, 1)
	w.check(w.client.Create(t.Context(), w.claim("data-app-0")))
	w.check(w.client.Create(t.Context(), w.claim("data-app-other")))

	outcome := w.uninstall(release.KeepVolumes)
	w.wantState(outcome, release.StateGone, 0)
	kept := make([]string, 0, len(outcome.Kept))
	for _, id := range outcome.Kept {
		kept = append(kept, id.Kind+" "+id.Name)
	}
	want := []string{"ConfigMap app-kept", "PersistentVolumeClaim app-backup", "PersistentVolumeClaim data-app-0"}
	if diff := cmp.Diff(want, kept); diff != "" {
		t.Error(diff)
	}

	w.wantState(w.settle(w.request("state", nil)), release.StateDeployed, 1)
	w.wantState(w.uninstall(release.DeleteVolumes), release.StateGone, 0)
	claims := slices.DeleteFunc(slices.Collect(maps.Keys(w.versions())), func(name string) bool { return !strings.HasPrefix(name, "Persistent") })
	if !slices.Equal(claims, []string{"PersistentVolumeClaim data-app-other"}) {
		t.Errorf("exactly the release's own claims should be deleted; left are %v", claims)
	}
}

func TestReconcile_immutableFieldSaysWhatToDo(t *testing.T) {
	w := newWorld(t)
	w.settle(w.request("state", nil))
	outcome := w.settle(w.request("state", map[string]any{"storage": "2Gi"}))
	w.wantState(outcome, release.StateFailed, 2)
	if outcome.Reason != release.ReasonImmutableField || !strings.Contains(outcome.Message, "must be deleted and made again") {
		t.Errorf("got %s: %s", outcome.Reason, outcome.Message)
	}
	request := w.request("state", map[string]any{"image": "registry.example.org/db:2"})
	request.Policy.Recreate = release.RecreateJobs
	outcome = w.settle(request)
	w.wantState(outcome, release.StateDeployed, 3)
	w.wantEvents(outcome, "Recreated", "Upgraded")
}

func TestReconcile_boundsTheHistory(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		request := w.request("basic", map[string]any{"replicas": i})
		request.Policy.MaxHistory = 3
		w.wantState(w.settle(request), release.StateDeployed, i+1)
	}
	var records corev1.SecretList
	w.check(w.client.List(t.Context(), &records, client.InNamespace(w.namespace), client.MatchingLabels{"owner": "helm"}))
	if len(records.Items) != 3 {
		t.Errorf("%d records are kept", len(records.Items))
	}
}

// removeDefinition removes what the chart `defs` leaves behind, and waits until it is gone.
func removeDefinition(t *testing.T) {
	t.Helper()
	cluster := must(apply.NewCluster(config))(t).Client()
	w := &world{t: t, client: cluster}
	w.check(client.IgnoreNotFound(cluster.Delete(context.Background(), widgetDefinition())))
	w.eventually(func() bool {
		err := cluster.Get(context.Background(), client.ObjectKey{Name: "widgets.test.example.org"}, widgetDefinition())
		return apierrors.IsNotFound(err)
	})
}

func widgetDefinition() *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	object.SetName("widgets.test.example.org")
	return object
}

func (w *world) claim(name string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
}

func (w *world) read(name string, object client.Object) {
	w.t.Helper()
	w.check(w.client.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, object))
}

func (w *world) exists(name string, object client.Object) bool {
	w.t.Helper()
	err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, object)
	if apierrors.IsNotFound(err) {
		return false
	}
	w.check(err)
	return true
}

func (w *world) password() string {
	w.t.Helper()
	secret := &corev1.Secret{}
	w.read("app-password", secret)
	return string(secret.Data["password"])
}

// versions maps every object of the namespace to its resource version.
func (w *world) versions() map[string]string {
	w.t.Helper()
	found := map[string]string{}
	w.each(func(what string, object *metav1.PartialObjectMetadata) { found[what] = object.ResourceVersion })
	return found
}

// each goes through the objects of the namespace.
func (w *world) each(visit func(what string, object *metav1.PartialObjectMetadata)) {
	w.t.Helper()
	for _, kind := range []struct{ gv, kind string }{
		{"v1", "ConfigMap"}, {"v1", "Secret"}, {"v1", "Service"}, {"v1", "PersistentVolumeClaim"},
		{"apps/v1", "Deployment"}, {"apps/v1", "StatefulSet"}, {"batch/v1", "Job"},
	} {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(must(parseGV(kind.gv))(w.t).WithKind(kind.kind + "List"))
		w.check(w.client.List(w.t.Context(), list, client.InNamespace(w.namespace)))
		for i := range list.Items {
			if list.Items[i].Name != "kube-root-ca.crt" {
				visit(kind.kind+" "+list.Items[i].Name, &list.Items[i])
			}
		}
	}
}

func (w *world) wantNothingLeft() {
	w.t.Helper()
	if left := w.versions(); len(left) > 0 {
		w.t.Errorf("left behind: %v", left)
	}
}

func (w *world) wantState(outcome release.Outcome, state release.State, revision int) {
	w.t.Helper()
	if outcome.State != state || outcome.Revision != revision {
		w.t.Fatalf("got %s at revision %d (%s: %s), want %s at %d",
			outcome.State, outcome.Revision, outcome.Reason, outcome.Message, state, revision)
	}
}

func (w *world) wantEvents(outcome release.Outcome, reasons ...string) {
	w.t.Helper()
	got := make([]string, 0, len(outcome.Events))
	for _, event := range outcome.Events {
		got = append(got, event.Reason)
	}
	if !slices.Equal(got, reasons) {
		w.t.Errorf("events %v, want %v", outcome.Events, reasons)
	}
}

// eventually waits for the API server to catch up with itself.
func (w *world) eventually(done func() bool) {
	w.t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			w.t.Fatal("waited in vain")
		case <-tick.C:
		}
	}
}
