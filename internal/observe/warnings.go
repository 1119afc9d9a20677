package observe

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/health"
)

// warningLimit bounds what is read of a namespace's Events.
const warningLimit = 500

// Warnings reads the warning Events of a namespace, one page of them. Events are not cached: there are many, and they are
// asked for only where an assessment needs them. The result is never nil, so that an assessment knows it was asked for.
func (l *Live) Warnings(ctx context.Context, namespace string) ([]health.Warning, error) {
	var list corev1.EventList
	err := l.options.Client.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{"type": corev1.EventTypeWarning},
		client.Limit(warningLimit))
	if err != nil && !apierrors.IsForbidden(err) {
		return nil, fmt.Errorf("read the events of %s: %w", namespace, err)
	}
	warnings := make([]health.Warning, 0, len(list.Items))
	for i := range list.Items {
		about := list.Items[i].InvolvedObject
		warnings = append(warnings, health.Warning{
			Kind: about.Kind, Namespace: about.Namespace, Name: about.Name,
			Reason: list.Items[i].Reason, Message: list.Items[i].Message,
		})
	}
	return warnings, nil
}
