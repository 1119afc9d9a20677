package deployment_test

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/testenv"
)

// ring is one deployment in each of several namespaces, each with a component `p` that takes its peer from the next one, the last from
// the first. They are reconciled by the operator's own watches.
type ring []*world

func newRing(t *testing.T, length int) ring {
	t.Helper()
	var r ring
	var namespaces []string
	for i := range length {
		w := newWorld(t, i == 0)
		r, namespaces = append(r, w), append(namespaces, w.namespace)
	}
	testenv.Manage(t, restConfig, cluster.Scheme(), namespaces, func(ctx context.Context, manager ctrl.Manager) error {
		reconciler := *r[0].reconciler
		reconciler.Client = manager.GetClient()
		return reconciler.SetupWithManager(ctx, manager)
	})
	return r
}

func (r ring) next(i int) *world { return r[(i+1)%len(r)] }

// deploy makes the deployment of a namespace, which lets all others use it.
func (r ring) deploy(i int, component v1alpha1.StackComponent) {
	w := r[i]
	w.t.Helper()
	export := v1alpha1.Export{Component: "p", ExportTerms: v1alpha1.ExportTerms{Contracts: []v1alpha1.ContractName{"fhir-r4-v1"}}}
	for _, other := range r {
		export.To = append(export.To, v1alpha1.Grant{Namespace: other.namespace})
	}
	w.create(&v1alpha1.DPIDeployment{ObjectMeta: metav1.ObjectMeta{Name: "he", Namespace: w.namespace}, Spec: v1alpha1.DPIDeploymentSpec{
		Environment: v1alpha1.EnvironmentDemo, Components: []v1alpha1.StackComponent{component}, Exports: []v1alpha1.Export{export},
	}})
}

// fromNext takes its peer from the next namespace.
func (r ring) fromNext(i int) v1alpha1.StackComponent {
	from := &v1alpha1.ProviderReference{Namespace: r.next(i).namespace, Deployment: "he", Component: "p"}
	return v1alpha1.StackComponent{Name: "p", Good: "ping", Bindings: []v1alpha1.StackBinding{{Requirement: "peer", From: from}}}
}

// outside needs nothing.
func outside() v1alpha1.StackComponent {
	return v1alpha1.StackComponent{Name: "p", Good: "ping", External: &v1alpha1.ExternalComponent{
		Endpoints: []v1alpha1.ExternalEndpoint{{Name: "api", URL: "http://peer.example.org"}},
	}}
}

// eventuallyNotReady waits for what the watches bring about; nothing else wakes a deployment.
func (w *world) eventuallyNotReady(reason v1alpha1.ConditionReason, text string) {
	w.t.Helper()
	var ready *metav1.Condition
	err := wait.PollUntilContextTimeout(w.t.Context(), 20*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		var object v1alpha1.DPIDeployment
		if err := cluster.Get(ctx, client.ObjectKey{Namespace: w.namespace, Name: "he"}, &object); err != nil {
			return false, err
		}
		ready = conditions.Get(&object, v1alpha1.ReadyCondition)
		return ready != nil && ready.Status == metav1.ConditionFalse && ready.Reason == string(reason) && strings.Contains(ready.Message, text), nil
	})
	if err != nil {
		w.t.Fatalf("got %+v\nwant False %s %q", ready, reason, text)
	}
}

func TestDeploymentsThatWaitForEachOtherAreRefusedWithTheCircle(t *testing.T) {
	r := newRing(t, 3)
	r.deploy(1, r.fromNext(1))
	r[1].eventuallyNotReady(v1alpha1.ReasonUnknownDeployment, "")
	r.deploy(0, r.fromNext(0))
	r[0].eventuallyNotReady(v1alpha1.ReasonWaitingForProvider, "Waiting for component p of deployment "+r[1].namespace+"/he")
	r.deploy(2, r.fromNext(2))
	for i, w := range r {
		circle := "deployments wait for each other: p → " + r.next(i).namespace + "/he-p → " + r.next(i+1).namespace + "/he-p → p; "
		w.eventuallyNotReady(v1alpha1.ReasonDependencyCycle, circle)
		if conditions.Get(w.get(), v1alpha1.StalledCondition) == nil {
			t.Error("nobody is told to act")
		}
		if len(w.components())+len(w.bindings()) > 0 {
			t.Error("something was made")
		}
	}

	r[2].update(func(object *v1alpha1.DPIDeployment) { object.Spec.Components[0] = outside() })
	for _, w := range r[:2] {
		w.eventuallyNotReady(v1alpha1.ReasonComponentNotReady, "")
		if len(w.components()) != 1 || len(w.bindings()) != 1 {
			t.Error("the stack did not come into force when the circle was opened")
		}
	}
}

func TestACircleThroughStacksInForceIsRefusedAndNothingIsLost(t *testing.T) {
	r := newRing(t, 3)
	r.deploy(2, outside())
	r.deploy(1, r.fromNext(1))
	r.deploy(0, r.fromNext(0))
	r[0].eventuallyNotReady(v1alpha1.ReasonComponentNotReady, "")

	r[2].update(func(object *v1alpha1.DPIDeployment) { object.Spec.Components[0] = r.fromNext(2) })
	circle := "components of several deployments wait for each other: p → " + r[0].namespace + "/he-p → " + r[1].namespace + "/he-p → p; remove one of these edges"
	r[2].eventuallyNotReady(v1alpha1.ReasonDependencyCycle, circle)
	if got := r[2].components()["he-p"]; got == nil || got.Spec.Chart != nil || len(r[2].bindings()) > 0 {
		t.Errorf("the stack in force was changed: %+v", got)
	}
	for _, w := range r[:2] {
		w.wantReady(metav1.ConditionFalse, v1alpha1.ReasonComponentNotReady, "")
	}

	// One of the others goes another way: the change that was refused is taken up, and nobody has to ask again.
	r[1].update(func(object *v1alpha1.DPIDeployment) { object.Spec.Components[0] = outside() })
	r[2].eventuallyNotReady(v1alpha1.ReasonComponentNotReady, "")
	if got := r[2].bindings(); len(got) != 1 {
		t.Errorf("got %+v", got)
	}
}
