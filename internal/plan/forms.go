package plan

import (
	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/expr"
	"github.com/dpi-operator/dpi-operator/internal/naming"
)

// forms are the further Secrets that the consumer insists on.
func (s slot) forms() []v1alpha1.BindingForm {
	var out []v1alpha1.BindingForm
	for _, declared := range s.requirement.Secrets {
		out = append(out, v1alpha1.BindingForm{SecretName: s.formName(declared), Keys: declared.Keys})
	}
	return out
}

func (s slot) formName(declared v1alpha1.RequirementSecret) string {
	if declared.SecretName != "" {
		return declared.SecretName
	}
	return naming.Join(naming.ObjectMax, s.binding, declared.Name)
}

// checkProvisional makes sure that a consumer that starts with provisional values gets some.
func (s slot) checkProvisional(consumer *member) error {
	if s.requirement.GetGate() != v1alpha1.GateProvisional {
		return nil
	}
	for _, output := range s.outputs {
		if output.Provisional != nil {
			return nil
		}
	}
	return problem(v1alpha1.ReasonInvalid, "component %s: requirement %s has gate Provisional, but contract %s declares no provisional value; use Ready, Resolved or After",
		consumer.name, s.requirement.Name, s.contract.Name)
}

// checkAdmin makes sure that what is made at an external provider can be made there.
func (s slot) checkAdmin(consumer *member) error {
	admin := s.provision.AdminCredential
	if s.provision.Provisioner == "" || admin == "" || s.provider.credentialSecret(admin) != "" || consumer.bindings[s.requirement.Name].Given != "" {
		return nil
	}
	return problem(v1alpha1.ReasonInvalid,
		"component %s is external and gives no credential %q, which is needed for requirement %s of component %s; name its Secret under external.credentials, or hand the consumer's own credentials over with given",
		s.provider.name, admin, s.requirement.Name, consumer.name)
}

// checkForms makes sure that every key can be filled, before anything runs.
func (s slot) checkForms(consumer *member) error {
	outputs := map[string]any{"type": "", "provider": ""}
	for _, output := range s.outputs {
		outputs[output.Name] = ""
	}
	for _, declared := range s.requirement.Secrets {
		for _, key := range declared.Keys {
			if _, known := outputs[key.Output]; key.Output != "" && !known {
				return problem(v1alpha1.ReasonMappingFailed, "component %s: requirement %s: secret %s: contract %s has no output %q; it has %s",
					consumer.name, s.requirement.Name, declared.Name, s.contract.Name, key.Output, names(outputs))
			}
			if key.Expr == "" {
				continue
			}
			if err := expr.Check(key.Expr, "outputs"); err != nil {
				return problem(v1alpha1.ReasonMappingFailed, "component %s: requirement %s: secret %s: key %s: %v",
					consumer.name, s.requirement.Name, declared.Name, key.Name, err)
			}
		}
	}
	return nil
}

// projections mount the Secrets of slots that ask for it.
func (m *member) projections() []v1alpha1.ComponentProjection {
	var out []v1alpha1.ComponentProjection
	for _, s := range m.slots {
		if s.requirement.Project != nil && m.installs() {
			out = append(out, v1alpha1.ComponentProjection{Projection: *s.requirement.Project, Name: s.requirement.Name, SecretName: s.secretName()})
		}
	}
	return out
}
