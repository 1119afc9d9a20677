package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/placeholder"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

// ErrSecretMissing means that a Secret, or its key, does not exist yet.
var ErrSecretMissing = errors.New("does not exist yet")

// Secrets reads the values that text in rendered Secrets stands for. Only Secrets that the operator keeps for bindings and
// components can be referred to: a chart's values are no way to read others.
type Secrets struct {
	reader client.Reader
}

// NewSecrets returns Secrets. The reader must not cache.
func NewSecrets(uncached client.Reader) *Secrets { return &Secrets{reader: uncached} }

// Value is what a reference stands for. It matches ErrSecretMissing where it is not there, or not the operator's.
func (s *Secrets) Value(ctx context.Context, namespace string, reference placeholder.Reference) (string, error) {
	var secret corev1.Secret
	err := s.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: reference.Secret}, &secret)
	if client.IgnoreNotFound(err) != nil {
		return "", fmt.Errorf("read Secret %s: %w", reference.Secret, err)
	}
	value, exists := secret.Data[reference.Key]
	isOurs := secret.Labels[v1alpha1.BindingLabel] != "" || secret.Labels[v1alpha1.ComponentLabel] != ""
	if apierrors.IsNotFound(err) || !exists || !isOurs {
		return "", fmt.Errorf("key %s of Secret %s: %w", reference.Key, reference.Secret, ErrSecretMissing)
	}
	return string(value), nil
}

// Fill exchanges the text in a Secret that stands for values for the values. Other objects are left alone.
func (s *Secrets) Fill(ctx context.Context, object *unstructured.Unstructured) error {
	if !render.IsSecret(object) {
		return nil
	}
	return render.SecretData(object, func(_, text string) (string, error) {
		for _, reference := range placeholder.Find(text) {
			value, err := s.Value(ctx, object.GetNamespace(), reference)
			if err != nil {
				return "", err
			}
			text = strings.ReplaceAll(text, reference.Text(), value)
		}
		return text, nil
	})
}
