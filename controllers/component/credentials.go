package component

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/credentials"
)

// refusal is a state that a person must change.
type refusal struct {
	// waits is set where the operator looks again by itself.
	waits   bool
	reason  v1alpha1.ConditionReason
	message string
}

// Error returns the message.
func (r *refusal) Error() string { return r.message }

// ensureCredentials makes the Secrets that the component is started with. They carry no owner reference: they open the
// data, so they stay as long as the data does.
func (p *pass) ensureCredentials(ctx context.Context) error {
	for _, credential := range p.object.Spec.Credentials {
		if err := p.ensureCredential(ctx, credential); err != nil {
			return err
		}
	}
	return nil
}

func (p *pass) ensureCredential(ctx context.Context, credential v1alpha1.ComponentCredential) error {
	var secret corev1.Secret
	found, err := p.get(ctx, credential.SecretName, &secret)
	if err != nil {
		return fmt.Errorf("read Secret %s: %w", credential.SecretName, err)
	}
	if len(credential.Keys) == 0 {
		if !found && p.facts.missingSecret == "" {
			p.facts.missingSecret = credential.SecretName
		}
		return nil
	}
	if found && secret.Labels[v1alpha1.ComponentLabel] != p.object.Name {
		return &refusal{reason: v1alpha1.ReasonForeignObject, message: fmt.Sprintf(
			"Secret %s exists and is not this component's; delete it, or label it %s=%s to adopt it", secret.Name, v1alpha1.ComponentLabel, p.object.Name)}
	}
	data, changed, err := credentials.Ensure(secret.Data, wantedKeys(credential))
	if err != nil || (found && !changed) {
		return err
	}
	if found {
		secret.Data = data
		return p.Client.Update(ctx, &secret)
	}
	secret = corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: credential.SecretName, Namespace: p.object.Namespace,
			Labels: map[string]string{
				v1alpha1.ComponentLabel:  p.object.Name,
				v1alpha1.DeploymentLabel: p.object.Labels[v1alpha1.DeploymentLabel],
			},
		},
		Data: data,
	}
	if err := p.Client.Create(ctx, &secret); err != nil {
		return fmt.Errorf("create Secret %s: %w", credential.SecretName, err)
	}
	return nil
}

func wantedKeys(credential v1alpha1.ComponentCredential) []credentials.Key {
	keys := make([]credentials.Key, 0, len(credential.Keys))
	for _, key := range credential.Keys {
		wanted := credentials.Key{Name: key.Name, Length: int(key.Length)}
		if key.Length == 0 {
			wanted.Value = new(key.Value)
		}
		keys = append(keys, wanted)
	}
	return keys
}

// dropCredentials deletes the Secrets the component was started with and returns the names of those it keeps.
func (p *pass) dropCredentials(ctx context.Context) ([]string, error) {
	var kept []string
	for _, credential := range p.object.Spec.Credentials {
		if len(credential.Keys) == 0 {
			continue
		}
		if p.object.GetDeletionPolicy() == v1alpha1.RetainData {
			kept = append(kept, credential.SecretName)
			continue
		}
		var secret corev1.Secret
		found, err := p.get(ctx, credential.SecretName, &secret)
		if err != nil {
			return nil, err
		}
		if !found || secret.Labels[v1alpha1.ComponentLabel] != p.object.Name {
			continue
		}
		err = p.Client.Delete(ctx, &secret, client.Preconditions{UID: new(secret.UID)})
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("delete Secret %s: %w", credential.SecretName, err)
		}
	}
	return kept, nil
}
