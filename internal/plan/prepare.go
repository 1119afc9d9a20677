package plan

import (
	"strings"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/naming"
)

// preparation is a step that a member's entry asks for.
type preparation struct {
	step v1alpha1.PrepareStep
	// binding carries it out; empty where the owner of an external system did.
	binding string
	at      endpoint
	// image of a provisioner that does not come with the operator.
	image string
}

// prepare finds what has to be done at each member before others may bind. An external one is prepared where somebody gave the
// right to do so, by its admin credential; otherwise that was its owner's to do.
func (ms *members) prepare() error {
	for _, m := range ms.list {
		for _, step := range m.entry.Spec.Prepare {
			each := preparation{step: step}
			if m.external != nil && m.credentialSecret(step.AdminCredential) == "" {
				m.preparations = append(m.preparations, each)
				continue
			}
			if missing := m.unserved(step); missing != "" {
				return problem(v1alpha1.ReasonInvalid,
					"component %s has no address for endpoint %s, where its preparation %s is done; add it under external.endpoints, or take the credential %s away: its owner prepares it then",
					m.name, missing, step.Name, step.AdminCredential)
			}
			if step.Credential != "" && m.credentialSecret(step.Credential) == "" {
				return problem(v1alpha1.ReasonInvalid, "component %s is external and gives no credential %q, which its preparation %s puts in force; name its Secret under external.credentials",
					m.name, step.Credential, step.Name)
			}
			each.at, _ = m.endpoint(step.Endpoint)
			image, err := ms.provisionerImage(m, step.ImageExpr)
			if err != nil {
				return problem(v1alpha1.ReasonMappingFailed, "good %s, preparation %s: imageExpr: %v", m.good, step.Name, err)
			}
			each.image = image
			each.binding = naming.Join(naming.ObjectMax, ms.in.Deployment.Name, m.name, "prepare", step.Name)
			m.preparations = append(m.preparations, each)
		}
	}
	return nil
}

// unserved names an endpoint that a step needs and the member has not.
func (m *member) unserved(step v1alpha1.PrepareStep) string {
	needed := []string{step.Endpoint}
	if step.HTTP != nil && step.HTTP.Endpoint != "" {
		needed = append(needed, step.HTTP.Endpoint)
	}
	for _, name := range needed {
		if _, served := m.endpoint(name); !served {
			return name
		}
	}
	return ""
}

// preparationSpecs are the preparations as the member's Component states them.
func (m *member) preparationSpecs() []v1alpha1.ComponentPreparation {
	var out []v1alpha1.ComponentPreparation
	for _, each := range m.preparations {
		stated := v1alpha1.ComponentPreparation{Name: each.step.Name, Binding: each.binding}
		if each.binding != "" {
			stated.Credential, stated.HTTP, stated.Image = each.step.Credential, each.step.HTTP, each.image
		}
		out = append(out, stated)
	}
	return out
}

// preparing are the Bindings that prepare a member.
func (ms *members) preparing(m *member) []v1alpha1.RevisionBinding {
	var out []v1alpha1.RevisionBinding
	for _, each := range m.preparations {
		if each.binding == "" {
			continue
		}
		out = append(out, v1alpha1.RevisionBinding{Name: each.binding, Spec: v1alpha1.BindingSpec{
			Contract: v1alpha1.ContractPreparation, Type: "preparation", Preparation: each.step.Name,
			Provider: v1alpha1.BindingProvider{
				Component: m.object, Endpoint: new(each.at.api()), Provisioner: each.step.Provisioner,
				AdminSecretName: m.credentialSecret(each.step.AdminCredential),
			},
			Parameters:     each.step.Parameters,
			Outputs:        []v1alpha1.BindingOutput{{Name: "url", Origin: v1alpha1.OriginProvider, Value: new(each.at.url())}},
			SecretName:     each.binding,
			Verification:   v1alpha1.BindingVerification{Method: v1alpha1.ContractPreparation},
			DeletionPolicy: ms.in.Deployment.GetDeletionPolicy(),
		}})
	}
	return out
}

// prepares names the steps that are carried out at a component, in order.
func prepares(spec v1alpha1.ComponentSpec) []string {
	var out []string
	for _, each := range spec.Preparations {
		if each.Binding != "" {
			out = append(out, each.Name)
		}
	}
	return out
}

// preparationReason says what is done at a component before its consumers bind, and what its owner did.
func preparationReason(spec v1alpha1.ComponentSpec) []string {
	var left, parts []string
	for _, each := range spec.Preparations {
		if each.Binding == "" {
			left = append(left, each.Name)
		}
	}
	if done := prepares(spec); len(done) > 0 {
		parts = append(parts, "is then prepared: "+strings.Join(done, ", "))
	}
	if len(left) > 0 {
		parts = append(parts, "prepared by its owner, since no admin credential is given: "+strings.Join(left, ", "))
	}
	return parts
}
