//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/demo"
)

const (
	moving         = "moving"
	movingDatabase = moving + "-postgres"
	movingWriter   = moving + "-writer"
	movingEdge     = movingWriter + "-database"
)

// movesOut has a database of its own serve a consumer that writes all the time, and then declares that it runs elsewhere: in the
// server of the health exchange. The consumer follows without a failed write. Then it comes back, and finds its data.
func (s *stack) movesOut() {
	good := s.writerGood()
	deployment := &v1alpha1.DPIDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: moving, Namespace: key.Namespace},
		Spec: v1alpha1.DPIDeploymentSpec{
			Environment: v1alpha1.EnvironmentDemo, DeletionPolicy: v1alpha1.DeleteData,
			Components: []v1alpha1.StackComponent{{Name: "postgres", Good: "postgresql"}, {Name: "writer", Good: good.Name}},
		},
	}
	if err := s.Client.Create(s.t.Context(), deployment); err != nil {
		s.t.Fatal(err)
	}
	if err := s.Follow(s.t.Context(), client.ObjectKeyFromObject(deployment), installLimit); err != nil {
		s.t.Fatal(err)
	}
	before := s.follows(20)
	credentials := s.secretOf(movingEdge)

	host := fmt.Sprintf("%s-postgres.%s.svc.cluster.local", demo.DeploymentName, key.Namespace)
	s.external(deployment, &v1alpha1.ExternalComponent{
		Endpoints:   []v1alpha1.ExternalEndpoint{{Name: "sql", URL: "tcp://" + host + ":5432"}},
		Credentials: []v1alpha1.ExternalCredential{{Name: "admin", SecretName: demo.DeploymentName + "-postgres-admin-credential"}},
	})
	s.await(installLimit, "what was installed is gone", s.gone(&appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: movingDatabase, Namespace: key.Namespace}}))
	s.settled(deployment)
	if after := s.secretOf(movingEdge); after["host"] != host || after["password"] != credentials["password"] {
		s.t.Errorf("the consumer is told of %s", after["host"])
	}
	s.wroteWithoutFailure(before)
	after := s.follows(20)
	if rows, err := strconv.Atoi(s.psqlIn(credentials["database"], "SELECT count(*) FROM written")); err != nil || rows < 20 {
		s.t.Errorf("%d rows at the new place, %v", rows, err)
	}
	if volumes := s.kubectl("get", "persistentvolumeclaims", "--namespace", key.Namespace, "--output", "name"); !strings.Contains(volumes, movingDatabase) {
		s.t.Errorf("the data is gone; there are %s", volumes)
	}

	s.external(deployment, nil)
	s.await(installLimit, "the consumer is back", func(context.Context) error {
		if now := s.secretOf(movingEdge)["host"]; now == host { //nolint:contextcheck // the Secret is read for as long as the test runs
			return fmt.Errorf("it is told of %s", now)
		}
		return nil
	})
	s.settled(deployment)
	s.wroteWithoutFailure(after)
	if s.eventsOf(movingEdge, "NotRevoked") == 0 {
		s.t.Error("nobody is told that the server outside was not asked to take access away")
	}
	rows := strings.TrimSpace(s.kubectl("exec", "--namespace", key.Namespace, movingDatabase+"-0", "--", "psql", "--tuples-only", "--no-align",
		"--dbname", credentials["database"], "--command", "SELECT count(*) FROM written WHERE at < '"+before.since.UTC().Format(time.RFC3339)+"'::timestamptz + interval '5 seconds'"))
	if count, err := strconv.Atoi(rows); err != nil || count == 0 {
		s.t.Errorf("it did not find its data: %q", rows)
	}
	s.remove(deployment)
	if err := s.Client.Delete(s.t.Context(), good); err != nil {
		s.t.Fatal(err)
	}
}

// writerGood publishes the chart of a consumer that keeps writing, and its entry.
func (s *stack) writerGood() *v1alpha1.DigitalPublicGood {
	s.t.Helper()
	archive := filepath.Join(s.t.TempDir(), "writer-1.0.0.tgz")
	s.helm("package", filepath.Join("testdata", "charts", "writer"), "--destination", filepath.Dir(archive))
	s.helm("push", archive, "oci://"+s.PushRegistry+"/charts", "--plain-http")
	var database v1alpha1.DigitalPublicGood
	if err := s.Client.Get(s.t.Context(), client.ObjectKey{Namespace: demo.OperatorNamespace, Name: "postgresql"}, &database); err != nil {
		s.t.Fatal(err)
	}
	image, err := json.Marshal(map[string]string{"image": s.imageOf(demo.DeploymentName + "-postgres-0")})
	if err != nil {
		s.t.Fatal(err)
	}
	good := &v1alpha1.DigitalPublicGood{
		ObjectMeta: metav1.ObjectMeta{Name: "writer", Namespace: demo.OperatorNamespace, Labels: database.Labels},
		Spec: v1alpha1.DigitalPublicGoodSpec{
			DisplayName: "writer", Class: v1alpha1.ClassGood, Identity: database.Spec.Identity,
			Versions: []v1alpha1.GoodVersion{{
				Version: "1.0.0", Chart: &v1alpha1.ChartReference{Name: "writer", Version: "1.0.0"}, Values: &apiextensionsv1.JSON{Raw: image},
			}},
			Requires: []v1alpha1.Requirement{{Name: "database", Contract: "postgresql-v1"}},
			Values:   []v1alpha1.ValueMapping{{Path: "existingSecret", SecretName: "binding:database"}},
		},
	}
	if err := client.IgnoreNotFound(s.Client.Delete(s.t.Context(), good.DeepCopy())); err != nil {
		s.t.Fatal(err)
	}
	if err := s.Client.Create(s.t.Context(), good); err != nil {
		s.t.Fatal(err)
	}
	return good
}

// external changes the one field that says where the database runs.
func (s *stack) external(deployment *v1alpha1.DPIDeployment, elsewhere *v1alpha1.ExternalComponent) {
	s.t.Helper()
	s.declare(deployment, func(spec *v1alpha1.DPIDeploymentSpec) { spec.Components[0].External = elsewhere })
}

// settled waits until the deployment is ready as it is declared now and no former place is remembered.
func (s *stack) settled(deployment *v1alpha1.DPIDeployment) {
	s.t.Helper()
	s.await(installLimit, "it settles", func(ctx context.Context) error {
		if err := s.Client.Get(ctx, client.ObjectKeyFromObject(deployment), deployment); err != nil {
			return err
		}
		var edge v1alpha1.Binding
		if err := s.Client.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: movingEdge}, &edge); err != nil {
			return err
		}
		if !conditions.IsTrue(deployment, v1alpha1.ReadyCondition) || !conditions.IsTrue(&edge, v1alpha1.ReadyCondition) || len(edge.Status.FormerAccess) > 0 {
			return fmt.Errorf("deployment %+v, binding %+v", conditions.Get(deployment, v1alpha1.ReadyCondition), conditions.Get(&edge, v1alpha1.ReadyCondition))
		}
		return nil
	})
}

// log is what a pod says until it ends.
type log struct {
	pod   string
	since time.Time
	ended chan struct{}
	mutex sync.Mutex
	text  strings.Builder
}

// Write adds to the log.
func (l *log) Write(text []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(text)
}

func (l *log) counts() (ok, failed int, text string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	text = l.text.String()
	if found := counts.FindStringSubmatch(text); found != nil {
		ok, _ = strconv.Atoi(found[1])
		failed, _ = strconv.Atoi(found[2])
	}
	return ok, failed, text
}

// follows reads the log of the one pod of the writer until it ends, and returns once it has written so often.
func (s *stack) follows(often int) *log {
	s.t.Helper()
	var running []string
	s.await(shortLimit, "one writer runs", func(context.Context) error {
		running = nil
		for _, pod := range s.pods(key.Namespace) { //nolint:contextcheck // pods are read for as long as the test runs
			if pod.Labels["app"] == movingWriter && pod.DeletionTimestamp.IsZero() && pod.Status.Phase == corev1.PodRunning {
				running = append(running, pod.Name)
			}
		}
		if len(running) != 1 {
			return fmt.Errorf("there are %v", running)
		}
		return nil
	})
	path, err := s.Kubectl()
	if err != nil {
		s.t.Fatal(err)
	}
	followed := &log{pod: running[0], since: time.Now(), ended: make(chan struct{})}
	command := exec.CommandContext(s.t.Context(), path, "--kubeconfig", s.Kubeconfig, "logs", "--follow", "--namespace", key.Namespace, running[0])
	command.Stdout = followed
	if err := command.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_ = command.Wait()
		close(followed.ended)
	}()
	s.await(shortLimit, "it writes", func(context.Context) error {
		if ok, _, _ := followed.counts(); ok < often {
			return fmt.Errorf("%d rows so far", ok)
		}
		return nil
	})
	return followed
}

// wroteWithoutFailure waits until a writer was replaced, and wants that it never failed.
func (s *stack) wroteWithoutFailure(followed *log) {
	s.t.Helper()
	select {
	case <-followed.ended:
	case <-time.After(shortLimit):
		s.t.Fatalf("%s was not replaced", followed.pod)
	}
	ok, failed, text := followed.counts()
	s.t.Logf("%s wrote %d rows, %d failed", followed.pod, ok, failed)
	if failed > 0 {
		s.t.Errorf("%d writes failed: %s", failed, text)
	}
}

// psqlIn asks the server of the health exchange in another database.
func (s *stack) psqlIn(database, command string) string {
	s.t.Helper()
	return strings.TrimSpace(s.kubectl("exec", "--namespace", key.Namespace, demo.DeploymentName+"-postgres-0", "--", "psql", "--tuples-only", "--no-align",
		"--dbname", database, "--command", command))
}
