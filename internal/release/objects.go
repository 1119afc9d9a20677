package release

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/helm"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

const (
	// terminatingRetry is when to look again at an object that is being deleted, if no watch tells earlier.
	terminatingRetry = 2 * time.Second
	// kindDeadline is how long a kind may be missing that was there, or was promised, when the attempt began.
	kindDeadline = time.Minute
)

// applyObjects applies everything in install order and removes what is left over from earlier attempts and revisions.
// It is repeated whole after a crash: applying twice changes nothing.
func (w *work) applyObjects(ctx context.Context) (*Outcome, error) {
	if err := w.cleanHooks(ctx, operations[w.progress.Operation].before); err != nil {
		return nil, err
	}
	owned := make([]string, 0, len(w.latest.Objects))
	for _, object := range w.latest.Objects {
		live, err := w.applyObject(ctx, object.Object)
		if err != nil {
			return w.failOn(ctx, err)
		}
		owned = append(owned, apply.OwnedDigest(live))
		if bringsAPI(w.id(object.Object)) {
			w.engine.options.Cluster.Refresh()
		}
	}
	w.progress.Owned = owned
	for _, id := range w.progress.Leftovers {
		if err := w.prune(ctx, id); err != nil {
			return nil, err
		}
	}
	w.applied = true
	return nil, nil
}

func (w *work) applyObject(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	id := w.id(object)
	if object.GetNamespace() != id.Namespace {
		object.SetNamespace(id.Namespace)
	}
	if w.progress.AdoptFields {
		if err := w.applier.AdoptFields(ctx, id); err != nil {
			return nil, err
		}
	}
	live, err := w.applier.Apply(ctx, object, w.owner)
	if !errors.Is(err, apply.ErrImmutable) || w.request.Policy.Recreate != RecreateJobs || id.Kind != "Job" {
		return live, err
	}
	removal, err := w.applier.Remove(ctx, id, w.owner, metav1.DeletePropagationBackground)
	if err != nil {
		return nil, err
	}
	if removal != apply.Gone {
		return nil, &apply.ObjectError{ID: id, Kind: apply.ErrTerminating, Detail: "is being replaced"}
	}
	w.event(EventNormal, "Recreated", fmt.Sprintf("Replaced %s: a field that cannot change would change", id))
	return w.applier.Apply(ctx, object, w.owner)
}

// bringsAPI tells whether the cluster serves more kinds with an object than without.
func bringsAPI(id render.ID) bool {
	return id.Kind == "CustomResourceDefinition" || id.Kind == "APIService"
}

// prune removes an object that the release does not have any more. Volumes stay: dropping one from a chart is no
// order to destroy data.
func (w *work) prune(ctx context.Context, id render.ID) error {
	if isClaim(id) {
		w.event(EventWarning, "Kept", fmt.Sprintf("Kept %s, which the chart no longer has; delete it if its data is not needed", id))
		return nil
	}
	removal, err := w.applier.Remove(ctx, id, w.owner, metav1.DeletePropagationBackground)
	if err != nil {
		return err
	}
	switch removal {
	case apply.Kept:
		w.event(EventNormal, "Kept", fmt.Sprintf("Kept %s, as its resource policy asks", id))
	case apply.NotOurs:
		w.event(EventWarning, "NotPruned", fmt.Sprintf("Left %s alone: it belongs to somebody else by now", id))
	case apply.Gone, apply.Terminating:
	}
	return nil
}

func isClaim(id render.ID) bool {
	return id.Kind == "PersistentVolumeClaim" && id.Group == ""
}

func isDefinition(id render.ID) bool {
	return id.Kind == "CustomResourceDefinition" && id.Group == "apiextensions.k8s.io"
}

// sentence starts a text with a capital letter, for conditions and events.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// leaveJobs takes the label off the pods of Jobs that run or ran without it, which a helm command made: the template of a
// Job cannot change, so that an adoption would fail for nothing but the label.
func (w *work) leaveJobs(ctx context.Context, rendered *helm.Rendered) error {
	for _, object := range rendered.Objects {
		id := w.id(object.Object)
		if id.Kind != "Job" || id.Group != "batch" {
			continue
		}
		live, err := w.applier.Read(ctx, id)
		if err != nil {
			return err
		}
		if live == nil {
			continue
		}
		labels, _, _ := unstructured.NestedStringMap(live.Object, "spec", "template", "metadata", "labels")
		if _, labelled := labels[componentLabel]; !labelled {
			unstructured.RemoveNestedField(object.Object.Object, "spec", "template", "metadata", "labels", componentLabel)
		}
	}
	return nil
}
