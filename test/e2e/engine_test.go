//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

// engineNamespace holds the components of these tests.
const engineNamespace = "engine"

// probe says what the pod of the chart `probe` does.
type probe struct {
	Image        string   `json:"image"`
	Command      []string `json:"command"`
	CPU          string   `json:"cpu,omitempty"`
	StorageClass string   `json:"storageClass,omitempty"`
	Migrate      []string `json:"migrate,omitempty"`
}

func newEngine(t *testing.T) *stack {
	t.Helper()
	s := &stack{Demo: prepared, t: t}
	archive := filepath.Join(t.TempDir(), "probe-1.0.0.tgz")
	s.helm("package", filepath.Join("testdata", "charts", "probe"), "--destination", filepath.Dir(archive))
	s.helm("push", archive, "oci://"+s.PushRegistry+"/charts", "--plain-http")
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: engineNamespace}}
	var left v1alpha1.ComponentList
	if err := s.Client.List(t.Context(), &left, client.InNamespace(engineNamespace)); err != nil {
		t.Fatal(err)
	}
	for i := range left.Items {
		if err := s.Client.Delete(t.Context(), &left.Items[i]); client.IgnoreNotFound(err) != nil {
			t.Fatal(err)
		}
	}
	for i := range left.Items {
		s.await(shortLimit, "an earlier component is gone", s.gone(&left.Items[i]))
	}
	if err := s.Client.Create(t.Context(), namespace); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	return s
}

// sleeps is a pod that works.
func (s *stack) sleeps() probe {
	return probe{Image: s.PullRegistry + "/dpi/postgresql:15", Command: []string{"sleep", "3600"}}
}

func (s *stack) install(name string, p probe, dependsOn ...v1alpha1.ObjectName) {
	s.t.Helper()
	values, err := json.Marshal(p)
	if err != nil {
		s.t.Fatal(err)
	}
	component := &v1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: engineNamespace}, Spec: v1alpha1.ComponentSpec{
		Good:        v1alpha1.GoodReference{Name: "probe", Version: "1.0.0"},
		Chart:       &v1alpha1.ChartReference{Repository: "oci://" + s.PullRegistry + "/charts", Name: "probe", Version: "1.0.0", PlainHTTP: true},
		ReleaseName: name, Values: &apiextensionsv1.JSON{Raw: values}, DependsOn: dependsOn, DeletionPolicy: v1alpha1.DeleteData,
	}}
	if err := s.Client.Create(s.t.Context(), component); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stack) component(ctx context.Context, name string) (*v1alpha1.Component, error) {
	component := &v1alpha1.Component{}
	return component, s.Client.Get(ctx, client.ObjectKey{Namespace: engineNamespace, Name: name}, component)
}

func (s *stack) says(name string, ready metav1.ConditionStatus, parts ...string) {
	s.t.Helper()
	s.await(shortLimit, name+" says it", func(ctx context.Context) error {
		component, err := s.component(ctx, name)
		if err != nil {
			return err
		}
		condition := conditions.Get(component, v1alpha1.ReadyCondition)
		if condition == nil || condition.Status != ready || condition.ObservedGeneration != component.Generation {
			return fmt.Errorf("ready is %+v", condition)
		}
		for _, part := range parts {
			if !strings.Contains(condition.Message, part) {
				return fmt.Errorf("%q has no %q", condition.Message, part)
			}
		}
		return nil
	})
	component, err := s.component(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Logf("%s: %s", name, conditions.Get(component, v1alpha1.ReadyCondition).Message)
}

// TestRootCauses holds the message of each component to what the node says, and the sibling to its work.
func TestRootCauses(t *testing.T) {
	s := newEngine(t)
	works := s.sleeps()
	s.install("works", works)
	image := works
	image.Image = s.PullRegistry + "/dpi/no-such-image:1"
	s.install("no-image", image)
	crash := works
	crash.Command = []string{"sh", "-c", "echo connecting; echo no route to ledger >&2; exit 3"}
	s.install("crashes", crash)
	greedy := works
	greedy.CPU = "100"
	s.install("too-big", greedy)
	homeless := works
	homeless.StorageClass = "no-such-class"
	s.install("no-disk", homeless)
	migrate := works
	migrate.Migrate = []string{"sh", "-c", "echo relation patients does not exist; exit 1"}
	s.install("no-migration", migrate)

	s.says("works", metav1.ConditionTrue, "1 object works")
	s.says("no-image", metav1.ConditionFalse, "Deployment no-image", "no-such-image:1", "pull")
	s.says("crashes", metav1.ConditionFalse, "Deployment crashes", "exit", "no route to ledger")
	s.says("too-big", metav1.ConditionFalse, "Deployment too-big", "Insufficient cpu")
	s.says("no-disk", metav1.ConditionFalse, "no-disk", "no-such-class")
	s.says("no-migration", metav1.ConditionFalse, "no-migration-migrate", "relation patients does not exist")
	s.says("works", metav1.ConditionTrue)
}

// TestOrderOfPods starts a chain whose links are real pods, and takes it down in reverse.
func TestOrderOfPods(t *testing.T) {
	s := newEngine(t)
	s.install("third", s.sleeps(), "second")
	s.install("second", s.sleeps(), "first")
	s.install("first", s.sleeps())
	s.says("third", metav1.ConditionTrue)
	var started []time.Time
	for _, name := range []string{"first", "second", "third"} {
		var deployment appsv1.Deployment
		if err := s.Client.Get(t.Context(), client.ObjectKey{Namespace: engineNamespace, Name: name}, &deployment); err != nil {
			t.Fatal(err)
		}
		started = append(started, deployment.CreationTimestamp.Time)
		component, err := s.component(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		started = append(started, conditions.Get(component, v1alpha1.ReadyCondition).LastTransitionTime.Time)
	}
	for i := 2; i < len(started); i += 2 {
		if hop := started[i].Sub(started[i-1]); hop < 0 || hop > 2*time.Second {
			t.Errorf("link %d was made %s after the one before it was ready", i/2+1, hop)
		}
	}

	first := &v1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Name: "first", Namespace: engineNamespace}}
	if err := s.Client.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	s.await(shortLimit, "first is refused", func(ctx context.Context) error {
		component, err := s.component(ctx, "first")
		if err != nil {
			return err
		}
		if ready := conditions.Get(component, v1alpha1.ReadyCondition); ready.Message != "Still used by component second" {
			return fmt.Errorf("it says %q", ready.Message)
		}
		return nil
	})
	for _, name := range []string{"second", "third"} {
		component := &v1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: engineNamespace}}
		if err := s.Client.Delete(t.Context(), component); err != nil {
			t.Fatal(err)
		}
	}
	s.await(shortLimit, "the chain is gone", s.gone(first))
}
