//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

const (
	north     = "north"
	south     = "south"
	neighbour = "stack"
	// neighbourDatabase and neighbourWriter are the objects of a neighbour's components.
	neighbourDatabase = neighbour + "-postgres"
	neighbourWriter   = neighbour + "-writer"
)

// neighboursUseEachOther has the stacks of two namespaces write to each other's databases. Declared at once, neither can start before
// the other; one after the other they can. Then one takes its grant back.
func (s *stack) neighboursUseEachOther() {
	good := s.writerGood()
	stacks := []*v1alpha1.DPIDeployment{s.neighbourOf(north, south), s.neighbourOf(south, north)}
	for _, each := range stacks {
		s.await(shortLimit, "the circle is refused", s.stalled(each, v1alpha1.ReasonDependencyCycle))
		other := each.Spec.Components[1].Bindings[0].From.Namespace
		circle := "deployments wait for each other: writer → " + other + "/" + neighbourDatabase + " → postgres;"
		if ready := conditions.Get(each, v1alpha1.ReadyCondition); !strings.Contains(ready.Message, circle) {
			s.t.Errorf("it is said: %s", ready.Message)
		}
	}

	writer := stacks[1].Spec.Components[1]
	s.declare(stacks[1], func(spec *v1alpha1.DPIDeploymentSpec) { spec.Components = spec.Components[:1] })
	s.ready(stacks...)
	s.declare(stacks[1], func(spec *v1alpha1.DPIDeploymentSpec) { spec.Components = append(spec.Components, writer) })
	s.ready(stacks...)
	for _, each := range stacks {
		other := each.Spec.Components[1].Bindings[0].From.Namespace
		if host := s.secretIn(each.Namespace, neighbourWriter+"-database-"+other)["host"]; host != neighbourDatabase+"."+other+".svc.cluster.local" {
			s.t.Errorf("%s writes to %s", each.Namespace, host)
		}
		s.staysHome(other, each.Namespace)
	}

	login := s.secretIn(north, neighbourWriter+"-database-"+south)["username"]
	if got := s.mayLogIn(south, login); got != "t" {
		s.t.Errorf("the login %s is not there: %q", login, got)
	}
	s.declare(stacks[1], func(spec *v1alpha1.DPIDeploymentSpec) { spec.Exports[0].To[0].Access = v1alpha1.AccessRevoked })
	s.await(shortLimit, "access is taken back", func(context.Context) error {
		if got := s.mayLogIn(south, login); got != "f" { //nolint:contextcheck // it is asked for as long as the test runs
			return fmt.Errorf("rolcanlogin is %q", got)
		}
		return nil
	})
	s.leave(stacks)
	if err := s.Client.Delete(s.t.Context(), good); err != nil {
		s.t.Fatal(err)
	}
}

// neighbourOf declares a stack with a database for the other namespace, and a consumer of the other's.
func (s *stack) neighbourOf(namespace, other string) *v1alpha1.DPIDeployment {
	s.t.Helper()
	if err := s.Client.Create(s.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		s.t.Fatal(err)
	}
	from := &v1alpha1.ProviderReference{Namespace: other, Deployment: neighbour, Component: "postgres"}
	deployment := &v1alpha1.DPIDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: neighbour, Namespace: namespace},
		Spec: v1alpha1.DPIDeploymentSpec{
			Environment: v1alpha1.EnvironmentDemo, DeletionPolicy: v1alpha1.DeleteData,
			Components: []v1alpha1.StackComponent{
				{Name: "postgres", Good: "postgresql"},
				{Name: "writer", Good: "writer", Bindings: []v1alpha1.StackBinding{{Requirement: "database", From: from}}},
			},
			Exports: []v1alpha1.Export{{Component: "postgres", ExportTerms: v1alpha1.ExportTerms{
				Contracts: []v1alpha1.ContractName{"postgresql-v1"}, To: []v1alpha1.Grant{{Namespace: other}},
			}}},
		},
	}
	if err := s.Client.Create(s.t.Context(), deployment); err != nil {
		s.t.Fatal(err)
	}
	return deployment
}

// declare changes what a deployment asks for.
func (s *stack) declare(deployment *v1alpha1.DPIDeployment, change func(*v1alpha1.DPIDeploymentSpec)) {
	s.t.Helper()
	if err := s.Client.Get(s.t.Context(), client.ObjectKeyFromObject(deployment), deployment); err != nil {
		s.t.Fatal(err)
	}
	before := deployment.DeepCopy()
	change(&deployment.Spec)
	if err := s.Client.Patch(s.t.Context(), deployment, client.MergeFrom(before)); err != nil {
		s.t.Fatal(err)
	}
}

// ready waits until deployments work as they are declared now.
func (s *stack) ready(deployments ...*v1alpha1.DPIDeployment) {
	s.t.Helper()
	for _, each := range deployments {
		s.await(installLimit, each.Namespace+" works", func(ctx context.Context) error {
			if err := s.Client.Get(ctx, client.ObjectKeyFromObject(each), each); err != nil {
				return err
			}
			if ready := conditions.Get(each, v1alpha1.ReadyCondition); ready == nil || ready.Status != metav1.ConditionTrue || ready.ObservedGeneration != each.Generation {
				return fmt.Errorf("it says %+v", ready)
			}
			return nil
		})
	}
}

// staysHome makes sure that the administrator's password of a provider is in no Secret of the namespace that uses it.
func (s *stack) staysHome(provider, consumer string) {
	s.t.Helper()
	admin := s.secretIn(provider, neighbourDatabase+"-admin-credential")["password"]
	if admin == "" {
		s.t.Fatal("the administrator has no password")
	}
	var secrets corev1.SecretList
	if err := s.Client.List(s.t.Context(), &secrets, client.InNamespace(consumer)); err != nil {
		s.t.Fatal(err)
	}
	for _, secret := range secrets.Items {
		for name, value := range secret.Data {
			if strings.Contains(string(value), admin) {
				s.t.Errorf("%s/%s has the administrator's password of %s in %s", consumer, secret.Name, provider, name)
			}
		}
	}
}

func (s *stack) mayLogIn(namespace, login string) string {
	s.t.Helper()
	return strings.TrimSpace(s.kubectl("exec", "--namespace", namespace, neighbourDatabase+"-0", "--", "psql", "--tuples-only", "--no-align",
		"--command", "SELECT rolcanlogin FROM pg_roles WHERE rolname = '"+login+"'"))
}

// leave deletes deployments, which may use each other, and their namespaces, as far as they are there.
func (s *stack) leave(deployments []*v1alpha1.DPIDeployment) {
	s.t.Helper()
	for _, each := range deployments {
		if err := client.IgnoreNotFound(s.Client.Delete(s.t.Context(), each)); err != nil {
			s.t.Fatal(err)
		}
	}
	for _, each := range deployments {
		s.await(installLimit, "the stack of "+each.Namespace+" is gone", s.gone(each))
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: each.Namespace}}
		if err := client.IgnoreNotFound(s.Client.Delete(s.t.Context(), namespace)); err != nil {
			s.t.Fatal(err)
		}
		s.await(shortLimit, "namespace "+each.Namespace+" is gone", s.gone(namespace))
	}
}
