package component

import (
	"context"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/release"
)

// releasePolicy puts the API's words into the engine's. What the API leaves open the engine decides.
func releasePolicy(from v1alpha1.ReleasePolicy) release.Policy {
	return release.Policy{
		OnUpgradeFailure: release.FailurePolicy(from.OnUpgradeFailure),
		Adoption:         release.Adoption(from.Adoption),
		CRDs:             release.CRDPolicy(from.CRDs),
		Recreate:         release.RecreatePolicy(from.Recreate),
		HookDeadline:     durationOf(from.HookDeadline),
		MaxAttempts:      int(from.MaxAttempts),
	}
}

func durationOf(from *metav1.Duration) time.Duration {
	if from == nil {
		return 0
	}
	return from.Duration
}

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
	for _, name := range p.object.Spec.DependsOn {
		var component v1alpha1.Component
		if _, err := p.get(ctx, string(name), &component); err != nil {
			return "", err
		}
		if component.Status.Release != nil {
			parts = append(parts, strconv.FormatInt(component.Status.Release.Revision, 10))
		}
	}
	return strings.Join(parts, "/"), nil
}
