package deployment

import (
	"context"
	"fmt"
	"sort"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/neighbours"
	"github.com/dpi-operator/dpi-operator/internal/plan"
)

// observation is everything a pass reads.
type observation struct {
	catalog plan.Catalog
	// revisions of the deployment, oldest first.
	revisions []v1alpha1.StackRevision
	// components and bindings of the deployment by name, those of earlier revisions included.
	components map[string]*v1alpha1.Component
	bindings   map[string]*v1alpha1.Binding
	// neighbours are the components of other deployments that this one names.
	neighbours map[v1alpha1.ProviderReference]plan.Neighbour
	// waits are what they wait for.
	waits plan.Waits
}

func (p *pass) observe(ctx context.Context) error {
	if err := p.observeOwned(ctx); err != nil {
		return err
	}
	var goods v1alpha1.DigitalPublicGoodList
	var contracts v1alpha1.InterfaceContractList
	var templates v1alpha1.StackTemplateList
	var sources v1alpha1.CatalogList
	for _, list := range []client.ObjectList{&goods, &contracts, &templates, &sources} {
		if err := p.Client.List(ctx, list, client.InNamespace(p.CatalogNamespace)); err != nil {
			return fmt.Errorf("read the catalogue: %w", err)
		}
	}
	p.seen.catalog = plan.NewCatalog(goods.Items, contracts.Items, templates.Items, sources.Items)
	reader := neighbours.Reader{Client: p.Client, Namespaces: p.Namespaces}
	var err error
	if p.seen.neighbours, err = reader.Read(ctx, p.object); err != nil {
		return err
	}
	p.seen.waits, err = reader.Waits(ctx, p.object)
	return err
}

func (p *pass) observeOwned(ctx context.Context) error {
	var revisions v1alpha1.StackRevisionList
	var components v1alpha1.ComponentList
	var bindings v1alpha1.BindingList
	mine := client.MatchingLabels{v1alpha1.DeploymentLabel: p.object.Name}
	for _, list := range []client.ObjectList{&revisions, &components, &bindings} {
		if err := p.Client.List(ctx, list, client.InNamespace(p.object.Namespace), mine); err != nil {
			return fmt.Errorf("read what the deployment is made of: %w", err)
		}
	}
	p.seen = observation{components: map[string]*v1alpha1.Component{}, bindings: map[string]*v1alpha1.Binding{}}
	for i := range revisions.Items {
		if metav1.IsControlledBy(&revisions.Items[i], p.object) {
			p.seen.revisions = append(p.seen.revisions, revisions.Items[i])
		}
	}
	sort.Slice(p.seen.revisions, func(i, j int) bool {
		return p.seen.revisions[i].Spec.Number < p.seen.revisions[j].Spec.Number
	})
	for i := range components.Items {
		if metav1.IsControlledBy(&components.Items[i], p.object) {
			p.seen.components[components.Items[i].Name] = &components.Items[i]
		}
	}
	for i := range bindings.Items {
		if metav1.IsControlledBy(&bindings.Items[i], p.object) {
			p.seen.bindings[bindings.Items[i].Name] = &bindings.Items[i]
		}
	}
	return nil
}
