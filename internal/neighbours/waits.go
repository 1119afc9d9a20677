package neighbours

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/plan"
)

// Waits returns what the components that a deployment names wait for, and what those wait for, link by link. It ends at the components
// of the deployment itself, which the planner knows better. What may not be read is left out.
func (r Reader) Waits(ctx context.Context, deployment *v1alpha1.DPIDeployment) (plan.Waits, error) {
	w := walk{Reader: r, home: deployment, waits: plan.Waits{}}
	for _, reference := range plan.References(deployment) {
		if err := w.from(ctx, reference); err != nil {
			return nil, err
		}
	}
	return w.waits, nil
}

// walk goes from one deployment through those it uses.
type walk struct {
	Reader
	home  *v1alpha1.DPIDeployment
	waits plan.Waits
}

// from looks at a component that a deployment names.
func (w *walk) from(ctx context.Context, reference v1alpha1.ProviderReference) error {
	key := plan.KeyOf(reference)
	if _, seen := w.waits[key]; seen || reference.Namespace == w.home.Namespace && reference.Deployment == w.home.Name {
		return nil
	}
	found, err := w.read(ctx, reference)
	switch {
	case apierrors.IsForbidden(err):
		return nil
	case err != nil:
		return err
	case found.Component != nil:
		return w.inForce(ctx, found.Component)
	case found.Deployment != nil:
		return w.missing(ctx, key, found.Deployment)
	}
	return nil
}

// missing looks at a component that is not in force: its deployment waits for all that it names and that is not in force either.
func (w *walk) missing(ctx context.Context, key types.NamespacedName, owner *v1alpha1.DPIDeployment) error {
	w.waits[key] = nil
	for _, reference := range plan.References(owner) {
		found, err := w.read(ctx, reference)
		if err != nil && !apierrors.IsForbidden(err) {
			return err
		}
		if err != nil || found.Component != nil {
			continue
		}
		w.waits[key] = append(w.waits[key], plan.KeyOf(reference))
		if err := w.from(ctx, reference); err != nil {
			return err
		}
	}
	return nil
}

// inForce looks at a component by its object and those of its edges.
func (w *walk) inForce(ctx context.Context, component *v1alpha1.Component) error {
	key := client.ObjectKeyFromObject(component)
	edges := map[string]v1alpha1.BindingSpec{}
	for _, each := range component.Spec.Bindings {
		var binding v1alpha1.Binding
		if found, err := w.find(ctx, types.NamespacedName{Namespace: key.Namespace, Name: each.Name}, &binding); err != nil {
			return err
		} else if found {
			edges[each.Name] = binding.Spec
		}
	}
	w.waits[key] = plan.WaitsOf(key.Namespace, component.Spec, edges)
	for _, next := range w.waits[key] {
		if _, seen := w.waits[next]; seen {
			continue
		}
		var other v1alpha1.Component
		found, err := w.find(ctx, next, &other)
		if err != nil {
			return err
		}
		if !found || next.Namespace == w.home.Namespace && other.Labels[v1alpha1.DeploymentLabel] == w.home.Name {
			continue
		}
		if err := w.inForce(ctx, &other); err != nil {
			return err
		}
	}
	return nil
}

// find reads an object. One that does not exist, or may not be read, is not found.
func (w *walk) find(ctx context.Context, key types.NamespacedName, into client.Object) (bool, error) {
	if !w.covers(key.Namespace) {
		return false, nil
	}
	err := w.Client.Get(ctx, key, into)
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %T %s: %w", into, key, err)
	}
	return true, nil
}
