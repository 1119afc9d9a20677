package deployment_test

import (
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

// What users of other systems suffer from, by the numbers of docs/pains.md.

// TestPain05_dependenciesAreChangedBeforeTheirDependents: whoever sees that a dependent is to change sees by then that its
// dependency is not what it was, and waits for it.
func TestPain05_dependenciesAreChangedBeforeTheirDependents(t *testing.T) {
	w := newWorld(t, true)
	// In the order of names and of the text, the dependent comes first.
	w.deploy(v1alpha1.StackComponent{Name: "a-records", Good: "ehrbase", Version: "2.x"}, v1alpha1.StackComponent{Name: "z-db", Good: "postgresql"})
	w.reconcile()
	w.markAll()
	w.update(func(d *v1alpha1.DPIDeployment) {
		for i := range d.Spec.Components {
			d.Spec.Components[i].Values = &apiextensionsv1.JSON{Raw: []byte(`{"changed":true}`)}
		}
	})
	order := w.changes(func() { w.reconcile() })
	if strings.Join(order, " ") != "he-z-db he-a-records" {
		t.Errorf("the components are changed in the order %v", order)
	}
}

// changes are the components in the order in which they are changed meanwhile.
func (w *world) changes(during func()) []string {
	w.t.Helper()
	var list v1alpha1.ComponentList
	if err := cluster.List(w.t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
		w.t.Fatal(err)
	}
	watch, err := cluster.Watch(w.t.Context(), &v1alpha1.ComponentList{}, client.InNamespace(w.namespace),
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion}})
	if err != nil {
		w.t.Fatal(err)
	}
	defer watch.Stop()
	during()
	var names []string
	for len(names) < len(list.Items) {
		names = append(names, (<-watch.ResultChan()).Object.(*v1alpha1.Component).Name)
	}
	return names
}

// TestPain22_aCatalogueChangeUpgradesNobodyByItself: a source that changes must not set all stacks in motion at the same
// time. Whoever wants the new version says so, stack by stack.
func TestPain22_aCatalogueChangeUpgradesNobodyByItself(t *testing.T) {
	w := newWorld(t, true)
	w.deploy(database, records)
	w.reconcile()
	w.markAll()
	w.reconcile()
	var entries v1alpha1.DigitalPublicGoodList
	if err := cluster.List(t.Context(), &entries, client.InNamespace(w.namespace)); err != nil {
		t.Fatal(err)
	}
	for i := range entries.Items {
		entry := &entries.Items[i]
		newer := entry.Spec.Versions[0]
		newer.Version = "2.99.0"
		entry.Spec.Versions = append(entry.Spec.Versions, newer)
		if err := cluster.Update(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
	}
	before := w.versions()
	w.reconcile()
	for name, version := range w.versions() {
		if strings.HasPrefix(name, "component ") && before[name] != version {
			t.Errorf("%s was changed", name)
		}
	}
	w.wantReady(metav1.ConditionTrue, v1alpha1.ReasonReady, "")

	w.update(func(d *v1alpha1.DPIDeployment) { d.Spec.Components[1].Version = "2.99.0" })
	w.reconcile()
	if got := w.components()["he-ehr"].Spec.Good.Version; got != "2.99.0" {
		t.Errorf("the stack that asked for it runs %s", got)
	}
}

// TestPain22_aStackThatWaitsIsNotStalled: neither what it waits for nor those that wait behind it are errors.
func TestPain22_aStackThatWaitsIsNotStalled(t *testing.T) {
	w := newWorld(t, true)
	w.deploy(database, records)
	w.reconcile()
	for name, verdict := range map[string]conditions.Verdict{
		"he-db":  conditions.False(v1alpha1.ReasonRolloutInProgress, "Deployment he-db: 0 of 1 pods are ready"),
		"he-ehr": conditions.False(v1alpha1.ReasonWaitingForBinding, "Waiting for component he-db"),
	} {
		component := w.components()[name]
		conditions.MarkReady(component, verdict, conditions.Reconciling)
		if err := cluster.Status().Update(t.Context(), component); err != nil {
			t.Fatal(err)
		}
	}
	w.reconcile()
	if conditions.Get(w.get(), v1alpha1.StalledCondition) != nil {
		t.Error("waiting is shown as stalled")
	}
	if conditions.Get(w.get(), v1alpha1.ReconcilingCondition) == nil {
		t.Error("nothing says that it goes on by itself")
	}
	for len(w.events.Events) > 0 {
		if told := <-w.events.Events; strings.HasPrefix(told, "Warning") {
			t.Errorf("waiting is told as %s", told)
		}
	}
}
