package charts_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/manifest"
	"github.com/dpi-operator/dpi-operator/internal/plan"
)

// entries decodes every file of the catalogue; unknown fields are errors.
func entries(t *testing.T) []runtime.Object {
	t.Helper()
	var objects []runtime.Object
	err := filepath.WalkDir(filepath.Join(root, "config", "catalog"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "kustomization.yaml" {
			return err
		}
		objects = append(objects, decode(t, path)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func decode(t *testing.T, path string) []runtime.Object {
	t.Helper()
	data, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := manifest.Decode(data)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return objects
}

// catalog is the catalogue as a Catalog object would bring it, with places for charts and images.
func catalog(t *testing.T) plan.Catalog {
	t.Helper()
	loaded := plan.CatalogOf(entries(t))
	loaded.Sources["test"] = &v1alpha1.Catalog{Spec: v1alpha1.CatalogSpec{
		Charts: &v1alpha1.CatalogCharts{Repository: "oci://charts.example.org"},
		Images: &v1alpha1.CatalogImages{Registry: "images.example.org"},
	}}
	for _, good := range loaded.Goods {
		good.Labels = map[string]string{v1alpha1.CatalogLabel: "test"}
	}
	return loaded
}

func TestCatalog_kustomizationHasEveryEntry(t *testing.T) {
	if built, files := len(build(t, "config/catalog")), len(entries(t)); built != files {
		t.Errorf("the kustomization builds %d entries, the folders hold %d", built, files)
	}
}

func TestCatalog_everyRequirementHasAContractAndAProvider(t *testing.T) {
	loaded := catalog(t)
	provided := map[string]bool{}
	for name, good := range loaded.Goods {
		for _, provision := range good.Spec.Provides {
			provided[provision.Contract] = true
			if loaded.Contracts[provision.Contract] == nil {
				t.Errorf("%s provides %s, which is no contract of the catalogue", name, provision.Contract)
			}
		}
	}
	for name, good := range loaded.Goods {
		for _, requirement := range good.Spec.Requires {
			if loaded.Contracts[requirement.Contract] == nil || !provided[requirement.Contract] {
				t.Errorf("%s requires %s, which nothing in the catalogue provides", name, requirement.Contract)
			}
		}
	}
}

// The samples are the first thing people apply: what they install must be what the charts accept.
func TestCatalog_samplesPlanAndTheirChartsRender(t *testing.T) {
	loaded := catalog(t)
	neighbours := map[v1alpha1.ProviderReference]plan.Neighbour{}
	for _, object := range samples(t) {
		deployment, ok := object.(*v1alpha1.DPIDeployment)
		if !ok {
			continue
		}
		computed, err := plan.Compute(plan.Input{Deployment: deployment, Catalog: loaded, ClusterDomain: "cluster.local", Neighbours: neighbours})
		if err != nil {
			t.Fatalf("%s: %v", deployment.Name, err)
		}
		for _, component := range computed.Components {
			// A sample may use what an earlier one of its file exports.
			reference := v1alpha1.ProviderReference{Namespace: deployment.Namespace, Deployment: deployment.Name, Component: component.Name}
			neighbours[reference] = plan.Neighbour{Deployment: deployment, Component: &v1alpha1.Component{
				ObjectMeta: metav1.ObjectMeta{Name: component.Object, Namespace: deployment.Namespace}, Spec: component.Spec,
			}}
			t.Run(deployment.Name+"/"+component.Name, func(t *testing.T) { checkComponent(t, deployment.Namespace, component) })
		}
	}
}

func samples(t *testing.T) []runtime.Object {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "config", "samples", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var objects []runtime.Object
	for _, file := range files {
		if strings.HasSuffix(file, "-values.yaml") {
			continue // for Helm, not for the API
		}
		objects = append(objects, decode(t, file)...)
	}
	return objects
}

func checkComponent(t *testing.T, namespace string, component v1alpha1.RevisionComponent) {
	t.Helper()
	reference := component.Spec.Chart
	if reference == nil {
		return
	}
	if info := chart(t, "goods/"+reference.Name).Info(); info.Version != reference.Version || info.AppVersion != component.Spec.Good.Version {
		t.Errorf("the catalogue names chart %s for %s, the folder holds %s for %s",
			reference.Version, component.Spec.Good.Version, info.Version, info.AppVersion)
	}
	in := request(map[string]any{})
	in.Release, in.Namespace = component.Spec.ReleaseName, namespace
	if err := json.Unmarshal(component.Spec.Values.Raw, &in.Values); err != nil {
		t.Fatal(err)
	}
	objects := mustRender(t, "goods/"+reference.Name, in)
	for _, endpoint := range component.Spec.Endpoints {
		service := strings.TrimSuffix(endpoint.Host, "."+namespace+".svc.cluster.local")
		if find(objects, "Service", service) == nil {
			t.Errorf("endpoint %s is at %s, but the chart has no such Service", endpoint.Name, endpoint.Host)
		}
	}
}

// Sizing is laid over the chart's values without anyone looking: each tier must be what the chart accepts.
func TestCatalog_everyTierRenders(t *testing.T) {
	for name, good := range catalog(t).Goods {
		for _, sizing := range good.Spec.Sizing {
			t.Run(name+"/"+sizing.Tier, func(t *testing.T) {
				values := map[string]any{}
				maps.Copy(values, goods[name])
				if err := yaml.Unmarshal(sizing.Values.Raw, &values); err != nil {
					t.Fatal(err)
				}
				mustRender(t, "goods/"+name, request(values))
			})
		}
	}
}
