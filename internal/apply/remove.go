package apply

import (
	"cmp"
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/render"
)

// Removal is what became of an object that was to be removed.
type Removal string

const (
	// Gone means: the object, or its kind, does not exist any more.
	Gone Removal = "Gone"
	// Terminating means: it is being deleted and waits for its finalizers.
	Terminating Removal = "Terminating"
	// Kept means: it asks to outlive its release.
	Kept Removal = "Kept"
	// NotOurs means: it belongs to somebody else by now and was left alone.
	NotOurs Removal = "NotOurs"
)

// Remove deletes an object of ours and says what became of it. Kinds and objects that do not exist are gone.
func (a *Applier) Remove(ctx context.Context, id render.ID, owner Ownership, propagation metav1.DeletionPropagation) (Removal, error) {
	existing, err := a.Observe(ctx, id)
	if err != nil {
		return "", err
	}
	if settled := settledFate(existing, owner); settled != "" {
		return settled, nil
	}
	return a.delete(ctx, existing, propagation)
}

// Fate tells what Remove would make of an object: Terminating also where it would delete it. It writes nothing.
func (a *Applier) Fate(ctx context.Context, id render.ID, owner Ownership) (Removal, error) {
	existing, err := a.Observe(ctx, id)
	if err != nil {
		return "", err
	}
	return cmp.Or(settledFate(existing, owner), Terminating), nil
}

// settledFate is what becomes of an object without a request, or nothing if it is to be deleted.
func settledFate(existing *metav1.PartialObjectMetadata, owner Ownership) Removal {
	switch {
	case existing == nil:
		return Gone
	case owner.foreignOwner(existing) != "":
		return NotOurs
	case IsKept(existing):
		return Kept
	case existing.GetDeletionTimestamp() != nil:
		return Terminating
	}
	return ""
}

// RemoveDependent deletes an object that a controller made for one of ours, and that carries no owner therefore.
func (a *Applier) RemoveDependent(ctx context.Context, id render.ID) (Removal, error) {
	existing, err := a.Observe(ctx, id)
	switch {
	case err != nil:
		return "", err
	case existing == nil:
		return Gone, nil
	case existing.GetDeletionTimestamp() != nil:
		return Terminating, nil
	}
	return a.delete(ctx, existing, metav1.DeletePropagationBackground)
}

// RemoveHook deletes the object of a hook and says what became of it. Helm's own hooks carry no owner, only that they are
// hooks, so that is enough; an object without any such mark is NotOurs.
func (a *Applier) RemoveHook(ctx context.Context, id render.ID, owner Ownership) (Removal, error) {
	existing, err := a.Observe(ctx, id)
	switch {
	case err != nil:
		return "", err
	case existing == nil:
		return Gone, nil
	case owner.foreignOwner(existing) != "" && existing.GetAnnotations()[HookAnnotation] == "":
		return NotOurs, nil
	case existing.GetDeletionTimestamp() != nil:
		return Terminating, nil
	}
	return a.delete(ctx, existing, metav1.DeletePropagationBackground)
}

func (a *Applier) delete(ctx context.Context, existing *metav1.PartialObjectMetadata, propagation metav1.DeletionPropagation) (Removal, error) {
	if err := a.fence(ctx); err != nil {
		return "", err
	}
	gvk := existing.GroupVersionKind()
	id := render.ID{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind, Namespace: existing.Namespace, Name: existing.Name}
	// The client deletes kinds outside of its scheme only as unstructured objects.
	target := &unstructured.Unstructured{}
	target.SetGroupVersionKind(gvk)
	target.SetNamespace(existing.Namespace)
	target.SetName(existing.Name)
	err := a.client.Delete(ctx, target, client.PropagationPolicy(propagation), client.Preconditions{UID: &existing.UID})
	switch {
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		return Gone, nil
	case apierrors.IsConflict(err):
		// Somebody deleted it and made another one: look again.
		return Terminating, nil
	case err != nil:
		return "", fmt.Errorf("delete %s: %w", id, err)
	}
	left, err := a.Observe(ctx, id)
	if err != nil {
		return "", err
	}
	if left == nil || left.UID != existing.UID {
		return Gone, nil
	}
	return Terminating, nil
}
