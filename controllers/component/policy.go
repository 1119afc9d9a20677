package component

import (
	"context"
	"strconv"
	"strings"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// resetToken changes with whatever may cure a failure without being an input of the release: what a person says by
// annotation, the releases it depends on, and what its bindings hand over.
func (p *pass) resetToken(ctx context.Context) (string, error) {
	parts := []string{p.object.Annotations[v1alpha1.ResetAtAnnotation], p.object.Annotations[v1alpha1.ReconcileAtAnnotation]}
	for _, reference := range p.object.Spec.Bindings {
		var binding v1alpha1.Binding
		if _, err := p.get(ctx, reference.Name, &binding); err != nil {
			return "", err
		}
		parts = append(parts, binding.Status.Provisioned, binding.Status.Verified)
	}
	for _, name := range dependencies(p.object) {
		var component v1alpha1.Component
		if _, err := p.get(ctx, name, &component); err != nil {
			return "", err
		}
		if component.Status.Release != nil {
			parts = append(parts, strconv.FormatInt(component.Status.Release.Revision, 10))
		}
	}
	return strings.Join(parts, "/"), nil
}
