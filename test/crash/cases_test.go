package crash

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// newPair is a world with an operator in it.
func newPair(t *testing.T) (*world, *operator) {
	t.Helper()
	w := newWorld(t)
	o := newOperator(t, w.namespace, "operator", "--leader-elect=false")
	o.start()
	return w, o
}

// crash has the operator killed at a write of what the disturbance causes, and starts it again after the outage.
func crash(o *operator, armed *trap, disturb, outage func()) {
	o.t.Helper()
	o.arm(armed)
	disturb()
	o.t.Logf("killed %s", o.await(armed, 5*time.Second))
	outage()
	o.start()
}

func nothing() {}

func TestOnlyPostInstallHooks(t *testing.T) {
	t.Parallel()
	chance := chance(t)
	w, o := newPair(t)
	m := w.add("late", "late")
	for i := range 4 {
		crash(o, &trap{left: 1 + chance.IntN(4), from: "pending-install", fate: before}, func() {
			w.install(m, inputs{Message: fmt.Sprint("hello ", i), Parts: []string{"a"}})
		}, nothing)
		w.settle()
		w.remove(m)
		w.settle()
	}
}

func TestSpecChangesDuringTheOutage(t *testing.T) {
	t.Parallel()
	w, o := newPair(t)
	m := w.add("hooked", "hooked")
	first := inputs{Message: "first", Parts: []string{"a"}}
	w.install(m, first)
	w.settle()
	for name, outage := range map[string]func(){
		"to something else": func() { w.change(m, inputs{Message: "third", Parts: []string{"c"}}) },
		"back":              func() { w.change(m, first) },
		"to a failing one":  func() { w.change(m, inputs{Message: "fourth", Fails: "post"}) },
		"to its removal":    func() { w.remove(m) },
	} {
		t.Log(name)
		if m.wanted == nil || m.wanted.Message != first.Message {
			if m.wanted == nil {
				w.install(m, first)
			} else {
				w.change(m, first)
			}
			w.settle()
		}
		played.hold(w.namespace, true)
		crash(o, &trap{left: 3, from: "pending-upgrade", fate: after}, func() {
			w.change(m, inputs{Message: "second", Parts: []string{"b"}})
		}, outage)
		played.hold(w.namespace, false)
		w.settle()
	}
}

func TestADefinitionVanishesBeforeItsReleaseIsRemoved(t *testing.T) {
	t.Parallel()
	w, o := newPair(t)
	m := w.add("defs", "defs")
	definition := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "gadgets.test.example.org"}}
	for left := 1; left <= 4; left++ {
		crash(o, &trap{left: left, fate: before}, func() { w.install(m, inputs{Message: fmt.Sprint("hello ", left)}) }, nothing)
		w.settle()
		w.must(cluster.Delete(t.Context(), definition.DeepCopy()))
		w.wantGone(definition.DeepCopy())
		crash(o, &trap{left: left, from: "uninstalling", fate: after}, func() { w.remove(m) }, nothing)
		w.settle()
	}
}

func (w *world) wantGone(object client.Object) {
	w.t.Helper()
	said := eventually(w.t.Context(), func() string {
		if err := cluster.Get(w.t.Context(), client.ObjectKeyFromObject(object), object); !apierrors.IsNotFound(err) {
			return fmt.Sprintf("%s is still there: %v", object.GetName(), err)
		}
		return ""
	})
	if said != "" {
		w.t.Fatal(said)
	}
}

// TestPeopleUseHelmInBetween: what a person does with helm, with the operator away or not, in the middle of an upgrade or
// at rest, is undone by an upgrade of ours, and everything it brought is pruned.
func TestPeopleUseHelmInBetween(t *testing.T) {
	t.Parallel()
	w, o := newPair(t)
	m := w.add("hooked", "hooked")
	w.install(m, inputs{Message: "first", Parts: []string{"a"}})
	w.settle()
	byHand := map[string]any{"message": "by hand", "parts": []any{"x"}}
	upgrade := func() {
		made, err := w.helm.Upgrade(m.name, archives[m.chart], byHand)
		w.must(err)
		m.note(m.wanted)
		m.byHand = made.Revision
	}
	rollback := func() {
		before := w.history(m)
		w.must(w.helm.Rollback(m.name, 0))
		m.note(m.wanted)
		m.byHand = before[len(before)-1].Revision + 1
	}

	t.Log("an upgrade while the operator is away")
	o.kill()
	upgrade()
	o.start()
	w.settle()

	t.Log("an upgrade while the operator is there, which is killed while it undoes it")
	crash(o, &trap{left: 2, from: "pending-upgrade", fate: before}, upgrade, nothing)
	w.settle()

	t.Log("a rollback while the operator is there, which is killed while it undoes it")
	crash(o, &trap{left: 3, from: "pending-upgrade", fate: after}, rollback, nothing)
	w.settle()

	t.Log("in the middle of an upgrade: helm refuses to upgrade, and rolls back")
	played.hold(w.namespace, true)
	crash(o, &trap{left: 4, from: "pending-upgrade", fate: after}, func() {
		w.change(m, inputs{Message: "second", Parts: []string{"b"}})
	}, func() {
		if _, err := w.helm.Upgrade(m.name, archives[m.chart], byHand); err == nil || !strings.Contains(err.Error(), "another operation") {
			t.Errorf("helm upgrade during an upgrade: %v", err)
		}
		played.hold(w.namespace, false)
		rollback()
	})
	w.settle()

	t.Log("after an upgrade by hand, the component is removed")
	o.kill()
	upgrade()
	w.remove(m)
	o.start()
	w.settle()
}

// TestTheNamespaceIsTerminating: the namespace goes while releases are changed, and with it, in any order, everything in
// it. The operator must let go of its components.
func TestTheNamespaceIsTerminating(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]client.ObjectList{"components first": nil, "records first": &corev1.SecretList{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, o := newPair(t)
			for _, chart := range []string{"app", "hooked", "late"} {
				w.install(w.add(chart, chart), inputs{Message: "hello", Parts: []string{"a", "b"}})
			}
			w.settle()
			crash(o, &trap{left: 6, fate: after}, func() {
				for _, m := range w.members {
					w.change(m, inputs{Message: "bye", Parts: []string{"c"}})
				}
			}, func() {
				namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
				w.must(cluster.Delete(t.Context(), namespace))
				if first != nil {
					w.must(cluster.DeleteAllOf(t.Context(), &corev1.Secret{}, client.InNamespace(w.namespace)))
				}
			})
			for _, m := range w.members {
				w.remove(m)
			}
			armed := &trap{left: 3, fate: after}
			o.arm(armed)
			t.Logf("killed %s", o.await(armed, 5*time.Second))
			o.start()
			for _, m := range w.members {
				if said := eventually(t.Context(), func() string { return w.unrest(m) }); said != "" {
					t.Fatalf("%s does not go: %s", m.name, said)
				}
			}
			for left := range w.objects() {
				if first == nil || strings.HasPrefix(left, "ClusterRole ") {
					t.Errorf("%s is leaked", left)
				}
			}
		})
	}
}
