package component

import (
	"context"
	"fmt"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// credentialsVersions are the bindings whose credentials were rotated, with how often. First credentials count nothing, so
// that no pod restarts before there is a reason.
func (p *pass) credentialsVersions(ctx context.Context) ([]v1alpha1.CredentialsVersion, error) {
	var versions []v1alpha1.CredentialsVersion
	for _, reference := range p.object.Spec.Bindings {
		var binding v1alpha1.Binding
		found, err := p.get(ctx, reference.Name, &binding)
		if err != nil {
			return nil, fmt.Errorf("read binding %s: %w", reference.Name, err)
		}
		if found && binding.Status.Credentials != nil && binding.Status.Credentials.Version > 0 {
			versions = append(versions, v1alpha1.CredentialsVersion{Binding: binding.Name, Version: binding.Status.Credentials.Version})
		}
	}
	return versions, nil
}
