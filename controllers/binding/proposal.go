package binding

import (
	"bytes"
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/credentials"
	"github.com/dpi-operator/dpi-operator/internal/naming"
)

// proposedSuffix ends the name of the Secret with what the consumer's will hold once it is proved: another address, or credentials
// that somebody handed over.
const proposedSuffix = "proposed"

func (p *pass) proposalName() string {
	return naming.Join(naming.ObjectMax, p.object.Spec.SecretName, proposedSuffix)
}

// working is what Jobs work with: the consumer's Secret, or what is proposed for it.
func (p *pass) working() *corev1.Secret {
	if p.proposal != nil {
		return p.proposal
	}
	return p.secret
}

// contents changes with the contents that are to be proved. The Secret's UID is in it, so that nobody who may not read the Secret can try
// out what is in there.
func (p *pass) contents() string {
	if p.secret == nil {
		return ""
	}
	return digest(p.secret.UID, p.working().Data)
}

// propose keeps what is asked for now beside the Secret that the consumer reads, until it is proved: a wrong address or a wrong password
// that was handed over reaches no pod. What arrived is laid over what is known; what was proposed for another place is dropped.
func (p *pass) propose(ctx context.Context, arrived map[string]string) error {
	var stored corev1.Secret
	found, err := p.get(ctx, p.proposalName(), &stored)
	if err != nil {
		return fmt.Errorf("read Secret %s: %w", p.proposalName(), err)
	}
	if found && !metav1.IsControlledBy(&stored, p.object) {
		return &refusal{reason: v1alpha1.ReasonForeignObject, message: fmt.Sprintf(
			"Secret %s exists and is not this binding's; delete or rename it", stored.Name)}
	}
	data, err := p.proposedData(&stored, arrived)
	if err != nil {
		return err
	}
	if maps.EqualFunc(data, p.secret.Data, bytes.Equal) {
		return p.dropProposal(ctx, &stored, found)
	}
	wanted := corev1.Secret{ObjectMeta: p.meta(p.proposalName()), Type: p.secret.Type, Data: data}
	wanted.Annotations = map[string]string{v1alpha1.ProposedForAnnotation: p.proposedFor()}
	switch {
	case !found:
		err = p.Client.Create(ctx, &wanted)
	case !maps.EqualFunc(data, stored.Data, bytes.Equal) || stored.Annotations[v1alpha1.ProposedForAnnotation] != p.proposedFor():
		wanted.ResourceVersion = stored.ResourceVersion
		err = p.Client.Update(ctx, &wanted)
	}
	if err != nil {
		return fmt.Errorf("store what is to be proved in Secret %s: %w", wanted.Name, err)
	}
	p.proposal = p.secret.DeepCopy()
	p.proposal.Data = data
	p.object.Status.Proposed = true
	if rotation := p.object.Status.Rotation; rotation != nil && isBeforeSwitch(rotation.Phase) {
		// The version that the rotation would have had may be the proposal's. Its credentials are made anew.
		rotation.Number, rotation.Phase = credentialsVersion(p.secret)+2, v1alpha1.RotationPreparing
	}
	p.publish(p.proposal)
	return nil
}

// proposedFor tells whom values were made by that came from elsewhere.
func (p *pass) proposedFor() string {
	return digest(p.object.Spec.Provider, p.object.Spec.Parameters, p.object.Spec.Given)
}

// proposedData is the consumer's Secret as it is asked for now, with what came from elsewhere for it.
func (p *pass) proposedData(stored *corev1.Secret, arrived map[string]string) (map[string][]byte, error) {
	data := maps.Clone(p.secret.Data)
	if stored.Annotations[v1alpha1.ProposedForAnnotation] == p.proposedFor() {
		for _, output := range p.object.Spec.Outputs {
			value, proposed := stored.Data[output.Name]
			_, known := data[output.Name]
			fromElsewhere := output.Origin == v1alpha1.OriginMinted || p.object.Spec.Given != ""
			if proposed && (fromElsewhere || output.Origin == v1alpha1.OriginGenerated && !known) {
				data[output.Name] = value
			}
		}
	}
	for name, value := range arrived {
		data[name] = []byte(value)
	}
	data, _, err := credentials.Ensure(data, p.wantedKeys(data))
	return data, err
}

func (p *pass) dropProposal(ctx context.Context, stored *corev1.Secret, found bool) error {
	if found {
		if err := p.Client.Delete(ctx, stored, client.Preconditions{UID: new(stored.UID)}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete Secret %s: %w", stored.Name, err)
		}
	}
	p.object.Status.Proposed, p.proposal = false, nil
	return nil
}

// exchange puts what was proved into the consumer's Secret by one update. What was proposed goes in the next pass, which finds both
// the same.
func (p *pass) exchange(ctx context.Context) error {
	secret := p.secret.DeepCopy()
	secret.Data = p.proposal.Data
	delete(secret.Annotations, v1alpha1.ProvisionalAnnotation)
	version := credentialsVersion(secret)
	if isReadDifferently(p.secret.Data, secret.Data) {
		version++
		setCredentialsVersion(secret, version)
	}
	if err := p.Client.Update(ctx, secret); err != nil {
		return fmt.Errorf("put what was proved into Secret %s: %w", secret.Name, err)
	}
	known := p.object.Status.Credentials
	known.ChangedAt = new(metav1.NewTime(p.Now()))
	if !p.areOthers(secret.Data) {
		// Another address makes no credential younger.
		known.Version = version
	}
	p.proposal = nil
	p.adopt(secret)
	return p.ensureForms(ctx, p.secret)
}

// isReadDifferently reports whether a pod that has read the one would have to read the other: more keys are none of its business.
func isReadDifferently(before, after map[string][]byte) bool {
	for name, value := range before {
		if !bytes.Equal(value, after[name]) {
			return true
		}
	}
	return false
}

// areOthers reports whether anything secret is another than in the consumer's Secret.
func (p *pass) areOthers(data map[string][]byte) bool {
	for _, output := range p.object.Spec.Outputs {
		isSecret := output.Origin == v1alpha1.OriginGenerated || output.Origin == v1alpha1.OriginMinted
		if isSecret && !bytes.Equal(data[output.Name], p.secret.Data[output.Name]) {
			return true
		}
	}
	return false
}
