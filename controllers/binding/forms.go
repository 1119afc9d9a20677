package binding

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/expr"
)

// ensureForms keeps the further Secrets that the consumer insists on in step with the binding's own. They can be made again
// at any time, so the binding owns them. One whose values the provider has yet to make waits for them.
func (p *pass) ensureForms(ctx context.Context, filled *corev1.Secret) error {
	for _, form := range p.object.Spec.Secrets {
		data, complete, err := p.formData(form, filled.Data)
		if err != nil {
			return &refusal{reason: v1alpha1.ReasonMappingFailed, message: fmt.Sprintf("Secret %s: %v", form.SecretName, err)}
		}
		if !complete {
			continue
		}
		if err := p.ensureForm(ctx, form.SecretName, data); err != nil {
			return err
		}
	}
	return nil
}

func (p *pass) ensureForm(ctx context.Context, name string, data map[string][]byte) error {
	var secret corev1.Secret
	found, err := p.get(ctx, name, &secret)
	if err != nil {
		return fmt.Errorf("read Secret %s: %w", name, err)
	}
	if found && !metav1.IsControlledBy(&secret, p.object) {
		return &refusal{reason: v1alpha1.ReasonForeignObject, message: fmt.Sprintf(
			"Secret %s exists and is not this binding's, and the consumer knows no other name; delete it, or move one of the two to another namespace", name)}
	}
	if found {
		if maps.EqualFunc(secret.Data, data, func(a, b []byte) bool { return string(a) == string(b) }) {
			return nil
		}
		secret.Data = data
		if err := p.Client.Update(ctx, &secret); err != nil {
			return fmt.Errorf("update Secret %s: %w", name, err)
		}
		return nil
	}
	secret = corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: p.object.Namespace, Labels: p.labels()}, Data: data,
	}
	if err := controllerutil.SetControllerReference(p.object, &secret, p.Client.Scheme()); err != nil {
		return fmt.Errorf("own Secret %s: %w", name, err)
	}
	if err := p.Client.Create(ctx, &secret); err != nil {
		return fmt.Errorf("create Secret %s: %w", name, err)
	}
	return nil
}

// formData fills a form; incomplete means that the provider has yet to make a value.
func (p *pass) formData(form v1alpha1.BindingForm, from map[string][]byte) (data map[string][]byte, complete bool, err error) {
	outputs := make(map[string]any, len(from))
	for key, value := range from {
		outputs[key] = string(value)
	}
	for _, output := range p.object.Spec.Outputs {
		if _, exists := from[output.Name]; !exists {
			return nil, false, nil
		}
	}
	data = map[string][]byte{}
	for _, key := range form.Keys {
		if key.Expr == "" {
			data[key.Name] = from[key.Output]
			continue
		}
		value, err := expr.EvaluateString(key.Expr, expr.Scope{"outputs": outputs})
		if err != nil {
			// The error may repeat what the expression saw.
			return nil, false, fmt.Errorf("key %s: its expression gives no text; correct it in the good's entry", key.Name)
		}
		data[key.Name] = []byte(value)
	}
	return data, true, nil
}
