package release_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/helm/oracle"
	"github.com/dpi-operator/dpi-operator/internal/release"
)

// What people do with helm, before, between and after the operator's own work.

func TestPeople_helmReadsOurReleases(t *testing.T) {
	w := newWorld(t)
	w.settle(w.request("basic", map[string]any{"extra": true, "replicas": 3}))
	w.settle(w.request("basic", map[string]any{"message": "two", "replicas": 12345678}))

	listed := must(w.helm.List())(t)
	if len(listed) != 1 || listed[0].Name != "app" || listed[0].Status != "deployed" || listed[0].Revision != 2 || listed[0].Chart != "basic" {
		t.Errorf("helm list shows %+v", listed)
	}
	revisions := must(w.helm.History("app"))(t)
	history := make([]string, 0, len(revisions))
	for _, r := range revisions {
		history = append(history, r.Status+": "+r.Description)
	}
	if diff := cmp.Diff([]string{"superseded: Install complete", "deployed: Upgrade complete"}, history); diff != "" {
		t.Error(diff)
	}
	values := must(w.helm.Values("app"))(t)
	if values["message"] != "two" || values["replicas"] != 12345678.0 {
		t.Errorf("helm get values shows %v", values)
	}
	if all := must(w.helm.AllValues("app"))(t); all["image"] != "registry.example.org/web:1" {
		t.Errorf("helm get values --all shows %v", all)
	}
	manifest := must(w.helm.Get("app"))(t).Manifest
	if !strings.Contains(manifest, "# Source: basic/templates/objects.yaml") || !strings.Contains(manifest, "dpi-operator.io/component: app") {
		t.Errorf("helm get manifest shows %s", manifest)
	}
}

func TestPeople_releaseTooLargeForOneSecret(t *testing.T) {
	w := newWorld(t)
	w.recordBytes = 32 << 10
	w.engine = w.engineOn(shared, "holder-1")
	w.wantState(w.settle(w.request("large", map[string]any{"bytes": 12_000})), release.StateDeployed, 1)
	w.wantState(w.settle(w.request("large", map[string]any{"bytes": 12_000, "count": 3})), release.StateDeployed, 2)
	if w.exists("app-3", &corev1.ConfigMap{}) {
		t.Error("app-3 was not pruned")
	}
	if history := must(w.helm.History("app"))(t); len(history) != 2 || history[1].Status != "deployed" {
		t.Errorf("helm history shows %+v", history)
	}
	// Helm cannot know what it cannot read, so it must not take it for nothing.
	if err := w.helm.Rollback("app", 1); err == nil {
		t.Error("helm rollback went on without a manifest")
	}
	if !w.exists("app-0", &corev1.ConfigMap{}) {
		t.Error("helm rollback removed objects")
	}
	w.wantState(w.uninstall(release.KeepVolumes), release.StateGone, 0)
	w.wantNothingLeft()
}

// TestPeople_releaseTooLargeForTheCluster has the cluster's own limit instead of a small one.
func TestPeople_releaseTooLargeForTheCluster(t *testing.T) {
	w := newWorld(t)
	w.wantState(w.settle(w.request("large", map[string]any{"count": 2})), release.StateDeployed, 1)
	var parts corev1.SecretList
	w.check(w.client.List(t.Context(), &parts, client.InNamespace(w.namespace)))
	if len(parts.Items) < 2 {
		t.Errorf("the record is in %d Secrets", len(parts.Items))
	}
}

func TestPeople_helmRollbackIsUndone(t *testing.T) {
	w := newWorld(t)
	w.settle(w.request("basic", map[string]any{"extra": true}))
	wanted := w.request("basic", map[string]any{"message": "two"})
	w.settle(wanted)
	w.check(w.helm.Rollback("app", 1))
	settings := &corev1.ConfigMap{}
	w.read("app-settings", settings)
	if settings.Data["message"] != "hello" || !w.exists("app-extra", &corev1.ConfigMap{}) {
		t.Fatalf("helm rollback did not restore the first revision: %v", settings.Data)
	}

	outcome := w.settle(wanted)
	w.wantState(outcome, release.StateDeployed, 4)
	w.wantEvents(outcome, "ChartNormalised", "Adopted", "Upgraded")
	w.read("app-settings", settings)
	if settings.Data["message"] != "two" || w.exists("app-extra", &corev1.ConfigMap{}) {
		t.Error("what is wanted was not restored")
	}
	w.wantSoleManager("app-settings")
}

func TestPeople_helmUpgradeIsUndone(t *testing.T) {
	w := newWorld(t)
	wanted := w.request("basic", nil)
	w.settle(wanted)
	must(w.helm.Upgrade("app", archive(t, "basic").Data, map[string]any{"message": "by hand", "extra": true}))(t)
	w.wantState(w.settle(wanted), release.StateDeployed, 3)
	settings := &corev1.ConfigMap{}
	w.read("app-settings", settings)
	if settings.Data["message"] != "hello" || w.exists("app-extra", &corev1.ConfigMap{}) {
		t.Errorf("the settings are %v", settings.Data)
	}
}

func TestPeople_helmUninstallIsUndone(t *testing.T) {
	w := newWorld(t)
	wanted := w.request("basic", nil)
	w.settle(wanted)
	w.check(w.helm.Uninstall("app"))
	w.wantNothingLeft()
	w.wantState(w.settle(wanted), release.StateDeployed, 1)
}

func TestPeople_helmUninstallRunsOurHooks(t *testing.T) {
	w := newWorld(t)
	w.settle(w.request("state", nil))
	w.check(w.helm.Uninstall("app"))
	if w.exists("app", &appsv1.StatefulSet{}) || !w.exists("app-kept", &corev1.ConfigMap{}) {
		t.Error("helm uninstall left the wrong objects")
	}
}

func TestPeople_runningHelmCommandIsRespectedUntilItIsOld(t *testing.T) {
	w := newWorld(t)
	wanted := w.request("basic", nil)
	w.settleLongAgo(wanted)
	w.check(w.helm.Interrupt("app"))

	outcome := w.reconcile(wanted)
	w.wantState(outcome, release.StateProgressing, 2)
	if outcome.Reason != release.ReasonOtherOperation {
		t.Errorf("got %s: %s", outcome.Reason, outcome.Message)
	}
	if wait := outcome.RetryAt.Sub(w.now); wait > 10*time.Second {
		t.Errorf("it looks after the command only in %s", wait)
	}
	w.now = w.now.Add(10*time.Minute + time.Second)
	w.wantState(w.settle(wanted), release.StateDeployed, 3)
	for _, r := range must(w.helm.History("app"))(t) {
		if strings.HasPrefix(r.Status, "pending") {
			t.Errorf("revision %d is left %s", r.Revision, r.Status)
		}
	}
}

func TestPeople_plainHelmReleaseIsAdopted(t *testing.T) {
	w := newWorld(t)
	must(w.helm.Install("app", archive(t, "basic").Data, map[string]any{"extra": true, "message": "old"}))(t)
	password := w.password()
	request := w.request("basic", nil)
	request.Policy.Adoption = release.AdoptRelease

	outcome := w.settle(request)
	w.wantState(outcome, release.StateDeployed, 2)
	w.wantEvents(outcome, "ChartNormalised", "Adopted", "Upgraded")
	if w.password() != password {
		t.Error("the adoption made a new password")
	}
	if w.exists("app-extra", &corev1.ConfigMap{}) {
		t.Error("app-extra was not pruned")
	}
	w.wantSoleManager("app-settings")
	w.wantState(w.uninstall(release.KeepVolumes), release.StateGone, 0)
	w.wantNothingLeft()
}

// TestPeople_adoptedJobsAreLeft: the template of a Job cannot change, not even by our label.
func TestPeople_adoptedJobsAreLeft(t *testing.T) {
	w := newWorld(t)
	must(w.helm.Install("app", archive(t, "state").Data, nil))(t)
	before := w.jobs()
	request := w.request("state", nil)
	request.Policy.Adoption = release.AdoptRelease
	w.wantState(w.settle(request), release.StateDeployed, 2)
	w.wantState(w.settle(w.request("state", map[string]any{"any": "change"})), release.StateDeployed, 3)
	if diff := cmp.Diff(before, w.jobs()); diff != "" || len(before) == 0 {
		t.Errorf("of %d Jobs: %s", len(before), diff)
	}
}

// jobs maps the Jobs of the namespace to their UIDs.
func (w *world) jobs() map[string]types.UID {
	w.t.Helper()
	var list batchv1.JobList
	w.check(w.client.List(w.t.Context(), &list, client.InNamespace(w.namespace)))
	found := map[string]types.UID{}
	for _, job := range list.Items {
		found[job.Name] = job.UID
	}
	return found
}

func TestPeople_takeOverOfExistingObjects(t *testing.T) {
	w := newWorld(t)
	w.check(w.client.Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "app-settings"}, Data: map[string]string{"mine": "stays"},
	}))
	request := w.request("basic", nil)
	w.wantState(w.settle(request), release.StateBlocked, 0)
	request.Policy.Adoption = release.TakeOver
	w.wantState(w.settle(request), release.StateDeployed, 1)
	settings := &corev1.ConfigMap{}
	w.read("app-settings", settings)
	if diff := cmp.Diff(map[string]string{"mine": "stays", "message": "hello"}, settings.Data); diff != "" {
		t.Error(diff)
	}
}

func TestPeople_autoscalerKeepsItsReplicas(t *testing.T) {
	w := newWorld(t)
	w.settle(w.request("basic", nil))
	deployment := &appsv1.Deployment{}
	w.read("app", deployment)
	w.scale(deployment, 7, "kube-controller-manager")
	w.wantState(w.settle(w.request("basic", map[string]any{"message": "two"})), release.StateDeployed, 2)
	w.read("app", deployment)
	if *deployment.Spec.Replicas != 7 {
		t.Errorf("the upgrade set the replicas to %d, the autoscaler wants 7", *deployment.Spec.Replicas)
	}
	w.scale(deployment, 9, "kubectl")
	w.wantState(w.settle(w.request("basic", nil)), release.StateDeployed, 3)
	w.read("app", deployment)
	if *deployment.Spec.Replicas != 1 {
		t.Errorf("kubectl scale outlived an upgrade: %d replicas", *deployment.Spec.Replicas)
	}
}

func TestPeople_namespaceIsDeletedUnderTheRelease(t *testing.T) {
	w := newWorld(t)
	w.settle(w.request("hooks", nil))
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
	w.check(w.client.Delete(t.Context(), namespace))

	outcome := w.reconcile(w.request("hooks", map[string]any{"message": "two"}))
	if outcome.State != release.StateBlocked || outcome.Reason != release.ReasonNamespaceTerminating {
		t.Errorf("got %s %s: %s", outcome.State, outcome.Reason, outcome.Message)
	}
	outcome = w.uninstall(release.KeepVolumes)
	w.wantState(outcome, release.StateGone, 0)
	w.wantEvents(outcome, "HooksSkipped", "Uninstalled")
	w.wantNothingLeft()
}

// TestPeople_sameObjectsAsHelm compares what we make of charts with what Helm's own actions make of them.
func TestPeople_sameObjectsAsHelm(t *testing.T) {
	for _, tc := range []struct {
		chart  string
		values map[string]any
	}{
		{"basic", map[string]any{"extra": true}},
		{"stack", nil},
		{"stack", map[string]any{"cache": map[string]any{"enabled": true}, "tags": map[string]any{"messaging": false}}},
		{"state", nil},
		{"defs", nil},
	} {
		t.Run(tc.chart, func(t *testing.T) {
			ours, theirs := newWorld(t), newWorld(t)
			ours.wantState(ours.settle(ours.request(tc.chart, tc.values)), release.StateDeployed, 1)
			must(theirs.helm.Install("app", archive(t, tc.chart).Data, tc.values))(t)
			if diff := cmp.Diff(theirs.content(), ours.content()); diff != "" {
				t.Errorf("-helm +ours: %s", diff)
			}
			a, b := must(ours.helm.Get("app"))(t), must(theirs.helm.Get("app"))(t)
			strip := func(r *oracle.Release) oracle.Release { r.Manifest = ""; return *r }
			if diff := cmp.Diff(strip(b), strip(a)); diff != "" {
				t.Errorf("records, -helm +ours: %s", diff)
			}
		})
	}
}

// wantSoleManager checks that no helm client owns fields of an object any more.
func (w *world) wantSoleManager(name string) {
	w.t.Helper()
	settings := &corev1.ConfigMap{}
	w.read(name, settings)
	for _, entry := range settings.ManagedFields {
		if entry.Manager != "dpi-operator" || entry.Operation != metav1.ManagedFieldsOperationApply {
			w.t.Errorf("%s still %ss fields of %s", entry.Manager, entry.Operation, name)
		}
	}
}

// scale writes the replicas through the scale subresource, as autoscalers and kubectl do.
func (w *world) scale(deployment *appsv1.Deployment, replicas int32, manager string) {
	w.t.Helper()
	scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: replicas}}
	w.check(w.client.SubResource("scale").Update(w.t.Context(), deployment, client.WithSubResourceBody(scale),
		client.FieldOwner(manager)))
}

// content returns the objects of the namespace without what must differ between two clusters' namespaces, and without what
// the operator adds on purpose: its labels.
func (w *world) content() map[string]any {
	w.t.Helper()
	found := map[string]any{}
	for _, kind := range []struct{ gv, kind string }{
		{"v1", "ConfigMap"}, {"v1", "Secret"}, {"v1", "Service"}, {"v1", "PersistentVolumeClaim"}, {"apps/v1", "Deployment"},
		{"apps/v1", "StatefulSet"}, {"batch/v1", "Job"}, {"test.example.org/v1", "Widget"},
	} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(must(parseGV(kind.gv))(w.t).WithKind(kind.kind + "List"))
		if err := w.client.List(w.t.Context(), list, client.InNamespace(w.namespace)); !meta.IsNoMatchError(err) {
			w.check(err)
		}
		for _, item := range list.Items {
			if item.GetName() == "kube-root-ca.crt" || strings.HasPrefix(item.GetName(), "sh.helm.release") {
				continue
			}
			for _, path := range [][]string{
				{"metadata", "uid"}, {"metadata", "resourceVersion"}, {"metadata", "creationTimestamp"}, {"metadata", "managedFields"},
				{"spec", "clusterIP"}, {"spec", "clusterIPs"}, {"data", "password"}, {"status"},
			} {
				unstructured.RemoveNestedField(item.Object, path...)
			}
			normaliseEnv(&item)
			text := strings.ReplaceAll(string(must(item.MarshalJSON())(w.t)), w.namespace, "NAMESPACE")
			text = madeUp.ReplaceAllString(text, "")
			var plain map[string]any
			w.check(json.Unmarshal([]byte(emptied.Replace(text)), &plain))
			found[kind.kind+" "+item.GetName()] = plain
		}
	}
	return found
}

// normaliseEnv leaves out what Helm keeps and server-side apply refuses: a variable that a later one of its name hides.
func normaliseEnv(object *unstructured.Unstructured) {
	containers, found, _ := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
	if !found {
		return
	}
	container := containers[0].(map[string]any)
	env, _ := container["env"].([]any)
	if len(env) > 1 {
		container["env"] = env[len(env)-1:]
		_ = unstructured.SetNestedSlice(object.Object, containers, "spec", "template", "spec", "containers")
	}
}

var (
	// madeUp matches the operator's labels and the ids that the Job API makes up.
	madeUp  = regexp.MustCompile(`"(dpi-operator\.io/[a-z-]+|(batch\.kubernetes\.io/)?controller-uid)":"[^"]*",?`)
	emptied = strings.NewReplacer(`,}`, `}`, `"labels":{},`, ``, `,"labels":{}`, ``)
)

// TestPeople_recordsVanish: a namespace that is deleted may take the records first; what lies outside of it must go all
// the same, and nothing of others with it.
func TestPeople_recordsVanish(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	w.settle(w.request("state", nil))
	other.settle(other.request("state", nil))
	w.check(w.client.DeleteAllOf(t.Context(), &corev1.Secret{}, client.InNamespace(w.namespace), client.MatchingLabels{"owner": "helm"}))
	w.wantState(w.uninstall(release.DeleteVolumes), release.StateGone, 0)
	for _, each := range []struct {
		*world
		want bool
	}{{w, false}, {other, true}} {
		role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: each.namespace + "-app"}}
		if err := w.client.Get(t.Context(), client.ObjectKeyFromObject(role), role); (err == nil) != each.want {
			t.Errorf("ClusterRole %s: %v, want it there: %t", role.Name, err, each.want)
		}
	}
}
