package apply

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/dpi-operator/dpi-operator/internal/render"
)

// AdoptFields hands the fields that a Helm client wrote to our field manager. Without it, a field dropped from the chart
// later would stay for ever, owned by a client that never applies again. An object without such fields costs one read.
func (a *Applier) AdoptFields(ctx context.Context, id render.ID) error {
	existing, err := a.Observe(ctx, id)
	if err != nil || existing == nil {
		return err
	}
	managers := helmClients(existing.GetManagedFields())
	if managers.Len() == 0 {
		return nil
	}
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(existing, managers, FieldOwner)
	if err != nil {
		return fmt.Errorf("take over the fields of %s: %w", id, err)
	}
	if len(patch) == 0 {
		return nil
	}
	if err := a.fence(ctx); err != nil {
		return err
	}
	if err := a.client.Patch(ctx, existing, client.RawPatch(types.JSONPatchType, patch)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("take over the fields of %s: %w", id, err)
	}
	return nil
}

// helmClients finds whoever wrote Helm's annotation by an update: the name differs by program and SDK user.
func helmClients(entries []metav1.ManagedFieldsEntry) sets.Set[string] {
	wrote := fieldpath.NewSet(fieldpath.MakePathOrDie("metadata", "annotations", releaseNameAnnotation))
	managers := sets.New[string]()
	for _, entry := range csaupgrade.FindFieldsOwners(entries, metav1.ManagedFieldsOperationUpdate, wrote) {
		if entry.Subresource == "" {
			managers.Insert(entry.Manager)
		}
	}
	for _, entry := range entries {
		if entry.Manager == "helm" && entry.Operation == metav1.ManagedFieldsOperationUpdate && entry.Subresource == "" {
			managers.Insert(entry.Manager)
		}
	}
	return managers
}
