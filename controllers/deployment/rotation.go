package deployment

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// askForCredentials hands a person's request for new credentials on, once: what is then asked of a Binding directly is not
// undone. Bindings that are made in this very pass get new credentials anyway.
func (p *pass) askForCredentials(ctx context.Context) error {
	asked := rotationAsked(p.object)
	if asked == p.object.Status.RotationRequested {
		return nil
	}
	when, only, _ := strings.Cut(asked, "/")
	for name, binding := range p.seen.bindings {
		if when == "" || (only != "" && only != name) || binding.Annotations[v1alpha1.RotateAtAnnotation] == when {
			continue
		}
		changed := binding.DeepCopy()
		metav1.SetMetaDataAnnotation(&changed.ObjectMeta, v1alpha1.RotateAtAnnotation, when)
		if err := p.Client.Patch(ctx, changed, client.MergeFrom(binding)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("ask Binding %s for new credentials: %w", name, err)
		}
	}
	p.object.Status.RotationRequested = asked
	return nil
}

// rotationAsked is the value of the annotation, cut to what the status keeps.
func rotationAsked(object *v1alpha1.DPIDeployment) string {
	const kept = 256
	value := object.Annotations[v1alpha1.RotateAtAnnotation]
	return strings.ToValidUTF8(value[:min(len(value), kept)], "")
}
