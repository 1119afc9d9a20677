//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/demo"
)

var key = client.ObjectKey{Namespace: demo.DeploymentNamespace, Name: demo.DeploymentName}

func TestHealthExchange(t *testing.T) {
	s := &stack{Demo: prepared, t: t}
	s.clear()
	s.proveOften()
	for _, story := range []struct {
		name string
		run  func(*stack)
	}{
		{"a stack that cannot be planned installs nothing", (*stack).unplannable},
		{"a chart that cannot be had is named", (*stack).missingChart},
		{"it installs although the operator is killed again and again", (*stack).installUnderFire},
		{"it works for those who use it", (*stack).works},
		{"credentials are rotated under load without a failed request", (*stack).rotatesUnderLoad},
		{"wrong passwords are found and mended", (*stack).wrongPassword},
		{"a client that was deleted is made again", (*stack).deletedClient},
		{"a provider that goes and comes back", (*stack).providerDown},
		{"providers outside are provisioned, proved and left", (*stack).providersOutside},
		{"a database moves out of the cluster and back under its consumer", (*stack).movesOut},
		{"stacks of two namespaces use the databases of each other", (*stack).neighboursUseEachOther},
		{"its releases are Helm's own", (*stack).helmUnderstands},
		{"a pod that dies turns it not ready and back", (*stack).podDies},
		{"no secret is anywhere but in Secrets", (*stack).noSecretLeaks},
		{"deleting it keeps the data and says so", (*stack).deleteKeepsData},
		{"declaring it again finds its data", (*stack).comesBack},
	} {
		if !t.Run(story.name, func(t *testing.T) { story.run(&stack{Demo: prepared, t: t}) }) {
			s.dump()
			t.FailNow()
		}
	}
}

// clear takes away what an earlier run left.
func (s *stack) clear() {
	s.t.Helper()
	var earlier []*v1alpha1.DPIDeployment
	for _, each := range []client.ObjectKey{key, {Namespace: north, Name: neighbour}, {Namespace: south, Name: neighbour}} {
		earlier = append(earlier, &v1alpha1.DPIDeployment{ObjectMeta: metav1.ObjectMeta{Name: each.Name, Namespace: each.Namespace}})
	}
	s.leave(earlier)
	if err := s.Client.Create(s.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: key.Namespace}}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stack) unplannable() {
	deployment := s.deploy("bad", v1alpha1.StackComponent{Name: "x", Good: "dhis3"})
	s.await(shortLimit, "it is stalled", s.stalled(deployment, v1alpha1.ReasonUnknownGood))
	var components v1alpha1.ComponentList
	if err := s.Client.List(s.t.Context(), &components, client.InNamespace(key.Namespace)); err != nil || len(components.Items) != 0 {
		s.t.Errorf("%d components, %v", len(components.Items), err)
	}
	s.remove(deployment)
}

func (s *stack) missingChart() {
	good := &v1alpha1.DigitalPublicGood{}
	if err := s.Client.Get(s.t.Context(), client.ObjectKey{Namespace: demo.OperatorNamespace, Name: "postgresql"}, good); err != nil {
		s.t.Fatal(err)
	}
	broken := &v1alpha1.DigitalPublicGood{ObjectMeta: metav1.ObjectMeta{Name: "no-such-chart", Namespace: demo.OperatorNamespace, Labels: good.Labels}, Spec: good.Spec}
	broken.Spec.Versions = []v1alpha1.GoodVersion{{Version: "1.0.0", Chart: &v1alpha1.ChartReference{Name: "no-such-chart", Version: "1.0.0"}}}
	if err := s.Client.Create(s.t.Context(), broken); err != nil {
		s.t.Fatal(err)
	}
	deployment := s.deploy("nochart", v1alpha1.StackComponent{Name: "x", Good: "no-such-chart"})
	s.await(shortLimit, "the chart is named", func(ctx context.Context) error {
		if err := s.Client.Get(ctx, client.ObjectKeyFromObject(deployment), deployment); err != nil {
			return err
		}
		ready := conditions.Get(deployment, v1alpha1.ReadyCondition)
		if ready == nil || !strings.Contains(ready.Message, "There is no chart no-such-chart 1.0.0") {
			return fmt.Errorf("ready is %+v", ready)
		}
		return nil
	})
	s.remove(deployment)
	if err := s.Client.Delete(s.t.Context(), broken); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stack) deploy(name string, components ...v1alpha1.StackComponent) *v1alpha1.DPIDeployment {
	s.t.Helper()
	deployment := &v1alpha1.DPIDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: key.Namespace},
		Spec:       v1alpha1.DPIDeploymentSpec{Environment: v1alpha1.EnvironmentDemo, Components: components, DeletionPolicy: v1alpha1.DeleteData},
	}
	if err := s.Client.Create(s.t.Context(), deployment); err != nil {
		s.t.Fatal(err)
	}
	return deployment
}

func (s *stack) remove(deployment *v1alpha1.DPIDeployment) {
	s.t.Helper()
	if err := s.Client.Delete(s.t.Context(), deployment); err != nil {
		s.t.Fatal(err)
	}
	s.await(shortLimit, deployment.Name+" is gone", s.gone(deployment))
}

// installUnderFire kills the operator without warning every few seconds while the stack comes up.
func (s *stack) installUnderFire() {
	const kills = 5
	if _, err := s.Apply(s.t.Context(), filepath.Join(s.Root, "config", "samples", "health-exchange.yaml")); err != nil {
		s.t.Fatal(err)
	}
	for range kills {
		s.rest(4 * time.Second)
		pods := s.pods(demo.OperatorNamespace)
		for i := range pods {
			if err := s.Client.Delete(s.t.Context(), &pods[i], client.GracePeriodSeconds(0)); client.IgnoreNotFound(err) != nil {
				s.t.Fatal(err)
			}
		}
	}
	if err := s.Follow(s.t.Context(), key, installLimit); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stack) works() {
	if err := s.Prove(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stack) helmUnderstands() {
	var releases []struct {
		Name     string `json:"name"`
		Status   string `json:"status"`
		Revision string `json:"revision"`
	}
	if err := json.Unmarshal([]byte(s.helm("list", "--all", "--namespace", key.Namespace, "--output", "json")), &releases); err != nil {
		s.t.Fatal(err)
	}
	if len(releases) != 4 {
		s.t.Errorf("helm lists %d releases, want 4", len(releases))
	}
	for _, release := range releases {
		if release.Status != "deployed" {
			s.t.Errorf("release %s is %s", release.Name, release.Status)
		}
	}
	if got := s.helm("get", "values", demo.DeploymentName+"-ehr", "--namespace", key.Namespace); !strings.Contains(got, "existingSecret: "+demo.DeploymentName+"-ehr-database") {
		s.t.Errorf("helm get values says %s", got)
	}
}

// podDies deletes the FHIR server's pod: the deployment turns not ready by watch, and back by itself.
func (s *stack) podDies() {
	for _, pod := range s.pods(key.Namespace) {
		if pod.Labels[v1alpha1.ComponentLabel] == demo.DeploymentName+"-fhir" {
			if err := s.Client.Delete(s.t.Context(), &pod, client.GracePeriodSeconds(0)); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	s.await(shortLimit, "it is not ready", func(ctx context.Context) error {
		var deployment v1alpha1.DPIDeployment
		if err := s.Client.Get(ctx, key, &deployment); err != nil {
			return err
		}
		if conditions.IsTrue(&deployment, v1alpha1.ReadyCondition) {
			return errors.New("still ready")
		}
		return nil
	})
	if err := s.Follow(s.t.Context(), key, installLimit); err != nil {
		s.t.Fatal(err)
	}
}

// noSecretLeaks looks for every generated value in everything that is not a Secret of the stack, releases included.
func (s *stack) noSecretLeaks() {
	var secrets corev1.SecretList
	if err := s.Client.List(s.t.Context(), &secrets, client.InNamespace(key.Namespace)); err != nil {
		s.t.Fatal(err)
	}
	var values []string
	for _, secret := range secrets.Items {
		for name, value := range secret.Data {
			if strings.HasSuffix(name, "password") || name == "client-secret" {
				values = append(values, string(value))
			}
		}
	}
	if len(values) < 6 {
		s.t.Fatalf("found only %d generated values", len(values))
	}
	kinds := "dpideployments,stackrevisions,components.dpi-operator.io,bindings.dpi-operator.io,events,configmaps,deployments,statefulsets,pods,jobs"
	var text strings.Builder
	text.WriteString(s.kubectl("get", kinds, "--namespace", key.Namespace, "--output", "yaml"))
	for _, release := range []string{"postgres", "identity", "ehr", "fhir"} {
		text.WriteString(s.helm("get", "all", demo.DeploymentName+"-"+release, "--namespace", key.Namespace))
	}
	text.WriteString(s.kubectl("logs", "--namespace", demo.OperatorNamespace, "deployment/dpi-operator", "--tail=-1"))
	for _, value := range values {
		if strings.Contains(text.String(), value) {
			s.t.Error("a generated value is readable outside of Secrets")
		}
	}
}

func (s *stack) deleteKeepsData() {
	deployment := &v1alpha1.DPIDeployment{ObjectMeta: metav1.ObjectMeta{Name: key.Name, Namespace: key.Namespace}}
	if err := s.Client.Delete(s.t.Context(), deployment); err != nil {
		s.t.Fatal(err)
	}
	s.await(installLimit, "it is gone", s.gone(deployment))
	if left := strings.TrimSpace(s.kubectl("get", "deployments,statefulsets,services,components.dpi-operator.io,bindings.dpi-operator.io", "--namespace", key.Namespace, "--output", "name")); left != "" {
		s.t.Errorf("left behind: %s", left)
	}
	if got := s.helm("list", "--all", "--namespace", key.Namespace, "--short"); strings.TrimSpace(got) != "" {
		s.t.Errorf("releases left: %s", got)
	}
	if claims := s.kubectl("get", "persistentvolumeclaims", "--namespace", key.Namespace, "--output", "name"); !strings.Contains(claims, "postgres") {
		s.t.Error("the database's volume was not kept")
	}
	if events := s.kubectl("get", "events", "--namespace", key.Namespace, "--output", "yaml"); !strings.Contains(events, "DataRetained") {
		s.t.Error("no event says what was kept")
	}
}

func (s *stack) comesBack() {
	if _, err := s.Apply(s.t.Context(), filepath.Join(s.Root, "config", "samples", "health-exchange.yaml")); err != nil {
		s.t.Fatal(err)
	}
	if err := s.Follow(s.t.Context(), key, installLimit); err != nil {
		s.t.Fatal(err)
	}
	if err := s.Prove(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}
