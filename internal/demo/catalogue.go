package demo

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

// BuildCatalogue renders the kustomization of a catalogue folder to one YAML stream.
func BuildCatalogue(dir string) ([]byte, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", dir, err)
	}
	return built.AsYaml()
}

func (d *Demo) loadCatalogue(ctx context.Context) error {
	entries, err := BuildCatalogue(filepath.Join(d.Root, "config", "catalog"))
	if err != nil {
		return err
	}
	source := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "public-goods", Namespace: OperatorNamespace}}
	if _, err := d.createOrUpdate(ctx, source, func() { source.Data = map[string]string{"catalog.yaml": string(entries)} }); err != nil {
		return err
	}
	catalog := &v1alpha1.Catalog{ObjectMeta: metav1.ObjectMeta{Name: "public-goods", Namespace: OperatorNamespace}}
	_, err = d.createOrUpdate(ctx, catalog, func() {
		catalog.Spec = v1alpha1.CatalogSpec{
			Source: v1alpha1.CatalogSource{ConfigMap: &v1alpha1.CatalogConfigMap{Name: source.Name}},
			Charts: &v1alpha1.CatalogCharts{Repository: "oci://" + d.PullRegistry + "/charts", PlainHTTP: true},
			Images: &v1alpha1.CatalogImages{Registry: d.PullRegistry},
		}
	})
	if err != nil {
		return err
	}
	if err := d.awaitReady(ctx, catalog, time.Minute); err != nil {
		return err
	}
	d.say("      %s", sentence(catalog))
	return nil
}

func (d *Demo) createOrUpdate(ctx context.Context, object client.Object, mutate func()) (controllerutil.OperationResult, error) {
	return controllerutil.CreateOrUpdate(ctx, d.Client, object, func() error {
		mutate()
		return nil
	})
}

// awaitReady waits until the object is Ready. One that is stalled fails at once, with what its condition says.
func (d *Demo) awaitReady(ctx context.Context, object conditions.Patchable, limit time.Duration) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		if err := d.Client.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		if conditions.IsTrue(object, v1alpha1.ReadyCondition) {
			return nil
		}
		stalled := conditions.Get(object, v1alpha1.StalledCondition)
		if stalled != nil && stalled.ObservedGeneration == object.GetGeneration() {
			return errors.New(sentence(object))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return fmt.Errorf("%s, after %s", sentence(object), limit)
		case <-ticker.C:
		}
	}
}

func sentence(object conditions.Object) string {
	if ready := conditions.Get(object, v1alpha1.ReadyCondition); ready != nil {
		return fmt.Sprintf("%s is not ready: %s", object.GetName(), ready.Message)
	}
	return object.GetName() + " was not looked at by the operator; see its log"
}
