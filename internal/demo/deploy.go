package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/manifest"
)

// deployLimit bounds the wait for the stack: two cores start four servers, three of them on a Java machine.
const deployLimit = 15 * time.Minute

func (d *Demo) deploy(ctx context.Context) error {
	deployment, err := d.Apply(ctx, filepath.Join(d.Root, "config", "samples", "health-exchange.yaml"))
	if err != nil {
		return err
	}
	return d.Follow(ctx, client.ObjectKeyFromObject(deployment), deployLimit)
}

// Apply makes the DPIDeployment of the file and its namespace.
func (d *Demo) Apply(ctx context.Context, path string) (*v1alpha1.DPIDeployment, error) {
	data, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	objects, err := manifest.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	wanted, ok := objects[0].(*v1alpha1.DPIDeployment)
	if !ok {
		return nil, fmt.Errorf("%s holds no DPIDeployment", path)
	}
	if err := d.ensure(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: wanted.Namespace}}); err != nil {
		return nil, err
	}
	deployment := &v1alpha1.DPIDeployment{ObjectMeta: metav1.ObjectMeta{Name: wanted.Name, Namespace: wanted.Namespace}}
	_, err = d.createOrUpdate(ctx, deployment, func() { deployment.Spec = wanted.Spec })
	return deployment, err
}

// Follow prints what the deployment waits for until it is Ready. A stalled deployment fails at once, naming the cause.
func (d *Demo) Follow(ctx context.Context, key client.ObjectKey, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	var last string
	var deployment v1alpha1.DPIDeployment
	for {
		err := d.Client.Get(ctx, key, &deployment)
		if err == nil {
			if now := progress(&deployment); now != last {
				d.say("      %6s  %s", d.elapsed(), now)
				last = now
			}
			if conditions.IsTrue(&deployment, v1alpha1.ReadyCondition) {
				return nil
			}
			if stalled := conditions.Get(&deployment, v1alpha1.StalledCondition); stalled != nil && stalled.ObservedGeneration == deployment.Generation {
				return fmt.Errorf("%s is stalled: %s", key, stalled.Message)
			}
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, fmt.Errorf("%s not within %s", sentence(&deployment), limit))
		case <-ticker.C:
		}
	}
}

func progress(deployment *v1alpha1.DPIDeployment) string {
	ready := conditions.Get(deployment, v1alpha1.ReadyCondition)
	if ready == nil {
		return "waiting for the operator"
	}
	var marks []string
	for _, component := range deployment.Status.Components {
		switch component.Ready {
		case metav1.ConditionTrue:
			marks = append(marks, "✔ "+component.Name)
		default:
			marks = append(marks, "… "+component.Name)
		}
	}
	return fmt.Sprintf("%s  %s\n              %s", deployment.Status.Progress, strings.Join(marks, "  "), ready.Message)
}

func (d *Demo) uninstall(ctx context.Context) error {
	deployment := &v1alpha1.DPIDeployment{ObjectMeta: metav1.ObjectMeta{Name: DeploymentName, Namespace: DeploymentNamespace}}
	if err := client.IgnoreNotFound(d.Client.Delete(ctx, deployment)); err != nil {
		return err
	}
	if err := d.awaitGone(ctx, deployment, deployLimit); err != nil {
		return err
	}
	helm, err := d.helm(ctx)
	if err != nil {
		return err
	}
	for release, namespace := range map[string]string{"dpi-operator": OperatorNamespace, "dpi-registry": RegistryNamespace} {
		if _, err := d.output(ctx, helm, "uninstall", release, "--namespace", namespace, "--ignore-not-found", "--wait"); err != nil {
			return err
		}
	}
	for _, name := range []string{DeploymentNamespace, RegistryNamespace, OperatorNamespace} {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := client.IgnoreNotFound(d.Client.Delete(ctx, namespace)); err != nil {
			return err
		}
	}
	return nil
}

func (d *Demo) awaitGone(ctx context.Context, object client.Object, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		err := d.Client.Get(ctx, client.ObjectKeyFromObject(object), object)
		if client.IgnoreNotFound(err) == nil && err != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is still there after %s", object.GetName(), limit)
		case <-ticker.C:
		}
	}
}
