package crash

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/helm/oracle"
	"github.com/dpi-operator/dpi-operator/internal/testenv"
)

// firstRetry is how soon a failed release is tried again.
const firstRetry = 15 * time.Second

// patience is how long a world may take to come to rest. It bounds failures only.
const patience = 90 * time.Second

// world is one namespace with components, and what must be true of them.
type world struct {
	t         *testing.T
	namespace string
	helm      *oracle.Helm
	members   []*member
}

// inputs are the values of a component's chart.
type inputs struct {
	Message string   `json:"message"`
	Parts   []string `json:"parts"`
	// Fails names the hook that fails.
	Fails string `json:"fails,omitempty"`
}

// member is a component and what is known of it.
type member struct {
	name, chart string
	// wanted is nothing where the component is to be gone.
	wanted *inputs
	// deployed is what was deployed when the world was last at rest; nothing where it was gone.
	deployed *inputs
	// changes since the world was last at rest, and when the first was asked for.
	changes int
	since   time.Time
	// retries: the release was failing, so that attempts go on by themselves.
	retries bool
	// byHand is the latest revision that a person's helm command made.
	byHand int
	// revision and passwords when the world was last at rest.
	revision  int
	passwords map[string]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, namespace: testenv.Namespace(t, config)}
	var err error
	if w.helm, err = oracle.New(config, w.namespace); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) add(name, chart string) *member {
	m := &member{name: name, chart: chart}
	w.members = append(w.members, m)
	return m
}

func (w *world) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: w.namespace, Name: name}
}

// install makes the component.
func (w *world) install(m *member, wanted inputs) {
	w.t.Helper()
	m.note(&wanted)
	// One that was there before is gone with its records and passwords: revisions count from 1 again.
	m.deployed, m.revision, m.passwords = nil, 0, nil
	object := &v1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: m.name}, Spec: v1alpha1.ComponentSpec{
		Good:        v1alpha1.GoodReference{Name: m.chart, Version: "1.0.0"},
		Chart:       &v1alpha1.ChartReference{Repository: charts, Name: m.chart, Version: "1.0.0"},
		ReleaseName: m.name, Values: wanted.json(), DeletionPolicy: v1alpha1.DeleteData,
		Policy: v1alpha1.ReleasePolicy{OnUpgradeFailure: v1alpha1.RollbackFailed},
		Credentials: []v1alpha1.ComponentCredential{{Name: "admin", SecretName: m.name + "-admin", Keys: []v1alpha1.CredentialKey{
			{Name: "password", Length: 20},
		}}},
	}}
	w.must(cluster.Create(w.t.Context(), object))
}

func (i inputs) json() *apiextensionsv1.JSON {
	data, _ := json.Marshal(i) // Strings always marshal.
	return &apiextensionsv1.JSON{Raw: data}
}

// change asks for other inputs.
func (w *world) change(m *member, wanted inputs) {
	w.t.Helper()
	m.note(&wanted)
	object := &v1alpha1.Component{}
	w.must(cluster.Get(w.t.Context(), w.key(m.name), object))
	base := object.DeepCopy()
	object.Spec.Values = wanted.json()
	w.must(cluster.Patch(w.t.Context(), object, client.MergeFrom(base)))
}

// remove deletes the component.
func (w *world) remove(m *member) {
	w.t.Helper()
	m.note(nil)
	w.must(cluster.Delete(w.t.Context(), &v1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: m.name}}))
}

// settle waits until the operator says that all is done, and checks that it is.
func (w *world) settle() {
	w.t.Helper()
	for _, m := range w.members {
		if said := eventually(w.t.Context(), func() string { return w.unrest(m) }); said != "" {
			w.t.Fatalf("%s does not come to rest: %s\n%s", m.name, said, w.records(m))
		}
	}
	w.check()
	if w.t.Failed() {
		w.t.FailNow()
	}
}

// unrest says why a component is not at rest, by its own account.
func (w *world) unrest(m *member) string {
	object := &v1alpha1.Component{}
	err := cluster.Get(w.t.Context(), w.key(m.name), object)
	switch {
	case apierrors.IsNotFound(err) && m.wanted == nil:
		return ""
	case err != nil:
		return err.Error()
	}
	if m.wanted != nil && m.byHand > 0 && !w.isUndone(m) {
		return fmt.Sprintf("revision %d was made by hand and is not undone", m.byHand)
	}
	ready := conditions.Get(object, v1alpha1.ReadyCondition)
	if ready == nil {
		return "no Ready condition"
	}
	said := fmt.Sprintf("Ready is %s at generation %d of %d: %s: %s", ready.Status, ready.ObservedGeneration, object.Generation, ready.Reason, ready.Message)
	switch {
	case m.wanted == nil, ready.ObservedGeneration != object.Generation:
		return said
	case m.wanted.Fails != "" && strings.Contains(ready.Message, "rolled back to revision"):
		return ""
	case m.wanted.Fails == "" && ready.Status == metav1.ConditionTrue:
		return ""
	}
	return said
}

// isUndone tells whether a revision of ours followed what was done by hand, by the records: the component says nothing of
// what it has not seen.
func (w *world) isUndone(m *member) bool {
	history := w.history(m)
	deployed := 0
	for _, each := range history {
		if each.Status == "deployed" {
			deployed++
		}
	}
	latest := len(history) - 1
	return latest >= 0 && deployed == 1 && history[latest].Status == "deployed" && history[latest].Revision > m.byHand
}

// check compares the world with what must be true now, and begins the next chapter.
func (w *world) check() {
	w.t.Helper()
	want := map[string]string{}
	for _, m := range w.members {
		maps.Copy(want, w.objectsOf(m))
	}
	found := w.objects()
	for name, message := range want {
		if got, exists := found[name]; !exists {
			w.t.Errorf("%s is lost", name)
		} else if got != message {
			w.t.Errorf("%s says %q, want %q", name, got, message)
		}
	}
	for name := range found {
		if _, expected := want[name]; !expected {
			w.t.Errorf("%s is leaked", name)
		}
	}
	w.checkHooks()
	for _, m := range w.members {
		w.checkRecords(m)
		w.checkPasswords(m)
		m.changes, m.byHand, m.retries = 0, 0, m.wanted != nil && m.wanted.Fails != ""
		if !m.retries {
			m.deployed = m.wanted
		}
	}
}

// note counts a change.
func (m *member) note(wanted *inputs) {
	if m.wanted = wanted; m.changes == 0 {
		m.since = time.Now()
	}
	m.changes++
}

// isExact tells whether what happened to a component follows from what was asked for: what was changed twice may have
// been seen once, and a failing upgrade is repeated after some time.
func (m *member) isExact() bool {
	isFailing := m.wanted != nil && m.wanted.Fails != ""
	return m.changes <= 1 && m.byHand == 0 && !m.retries && (!isFailing || time.Since(m.since) < firstRetry)
}

// inForce are the inputs that must be deployed now.
func (m *member) inForce() *inputs {
	if m.wanted != nil && m.wanted.Fails != "" {
		return m.deployed
	}
	return m.wanted
}

// objectsOf lists what must exist for a component, each with the message it carries.
func (w *world) objectsOf(m *member) map[string]string {
	now := m.inForce()
	if now == nil {
		return nil
	}
	want := map[string]string{"ConfigMap " + m.name + "-settings": now.Message, "Secret " + m.name + "-admin": ""}
	for _, part := range now.Parts {
		want["ConfigMap "+m.name+"-part-"+part] = now.Message
	}
	switch m.chart {
	case "app":
		want["Secret "+m.name+"-password"], want["Service "+m.name], want["ClusterRole "+w.namespace+"-"+m.name] = "", "", ""
		want["Deployment "+m.name] = now.Message
	case "hooked":
		want["ConfigMap "+m.name+"-first"] = ""
	case "late":
		want["Deployment "+m.name], want["Job "+m.name+"-seed"] = "", ""
	case "defs":
		want["Gadget "+m.name] = now.Message
	}
	return want
}

// objects lists everything in the namespace that an operator may have made, and the cluster-scoped objects of its releases.
func (w *world) objects() map[string]string {
	w.t.Helper()
	found := map[string]string{}
	for _, gvk := range []schema.GroupVersionKind{
		{Version: "v1", Kind: "ConfigMap"}, {Version: "v1", Kind: "Secret"}, {Version: "v1", Kind: "Service"},
		{Group: "apps", Version: "v1", Kind: "Deployment"}, {Group: "batch", Version: "v1", Kind: "Job"},
		{Group: "test.example.org", Version: "v1", Kind: "Gadget"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"},
	} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		err := cluster.List(w.t.Context(), list, client.InNamespace(w.namespace))
		if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
			continue
		}
		w.must(err)
		for _, item := range list.Items {
			clusterScoped := item.GetNamespace() == "" && !strings.HasPrefix(item.GetName(), w.namespace+"-")
			if clusterScoped || strings.HasPrefix(item.GetName(), "sh.helm.release.v1.") || item.GetName() == "kube-root-ca.crt" {
				continue
			}
			found[gvk.Kind+" "+item.GetName()] = messageOf(item)
		}
	}
	return found
}

func messageOf(object unstructured.Unstructured) string {
	for _, path := range [][]string{{"data", "message"}, {"spec", "template", "metadata", "annotations", "message"}, {"spec", "message"}} {
		if message, found, _ := unstructured.NestedString(object.Object, path...); found {
			return message
		}
	}
	return ""
}

// history is what Helm says of a release, oldest first.
func (w *world) history(m *member) []oracle.Release {
	w.t.Helper()
	history, err := w.helm.History(m.name)
	if err != nil && !strings.Contains(err.Error(), "not found") {
		w.t.Fatal(err)
	}
	return history
}

func (w *world) records(m *member) string {
	var lines []string
	for _, each := range w.history(m) {
		lines = append(lines, fmt.Sprintf("revision %d is %s: %s", each.Revision, each.Status, each.Description))
	}
	return strings.Join(lines, "\n")
}

// checkRecords holds the history to what was asked for: one revision is deployed, it is the latest, and none was made twice.
func (w *world) checkRecords(m *member) {
	w.t.Helper()
	history := w.history(m)
	if m.inForce() == nil {
		if len(history) > 0 {
			w.t.Errorf("%s is gone, but not its records:\n%s", m.name, w.records(m))
		}
		m.revision = 0
		return
	}
	for i, each := range history {
		atRest := each.Status == "superseded" || each.Status == "failed"
		if isLatest := i == len(history)-1; isLatest != (each.Status == "deployed") || !isLatest && !atRest {
			w.t.Errorf("revision %d of %s is left %s:\n%s", each.Revision, m.name, each.Status, w.records(m))
		}
	}
	if len(history) == 0 {
		w.t.Errorf("%s has no record", m.name)
		return
	}
	latest := history[len(history)-1].Revision
	want := m.changes
	if m.wanted.Fails != "" {
		want++ // the rollback
	}
	needed := m.changes > 0 && !reflect.DeepEqual(m.wanted, m.deployed)
	if needed && latest <= m.revision || m.isExact() && latest != m.revision+want {
		w.t.Errorf("%s went from revision %d to %d with %d changes:\n%s", m.name, m.revision, latest, m.changes, w.records(m))
	}
	m.revision = latest
}

// checkPasswords holds generated passwords to those that were generated first.
func (w *world) checkPasswords(m *member) {
	w.t.Helper()
	if m.inForce() == nil {
		m.passwords = nil
		return
	}
	found := map[string]string{}
	for _, name := range []string{m.name + "-admin", m.name + "-password"} {
		secret := &unstructured.Unstructured{}
		secret.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Secret"})
		err := cluster.Get(w.t.Context(), w.key(name), secret)
		if apierrors.IsNotFound(err) {
			continue
		}
		w.must(err)
		found[name], _, _ = unstructured.NestedString(secret.Object, "data", "password")
	}
	if m.passwords != nil && m.revision > 1 && !maps.Equal(m.passwords, found) {
		w.t.Errorf("the passwords of %s changed", m.name)
	}
	m.passwords = found
}

// checkHooks holds every attempt to at most one run of each hook, and components that were changed once to exactly the
// runs that the change calls for.
func (w *world) checkHooks() {
	w.t.Helper()
	taken := played.takeRuns(w.namespace)
	times, total := map[run]int{}, map[string]int{}
	for _, each := range taken {
		total[each.job]++
		if times[each]++; times[each] == 2 && each.attempt != "" {
			w.t.Errorf("hook %s ran twice in attempt %s", each.job, each.attempt)
		}
	}
	for _, m := range w.members {
		if !m.isExact() {
			continue
		}
		want := m.hooks()
		for _, hook := range []string{"pre", "post", "undo", "goodbye", "after", "seed"} {
			expected := 0
			if slices.Contains(want, hook) {
				expected = 1
			}
			if got := total[m.name+"-"+hook]; got != expected {
				w.t.Errorf("hook %s-%s ran %d times, want %d", m.name, hook, got, expected)
			}
		}
	}
}

// hooks are those that the one change of a component calls for.
func (m *member) hooks() []string {
	switch {
	case m.changes == 0:
		return nil
	case m.chart == "late" && m.wanted != nil:
		return []string{"seed"}
	case m.chart != "hooked":
		return nil
	case m.wanted == nil:
		return []string{"goodbye", "after"}
	case m.wanted.Fails == "pre":
		return []string{"pre", "undo"}
	case m.wanted.Fails == "post":
		return []string{"pre", "post", "undo"}
	}
	return []string{"pre", "post"}
}
