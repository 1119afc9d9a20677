package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// HelmVersion is the pinned Helm that packages, pushes and installs charts.
const HelmVersion = "v3.22.0"

func (d *Demo) buildImages(ctx context.Context) error {
	list := filepath.Join(d.Root, ".demo", "images.json")
	if err := os.MkdirAll(filepath.Dir(list), 0o750); err != nil {
		return err
	}
	err := d.goCommand(ctx, "-C", filepath.Join(d.Root, "hack", "images"), "run", ".", "build", "--push", d.PushRegistry, "--insecure", "--out", list)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Clean(list))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &d.images); err != nil {
		return fmt.Errorf("%s: %w", list, err)
	}
	d.say("      %d images in %s", len(d.images), d.PushRegistry)
	return nil
}

// helm returns the pinned Helm of hack/tools, built once.
func (d *Demo) helm(ctx context.Context) (string, error) {
	path := filepath.Join(d.Cache, "bin", "helm-"+HelmVersion)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	d.say("      building Helm %s, once (about a minute)", HelmVersion)
	return path, d.goCommand(ctx, "-C", filepath.Join(d.Root, "hack", "tools"), "build", "-o", path, "helm.sh/helm/v3/cmd/helm")
}

func (d *Demo) pushCharts(ctx context.Context) error {
	helm, err := d.helm(ctx)
	if err != nil {
		return err
	}
	charts, err := filepath.Glob(filepath.Join(d.Root, "charts", "goods", "*", "Chart.yaml"))
	if err != nil || len(charts) == 0 {
		return fmt.Errorf("no charts below charts/goods: %w", err)
	}
	packed := filepath.Join(d.Root, ".demo", "charts")
	if err := os.RemoveAll(packed); err != nil {
		return err
	}
	var names []string
	for _, chart := range charts {
		dir := filepath.Dir(chart)
		names = append(names, filepath.Base(dir))
		if _, err := d.output(ctx, helm, "package", dir, "--destination", packed); err != nil {
			return err
		}
	}
	archives, err := filepath.Glob(filepath.Join(packed, "*.tgz"))
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if _, err := d.output(ctx, helm, "push", archive, "oci://"+d.PushRegistry+"/charts", "--plain-http"); err != nil {
			return err
		}
	}
	d.say("      %s in %s/charts", strings.Join(names, ", "), d.PushRegistry)
	return nil
}

func (d *Demo) installOperator(ctx context.Context) error {
	arguments := []string{
		"upgrade", "--install", "dpi-operator", "charts/dpi-operator",
		"--namespace", OperatorNamespace, "--create-namespace", "--wait", "--timeout", "5m",
	}
	if err := d.install(ctx, "operator", arguments); err != nil {
		return err
	}
	d.say("      installed in namespace %s", OperatorNamespace)
	return nil
}

// install runs Helm with the image of that name.
func (d *Demo) install(ctx context.Context, imageName string, arguments []string) error {
	helm, err := d.helm(ctx)
	if err != nil {
		return err
	}
	built, ok := d.images[imageName]
	if !ok {
		return fmt.Errorf("the image builder made no image %q", imageName)
	}
	arguments = append(arguments, "--set", "image.registry="+d.PullRegistry, "--set", "image.repository="+built.Repository, "--set", "image.digest="+built.Digest)
	_, err = d.output(ctx, helm, arguments...)
	return err
}

// installRegistry brings up the coordination registry, enrols this operator as a reporter and tells it where to report.
func (d *Demo) installRegistry(ctx context.Context) error {
	if err := d.ensure(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: RegistryNamespace}}); err != nil {
		return err
	}
	if err := d.enrol(ctx); err != nil {
		return err
	}
	arguments := []string{
		"upgrade", "--install", "dpi-registry", "charts/dpi-registry",
		"--namespace", RegistryNamespace, "--values", "config/samples/registry-values.yaml", "--wait", "--timeout", "5m",
	}
	if err := d.install(ctx, "registry", arguments); err != nil {
		return err
	}
	registry := &v1alpha1.CoordinationRegistry{ObjectMeta: metav1.ObjectMeta{Name: "national", Namespace: OperatorNamespace}}
	_, err := d.createOrUpdate(ctx, registry, func() {
		registry.Spec = v1alpha1.CoordinationRegistrySpec{
			URL: registryURL, AllowPlainHTTP: true, ReporterID: reporterID,
			TokenSecret: v1alpha1.SecretKeyReference{Name: reporterSecret},
		}
	})
	if err != nil {
		return err
	}
	d.say("      reporting to %s as %q", registryURL, reporterID)
	return nil
}

const (
	registryURL    = "http://dpi-registry." + RegistryNamespace + ".svc.cluster.local:8080"
	reporterSecret = "national-registry-token"
	enrolment      = "dpi-registry-reporters"
)

func (d *Demo) ensure(ctx context.Context, object client.Object) error {
	err := d.Client.Create(ctx, object)
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
