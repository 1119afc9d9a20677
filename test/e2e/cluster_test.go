//go:build e2e

// Package e2e_test works on a real node: it installs the demo stack, kills the operator on the way, proves it, breaks it,
// and takes it away; and it breaks components in every way that a node can. CLUSTER=existing uses another cluster.
package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/demo"
)

const (
	// installLimit bounds an installation on two busy cores.
	installLimit = 15 * time.Minute
	// shortLimit bounds what needs no server to start.
	shortLimit = 3 * time.Minute
)

// prepared is the cluster with the operator, a registry and the catalogue on it.
var prepared *demo.Demo

func TestMain(m *testing.M) {
	settings, err := demo.SettingsFromEnvironment(os.Stdout)
	if err == nil {
		prepared, err = demo.Prepare(context.Background(), settings)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "prepare the cluster:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// stack is the prepared cluster in the hands of one test.
type stack struct {
	*demo.Demo
	t *testing.T
}

func (s *stack) pods(namespace string) []corev1.Pod {
	s.t.Helper()
	var pods corev1.PodList
	if err := s.Client.List(s.t.Context(), &pods, client.InNamespace(namespace)); err != nil {
		s.t.Fatal(err)
	}
	return pods.Items
}

func (s *stack) gone(object client.Object) func(context.Context) error {
	return func(ctx context.Context) error {
		err := s.Client.Get(ctx, client.ObjectKeyFromObject(object), object)
		if err == nil {
			return errors.New("still there")
		}
		return client.IgnoreNotFound(err)
	}
}

func (s *stack) stalled(deployment *v1alpha1.DPIDeployment, reason v1alpha1.ConditionReason) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := s.Client.Get(ctx, client.ObjectKeyFromObject(deployment), deployment); err != nil {
			return err
		}
		if stalled := conditions.Get(deployment, v1alpha1.StalledCondition); stalled == nil || stalled.Reason != string(reason) {
			return fmt.Errorf("stalled is %+v", stalled)
		}
		return nil
	}
}

func (s *stack) await(limit time.Duration, what string, holds func(context.Context) error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := holds(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("%s: not within %s: %v", what, limit, err)
		case <-ticker.C:
		}
	}
}

// rest lets the operator work for a while before it is killed.
func (s *stack) rest(length time.Duration) {
	select {
	case <-s.t.Context().Done():
	case <-time.After(length):
	}
}

func (s *stack) helm(args ...string) string {
	s.t.Helper()
	return s.run(filepath.Join(s.Cache, "bin", "helm-"+demo.HelmVersion), args...)
}

func (s *stack) kubectl(args ...string) string {
	s.t.Helper()
	path, err := s.Kubectl()
	if err != nil {
		s.t.Fatal(err)
	}
	return s.run(path, args...)
}

func (s *stack) run(path string, args ...string) string {
	s.t.Helper()
	command := exec.CommandContext(s.t.Context(), path, args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+s.Kubeconfig)
	out, err := command.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s %s: %v: %s", filepath.Base(path), strings.Join(args, " "), err, out)
	}
	return string(out)
}

// dump shows what a person would look at first.
func (s *stack) dump() {
	s.t.Log(s.kubectl("get", "dpi,components.dpi-operator.io,bindings.dpi-operator.io,pods,jobs", "--namespace", key.Namespace, "--output", "wide"))
	s.t.Log(s.kubectl("get", "events", "--namespace", key.Namespace, "--sort-by=.lastTimestamp"))
	s.t.Log(s.kubectl("logs", "--namespace", demo.OperatorNamespace, "deployment/dpi-operator", "--tail=60"))
}
