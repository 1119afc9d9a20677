package binding

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/credentials"
)

// refusal is a state that a person must change.
type refusal struct {
	reason  v1alpha1.ConditionReason
	message string
}

// Error returns the message.
func (r *refusal) Error() string { return r.message }

func secretObject() *corev1.Secret { return &corev1.Secret{} }

// ensureSecret makes the consumer's Secret: generated values are stored before anything uses them and never change, facts
// follow the specification. It carries no owner reference, because it opens data that outlives the binding. One left
// behind by an earlier binding of the same name is adopted as it is, identity included.
func (p *pass) ensureSecret(ctx context.Context) error {
	var secret corev1.Secret
	found, err := p.get(ctx, p.object.Spec.SecretName, &secret)
	if err != nil {
		return fmt.Errorf("read Secret %s: %w", p.object.Spec.SecretName, err)
	}
	if found && secret.Labels[v1alpha1.BindingLabel] != p.object.Name {
		return &refusal{reason: v1alpha1.ReasonForeignObject, message: fmt.Sprintf(
			"Secret %s exists and is not this binding's; delete it, or label it %s=%s to adopt it", secret.Name, v1alpha1.BindingLabel, p.object.Name)}
	}
	if found {
		if refused := p.refuseOtherNames(&secret); refused != nil {
			return refused
		}
	}
	data, changed, err := credentials.Ensure(secret.Data, p.wantedKeys(secret.Data))
	if errors.Is(err, credentials.ErrNoKey) {
		return &refusal{reason: v1alpha1.ReasonInvalid, message: fmt.Sprintf("Secret %s: %v", p.object.Spec.SecretName, err)}
	}
	if err != nil {
		return err
	}
	switch {
	case found && isInUse(&secret, p.object):
		p.adopt(&secret)
		if changed || p.object.Status.Proposed {
			return p.propose(ctx, nil)
		}
		return nil
	case found && changed:
		secret.Data = data
		if err := p.Client.Update(ctx, &secret); err != nil {
			return fmt.Errorf("update Secret %s: %w", secret.Name, err)
		}
		p.adopt(&secret)
		return nil
	case found:
		p.adopt(&secret)
		return nil
	}
	return p.createSecret(ctx, data)
}

func (p *pass) createSecret(ctx context.Context, data map[string][]byte) error {
	secret := corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: p.object.Spec.SecretName, Namespace: p.object.Namespace,
			Labels:      p.labels(),
			Annotations: map[string]string{v1alpha1.BindingUIDAnnotation: string(p.object.UID)},
		},
		Type: corev1.SecretType("servicebinding.io/" + p.object.Spec.Type),
		Data: data,
	}
	if known := p.object.Status.Credentials; known != nil {
		// Somebody deleted it. Pods have read what is no more.
		setCredentialsVersion(&secret, known.Version+1)
	}
	if hasProvisional(p.object) {
		secret.Annotations[v1alpha1.ProvisionalAnnotation] = "true"
	}
	if err := p.Client.Create(ctx, &secret); err != nil {
		return fmt.Errorf("create Secret %s: %w", secret.Name, err)
	}
	p.adopt(&secret)
	return nil
}

func hasProvisional(object *v1alpha1.Binding) bool {
	return slices.ContainsFunc(object.Spec.Outputs, func(o v1alpha1.BindingOutput) bool { return o.Provisional != nil })
}

// refuseOtherNames refuses to adopt a Secret that opens something else than the stack says: what is in it would be overwritten.
func (p *pass) refuseOtherNames(secret *corev1.Secret) error {
	if p.object.Status.Credentials != nil || p.object.Spec.Given != "" {
		return nil
	}
	for _, output := range p.object.Spec.Outputs {
		value, held := secret.Data[output.Name]
		if !held || output.Origin != v1alpha1.OriginDerived || string(value) == *output.Value ||
			output.Alternate != nil && string(value) == *output.Alternate {
			continue
		}
		return &refusal{reason: v1alpha1.ReasonForeignObject, message: fmt.Sprintf(
			"Secret %s is to be adopted, but its %s is another than the stack's, which is %q; hand it over with bindings[].given under another name, or correct it",
			secret.Name, output.Name, *output.Value)}
	}
	return nil
}

// isInUse reports whether pods may have read the Secret: with provisional values, or because the edge was proved before.
func isInUse(secret *corev1.Secret, object *v1alpha1.Binding) bool {
	if object.Spec.IsPreparation() {
		return false
	}
	return secret.Annotations[v1alpha1.ProvisionalAnnotation] != "" || object.Status.VerifiedAt != nil
}

// adopt takes the Secret's version, the values in force, and the identity under which the provider knows the binding.
// Credentials count from the moment they are first seen here: those of an earlier binding are adopted, not rotated.
func (p *pass) adopt(secret *corev1.Secret) {
	p.secret = secret.DeepCopy()
	version := credentialsVersion(secret)
	switch known := p.object.Status.Credentials; {
	case known == nil:
		p.object.Status.Credentials = &v1alpha1.BindingCredentials{
			Version: version, Since: metav1.NewTime(p.Now()), Requested: requested(p.object),
		}
	case known.Version != version:
		known.Version, known.Since, known.ChangedAt = version, metav1.NewTime(p.Now()), new(metav1.NewTime(p.Now()))
	}
	p.identity = p.identify(cmp.Or(secret.Annotations[v1alpha1.BindingUIDAnnotation], string(p.object.UID)))
	p.object.Status.Identity = p.identity
	p.object.Status.Binding = &v1alpha1.BindingSecret{Name: secret.Name}
	p.publish(secret)
}

// publish shows the public halves of keys that stay here.
func (p *pass) publish(secret *corev1.Secret) {
	p.object.Status.Published = nil
	for _, output := range p.object.Spec.Outputs {
		if value := secret.Data[output.Name]; output.PublicOf != "" && len(value) > 0 {
			p.object.Status.Published = append(p.object.Status.Published, v1alpha1.PublishedValue{Name: output.Name, Value: string(value)})
		}
	}
}

// identify makes of a binding's UID the identity under which its provider knows it. One that serves several namespaces is told
// one that each can only have for its own: the UID is in the hands of whoever may edit the Secret.
func (p *pass) identify(uid string) string {
	if !p.object.IsForeign() {
		return uid
	}
	sum := sha256.Sum256([]byte(p.object.Namespace + "/" + uid))
	return hex.EncodeToString(sum[:16])
}

func (p *pass) labels() map[string]string {
	labels := map[string]string{v1alpha1.BindingLabel: p.object.Name}
	if deployment := p.object.Labels[v1alpha1.DeploymentLabel]; deployment != "" {
		labels[v1alpha1.DeploymentLabel] = deployment
	}
	return labels
}

// wantedKeys are the outputs in the layout of servicebinding.io. Minted ones arrive with the provisioner's result. Of two
// values that alternate the one in force stays.
func (p *pass) wantedKeys(existing map[string][]byte) []credentials.Key {
	keys := []credentials.Key{
		{Name: "type", Value: new(p.object.Spec.Type)},
		{Name: "provider", Value: new(p.object.Spec.Provider.Component)},
	}
	for _, output := range p.object.Spec.Outputs {
		switch output.Origin {
		case v1alpha1.OriginMinted:
			if _, exists := existing[output.Name]; !exists && output.Provisional != nil {
				keys = append(keys, credentials.Key{Name: output.Name, Value: output.Provisional})
			}
		case v1alpha1.OriginGenerated:
			if p.object.Spec.Given != "" {
				// Somebody hands it over; a value of ours would open nothing.
				continue
			}
			keys = append(keys, generatedKey(output))
		case v1alpha1.OriginProvider, v1alpha1.OriginDerived:
			if _, handed := p.seen.given.Data[output.Name]; handed && output.Alternate != nil {
				continue
			}
			keys = append(keys, credentials.Key{Name: output.Name, Value: inForce(output, existing)})
		}
	}
	slices.SortStableFunc(keys, func(a, b credentials.Key) int { return strings.Compare(a.PublicOf, b.PublicOf) })
	return keys
}

func generatedKey(output v1alpha1.BindingOutput) credentials.Key {
	key := credentials.Key{Name: output.Name, PublicOf: output.PublicOf, Form: credentials.Form(output.Format)}
	if output.KeyPair != nil {
		key.Algorithm = string(output.KeyPair.Algorithm)
	}
	if asked := output.Request; asked != nil {
		key.Request = credentials.CertificateRequest{CommonName: asked.CommonName, Organization: asked.Organization, Country: asked.Country}
		for _, name := range asked.DNSNames {
			key.Request.DNSNames = append(key.Request.DNSNames, string(name))
		}
	}
	return key
}

// storeMinted adds what the provider made to the Secret, once, and names what it did not make.
func (p *pass) storeMinted(ctx context.Context, minted map[string]string) (missing []string, err error) {
	wanted := map[string]string{}
	for _, output := range p.object.Spec.Outputs {
		if output.Origin != v1alpha1.OriginMinted {
			continue
		}
		value, made := minted[output.Name]
		_, known := p.working().Data[output.Name]
		isPlaceholder := output.Provisional != nil && string(p.working().Data[output.Name]) == *output.Provisional
		switch {
		case made && value != "":
			wanted[output.Name] = value
		case !known || isPlaceholder:
			missing = append(missing, output.Name)
		}
	}
	return missing, p.store(ctx, wanted)
}

// store puts values that come from elsewhere into the Secret; where the consumer has read what they replace, once they are proved.
func (p *pass) store(ctx context.Context, values map[string]string) error {
	if isInUse(p.secret, p.object) {
		return p.propose(ctx, values)
	}
	secret, changed := p.secret.DeepCopy(), false
	for name, value := range values {
		if string(secret.Data[name]) != value {
			secret.Data[name] = []byte(value)
			changed = true
		}
	}
	if !changed {
		return nil
	}
	if err := p.Client.Update(ctx, secret); err != nil {
		return fmt.Errorf("store what came from %s: %w", p.object.ProviderName(), err)
	}
	p.secret = secret
	return nil
}
