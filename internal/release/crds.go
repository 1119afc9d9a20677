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
	"github.com/dpi-operator/dpi-operator/internal/render"
)

// crdRetry is how soon to look whether a definition is served: the API server needs a moment, and no watch tells.
const crdRetry = 250 * time.Millisecond

// crd is a definition of the chart.
type crd struct {
	object *unstructured.Unstructured
}

func (w *work) setCRDs(objects []*unstructured.Unstructured) {
	w.crds = nil
	if w.request.Policy.CRDs == CRDSkip {
		return
	}
	for _, object := range objects {
		object = object.DeepCopy()
		labels := object.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels[componentLabel], labels[componentNamespaceLabel] = w.who.Component, w.owner.Namespace
		object.SetLabels(labels)
		w.crds = append(w.crds, crd{object: object})
	}
}

// errUnsafeCRD means that existing objects would be harmed.
var errUnsafeCRD = errors.New("existing objects would be harmed")

// checkCRDs looks for harm before anything is written.
func (w *work) checkCRDs(ctx context.Context) error {
	if w.request.Policy.CRDs == CRDForce || w.request.Policy.CRDs == CRDCreate {
		return nil
	}
	for _, crd := range w.crds {
		id := render.IDOf(crd.object)
		live, err := w.applier.Read(ctx, id)
		if err != nil {
			return err
		}
		if live == nil || w.isOthers(live) {
			continue
		}
		if problems := CRDProblems(live, crd.object); len(problems) > 0 {
			return fmt.Errorf("%s: %w: %s; change the objects first, or force it", id, errUnsafeCRD, strings.Join(problems, ", "))
		}
	}
	return nil
}

// isOthers tells whether another component brought a definition.
func (w *work) isOthers(existing metav1.Object) bool {
	labels := existing.GetLabels()
	other := labels[componentLabel]
	return other != "" && (other != w.who.Component || labels[componentNamespaceLabel] != w.owner.Namespace)
}

// applyCRDs makes the definitions and waits until they are served.
func (w *work) applyCRDs(ctx context.Context) (*Outcome, error) {
	if len(w.crds) == 0 {
		// A continued revision: definitions are no templates, so the chart gives the same ones again.
		chart, err := w.loadChart(ctx)
		if err != nil {
			return nil, err
		}
		objects, err := chart.CRDs(w.request.Values)
		if err != nil {
			return w.refused(err)
		}
		w.setCRDs(objects)
	}
	for _, crd := range w.crds {
		if err := w.applyCRD(ctx, crd); err != nil {
			return w.failOn(ctx, err)
		}
	}
	w.engine.options.Cluster.Refresh()
	for _, crd := range w.crds {
		live, err := w.applier.Read(ctx, render.IDOf(crd.object))
		if err != nil {
			return nil, err
		}
		if live == nil || !isEstablished(live) {
			return w.waitFor(ReasonCRDNotEstablished, fmt.Sprintf("Waiting for %s to be served", crd.object.GetName()),
				crdRetry, render.IDOf(crd.object)), nil
		}
	}
	w.crdsApplied = true
	return nil, nil
}

// applyCRD leaves a definition alone that another component brought: two charts must not take turns changing it.
func (w *work) applyCRD(ctx context.Context, crd crd) error {
	id := render.IDOf(crd.object)
	existing, err := w.applier.Observe(ctx, id)
	if err != nil {
		return err
	}
	if existing != nil {
		if w.isOthers(existing) {
			w.event(EventWarning, "SharedCRD", fmt.Sprintf("%s was left as it is: component %s brought it", id, existing.GetLabels()[componentLabel]))
			return nil
		}
		if w.request.Policy.CRDs == CRDCreate {
			return nil
		}
	}
	_, err = w.applier.ApplyUnowned(ctx, crd.object)
	return err
}

func isEstablished(live *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	for _, item := range conditions {
		condition, _ := item.(map[string]any)
		if condition["type"] == "Established" && condition["status"] == "True" {
			return true
		}
	}
	return false
}

// failOn fails the attempt on a finding that does not pass, and hands everything else on.
func (w *work) failOn(ctx context.Context, err error) (*Outcome, error) {
	var object *apply.ObjectError
	if w.removal != nil {
		return w.failRemoval(ctx, err)
	}
	switch {
	case errors.Is(err, apply.ErrTerminating) && errors.As(err, &object):
		return w.waitFor(ReasonTerminating, "Waiting for "+err.Error(), terminatingRetry, object.ID), nil
	case errors.Is(err, apply.ErrImmutable):
		return nil, w.fail(ctx, ReasonImmutableField, err.Error())
	case errors.Is(err, apply.ErrForeign):
		return nil, w.fail(ctx, ReasonForeignObject, err.Error())
	case errors.Is(err, apply.ErrRefused):
		return nil, w.fail(ctx, ReasonApplyFailed, err.Error())
	case errors.Is(err, apply.ErrKindMissing) && w.now().Sub(w.progress.StartedAt) > kindDeadline:
		return nil, w.fail(ctx, ReasonKindMissing, err.Error())
	case errors.Is(err, apply.ErrKindMissing):
		return w.waitFor(ReasonKindMissing, "Waiting for a kind: "+err.Error(), crdRetry), nil
	}
	return nil, err
}
