package cli

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/manifest"
	"github.com/dpi-operator/dpi-operator/internal/plan"
)

func (o *planOptions) readDeployment() (*v1alpha1.DPIDeployment, error) {
	data, err := o.readFile()
	if err != nil {
		return nil, err
	}
	objects, err := manifest.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.file, flattened{err})
	}
	var found *v1alpha1.DPIDeployment
	for _, object := range objects {
		deployment, ok := object.(*v1alpha1.DPIDeployment)
		if !ok {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%s: holds more than one DPIDeployment; plan them one by one", o.file)
		}
		found = deployment
	}
	if found == nil {
		return nil, fmt.Errorf("%s: holds no DPIDeployment", o.file)
	}
	if err := checkDeployment(found); err != nil {
		return nil, fmt.Errorf("%s: %w", o.file, err)
	}
	return found, nil
}

func (o *planOptions) readFile() ([]byte, error) {
	if o.file == "-" {
		return io.ReadAll(o.streams.In)
	}
	data, err := os.ReadFile(o.file)
	if err != nil {
		return nil, fmt.Errorf("read the DPIDeployment: %w", err)
	}
	return data, nil
}

// readCatalog reads every YAML file below the directories; kustomizations are passed over.
func readCatalog(dirs []string) (plan.Catalog, error) {
	var objects []runtime.Object
	for _, dir := range dirs {
		found, err := readEntries(dir)
		if err != nil {
			return plan.Catalog{}, fmt.Errorf("read the catalogue: %w", err)
		}
		objects = append(objects, found...)
	}
	catalog := plan.OfflineCatalog(objects)
	if catalog.IsEmpty() {
		return plan.Catalog{}, fmt.Errorf("%s holds no catalogue entries; name the directory of a catalogue, such as config/catalog", strings.Join(dirs, ", "))
	}
	return catalog, nil
}

func readEntries(dir string) ([]runtime.Object, error) {
	var objects []runtime.Object
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".yaml") || entry.Name() == "kustomization.yaml" {
			return err
		}
		data, err := os.ReadFile(filepath.Clean(path)) //nolint:gosec // the person's own catalogue on their own machine
		if err != nil {
			return err
		}
		found, err := manifest.Decode(data)
		if err != nil {
			return fmt.Errorf("%s: %w", path, flattened{err})
		}
		objects = append(objects, found...)
		return nil
	})
	return objects, err
}
