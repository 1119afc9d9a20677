package plan

import (
	"sort"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// Catalog is what can be chosen from, by name.
type Catalog struct {
	Goods     map[string]*v1alpha1.DigitalPublicGood
	Contracts map[string]*v1alpha1.InterfaceContract
	Templates map[string]*v1alpha1.StackTemplate
	// Sources are the Catalogs the entries came from; they say where charts and images are.
	Sources map[string]*v1alpha1.Catalog
}

// NewCatalog indexes entries by name.
func NewCatalog(
	goods []v1alpha1.DigitalPublicGood, contracts []v1alpha1.InterfaceContract,
	templates []v1alpha1.StackTemplate, sources []v1alpha1.Catalog,
) Catalog {
	catalog := Catalog{
		Goods:     make(map[string]*v1alpha1.DigitalPublicGood, len(goods)),
		Contracts: make(map[string]*v1alpha1.InterfaceContract, len(contracts)),
		Templates: make(map[string]*v1alpha1.StackTemplate, len(templates)),
		Sources:   make(map[string]*v1alpha1.Catalog, len(sources)),
	}
	for i := range goods {
		catalog.Goods[goods[i].Name] = &goods[i]
	}
	for i := range contracts {
		catalog.Contracts[contracts[i].Name] = &contracts[i]
	}
	for i := range templates {
		catalog.Templates[templates[i].Name] = &templates[i]
	}
	for i := range sources {
		catalog.Sources[sources[i].Name] = &sources[i]
	}
	return catalog
}

// IsEmpty reports whether nothing can be chosen at all.
func (c Catalog) IsEmpty() bool { return len(c.Goods) == 0 && len(c.Templates) == 0 }

// chartsOf returns where the charts of an entry are that names no repository.
func (c Catalog) chartsOf(good *v1alpha1.DigitalPublicGood) *v1alpha1.CatalogCharts {
	if source := c.Sources[good.Labels[v1alpha1.CatalogLabel]]; source != nil {
		return source.Spec.Charts
	}
	return nil
}

func (c Catalog) imagesOf(good *v1alpha1.DigitalPublicGood) string {
	if source := c.Sources[good.Labels[v1alpha1.CatalogLabel]]; source != nil && source.Spec.Images != nil {
		return source.Spec.Images.Registry
	}
	return ""
}

// names lists the keys for a message, sorted; at most ten, so that a message stays a line.
func names[V any](m map[string]V) string {
	const most = 10
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	if len(keys) == 0 {
		return "none"
	}
	if len(keys) > most {
		return strings.Join(keys[:most], ", ") + ", …"
	}
	return strings.Join(keys, ", ")
}

// CatalogOf picks the entries out of decoded objects; others are passed over.
func CatalogOf(objects []runtime.Object) Catalog {
	catalog := NewCatalog(nil, nil, nil, nil)
	for _, object := range objects {
		switch entry := object.(type) {
		case *v1alpha1.DigitalPublicGood:
			catalog.Goods[entry.Name] = entry
		case *v1alpha1.InterfaceContract:
			catalog.Contracts[entry.Name] = entry
		case *v1alpha1.StackTemplate:
			catalog.Templates[entry.Name] = entry
		case *v1alpha1.Catalog:
			catalog.Sources[entry.Name] = entry
		}
	}
	return catalog
}

// OfflineCatalog is CatalogOf for files on a disk, which no Catalog has synced yet: where entries name no chart repository,
// a placeholder stands for that of the Catalog that will.
func OfflineCatalog(objects []runtime.Object) Catalog {
	const offline = "offline"
	catalog := CatalogOf(objects)
	catalog.Sources[offline] = &v1alpha1.Catalog{Spec: v1alpha1.CatalogSpec{
		Charts: &v1alpha1.CatalogCharts{Repository: "oci://catalog"},
	}}
	for _, good := range catalog.Goods {
		if good.Labels[v1alpha1.CatalogLabel] == "" {
			metav1.SetMetaDataLabel(&good.ObjectMeta, v1alpha1.CatalogLabel, offline)
		}
	}
	return catalog
}
