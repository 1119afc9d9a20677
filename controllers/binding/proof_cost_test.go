package binding_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/controllers/binding"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// counted returns the reconciler with a client that counts what it writes, as `verb Kind`. Reads of the operator come from its cache,
// but for those of Secrets and ConfigMaps, which are counted as `get`.
func (w *world) counted() (*binding.Reconciler, map[string]int) {
	counts := map[string]int{}
	count := func(verb string, object any) { counts[verb+" "+kindOf(object)]++ }
	reconciler := *w.reconciler
	reconciler.Client = interceptor.NewClient(cluster, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if kind := kindOf(object); kind == "Secret" || kind == "ConfigMap" {
				count("get", object)
			}
			return c.Get(ctx, key, object, options...)
		},
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			count("create", object)
			return c.Create(ctx, object, options...)
		},
		Update: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			count("update", object)
			return c.Update(ctx, object, options...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			count("patch", object)
			return c.Patch(ctx, object, patch, options...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			count("delete", object)
			return c.Delete(ctx, object, options...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			count("patch "+sub, object)
			return c.SubResource(sub).Patch(ctx, object, patch, options...)
		},
	})
	return &reconciler, counts
}

func kindOf(object any) string {
	name := fmt.Sprintf("%T", object)
	return name[strings.LastIndex(name, ".")+1:]
}

// The figure is the requests that a repeated proof costs the API server: docs/wiring.md names it.
func TestARepeatedProofCostsOneJob(t *testing.T) {
	w := newWorld(t)
	w.bind()
	var counts map[string]int
	w.reconciler, counts = w.counted()
	for range 3 {
		clear(counts)
		w.now = w.now.Add(v1alpha1.DefaultVerificationInterval)
		w.reconcile()
		w.reconcile() // A Job that runs is waited for: looking again costs nothing.
		if jobs := w.jobs(); len(jobs) != 1 {
			t.Fatalf("got %v", jobNames(jobs))
		}
		w.finishJob(provision.ActionVerify, done())
		w.reconcile()
		w.reconcile()
		w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
		if jobs := w.jobs(); len(jobs) != 0 {
			t.Errorf("left %v", jobNames(jobs))
		}
		want := map[string]int{
			"update ConfigMap": 1, "create Job": 1, "delete Job": 1, "patch status Binding": 1, "get ConfigMap": 1, "get Secret": 10,
		}
		if diff := cmp.Diff(want, counts); diff != "" {
			t.Error(diff)
		}
	}
}

func TestAReadyBindingThatIsLookedAtAgainCostsNothing(t *testing.T) {
	w := newWorld(t)
	w.bind()
	reconciler, counts := w.counted()
	w.reconciler = reconciler
	for range 10 {
		w.reconcile()
	}
	for request := range counts {
		if !strings.HasPrefix(request, "get ") {
			t.Errorf("%s: %d times", request, counts[request])
		}
	}
}

func TestProofsOftenerThanOnceAMinuteAreRefused(t *testing.T) {
	w := newWorld(t)
	for interval, accepted := range map[time.Duration]bool{59 * time.Second: false, time.Minute: true} {
		object := w.binding()
		object.Spec.Verification.Interval = &metav1.Duration{Duration: interval}
		if err := cluster.Update(t.Context(), object); (err == nil) != accepted {
			t.Errorf("%s in a binding: %v", interval, err)
		}
		contract := &v1alpha1.InterfaceContract{ObjectMeta: metav1.ObjectMeta{Name: "x-v1", Namespace: w.namespace}, Spec: v1alpha1.InterfaceContractSpec{
			Description: "X", Type: "x", Outputs: []v1alpha1.ContractOutput{{Name: "url", Origin: v1alpha1.OriginProvider}},
			Verification: v1alpha1.ContractVerification{Method: "x-v1", Interval: &metav1.Duration{Duration: interval}},
		}}
		if err := cluster.Create(t.Context(), contract); (err == nil) != accepted {
			t.Errorf("%s in a contract: %v", interval, err)
		}
	}
}
