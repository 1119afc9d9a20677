package release

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

// sweep removes the cluster-scoped objects of a release that has no records, and waits until they are gone: a namespace
// that is deleted takes the records in any order, and leaves what lies outside of it to nobody.
func (w *work) sweep(ctx context.Context) (*Outcome, error) {
	if len(w.metas) > 0 {
		return w.gone(), nil
	}
	kinds, err := w.engine.options.Cluster.ClusterScopedKinds(ctx)
	if err != nil {
		return nil, err
	}
	var waiting []render.ID
	for _, gvk := range kinds {
		if gvk.Kind == "CustomResourceDefinition" {
			// Definitions outlive releases: with them would go the objects of others.
			continue
		}
		left, err := w.sweepKind(ctx, gvk)
		if err != nil {
			return nil, err
		}
		waiting = append(waiting, left...)
	}
	if len(waiting) > 0 {
		render.SortIDs(waiting)
		return w.waitFor(ReasonUninstalling, "Waiting for "+list(waiting)+" to disappear", terminatingRetry, waiting...), nil
	}
	return w.gone(), nil
}

// sweepKind removes the objects of one kind and returns those that are still disappearing.
func (w *work) sweepKind(ctx context.Context, gvk schema.GroupVersionKind) ([]render.ID, error) {
	found := &metav1.PartialObjectMetadataList{}
	found.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
	err := w.client.List(ctx, found, client.MatchingLabels{componentLabel: w.who.Component, componentNamespaceLabel: w.owner.Namespace})
	if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) || meta.IsNoMatchError(err) {
		// What must not be listed was not made by us either.
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for what release %s left among %s: %w", w.owner.Release, gvk.Kind, err)
	}
	var waiting []render.ID
	for _, item := range found.Items {
		id := render.ID{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind, Name: item.Name}
		removal, err := w.removeObject(ctx, id)
		if err != nil {
			return nil, err
		}
		if removal == apply.Terminating {
			waiting = append(waiting, id)
		}
	}
	return waiting, nil
}
