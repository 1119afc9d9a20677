package neighbours

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/plan"
)

// Reader reads neighbours.
type Reader struct {
	Client client.Reader
	// Namespaces that can be read; none means all. What is in another one is not found.
	Namespaces []string
}

// Read returns what is there of the components that a deployment names. What does not exist is left out of its Neighbour.
func (r Reader) Read(ctx context.Context, deployment *v1alpha1.DPIDeployment) (map[v1alpha1.ProviderReference]plan.Neighbour, error) {
	references := plan.References(deployment)
	if len(references) == 0 {
		return nil, nil
	}
	out := make(map[v1alpha1.ProviderReference]plan.Neighbour, len(references))
	for _, reference := range references {
		found, err := r.read(ctx, reference)
		if err != nil {
			return nil, err
		}
		out[reference] = found
	}
	return out, nil
}

func (r Reader) covers(namespace string) bool {
	return len(r.Namespaces) == 0 || slices.Contains(r.Namespaces, namespace)
}

func (r Reader) read(ctx context.Context, reference v1alpha1.ProviderReference) (plan.Neighbour, error) {
	var found plan.Neighbour
	if !r.covers(reference.Namespace) {
		return found, nil
	}
	var owner v1alpha1.DPIDeployment
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: reference.Namespace, Name: reference.Deployment}, &owner)
	if apierrors.IsNotFound(err) {
		return found, nil
	}
	if err != nil {
		return found, fmt.Errorf("read deployment %s/%s: %w", reference.Namespace, reference.Deployment, err)
	}
	found.Deployment = &owner
	var component v1alpha1.Component
	err = r.Client.Get(ctx, client.ObjectKey{Namespace: reference.Namespace, Name: plan.ObjectName(reference.Deployment, reference.Component)}, &component)
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return found, fmt.Errorf("read component %s of deployment %s/%s: %w", reference.Component, reference.Namespace, reference.Deployment, err)
	case component.Labels[v1alpha1.DeploymentLabel] == owner.Name:
		found.Component = &component
	}
	return found, nil
}
