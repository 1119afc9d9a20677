package component

import (
	"context"
	"fmt"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

// credentialsVersions are the bindings whose credentials were rotated, with how often. First credentials count nothing, so
// that no pod restarts before there is a reason. What is not proved yet is not taken up: pods go on with what they have read.
func (p *pass) credentialsVersions(ctx context.Context) ([]v1alpha1.CredentialsVersion, error) {
	var versions []v1alpha1.CredentialsVersion
	for _, reference := range p.object.Spec.Bindings {
		var binding v1alpha1.Binding
		found, err := p.get(ctx, reference.Name, &binding)
		if err != nil {
			return nil, fmt.Errorf("read binding %s: %w", reference.Name, err)
		}
		if version := p.provedVersion(&binding); found && version > 0 {
			versions = append(versions, v1alpha1.CredentialsVersion{Binding: binding.Name, Version: version})
		}
	}
	return versions, nil
}

// provedVersion is that of the credentials in force, or the one that this component works with while those are not proved.
func (p *pass) provedVersion(binding *v1alpha1.Binding) int64 {
	if binding.Status.Credentials != nil && conditions.IsTrue(binding, v1alpha1.ReadyCondition) {
		return binding.Status.Credentials.Version
	}
	for _, taken := range p.object.Status.Credentials {
		if taken.Binding == binding.Name {
			return taken.Version
		}
	}
	return 0
}
