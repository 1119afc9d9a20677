package plan

import (
	"cmp"
	"slices"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/health"
)

// policy resolves how a release is handled: what a later layer says wins, field by field; then the good's entry; then the
// defaults of the environment.
func (m *member) policy(deployment *v1alpha1.DPIDeployment) v1alpha1.ReleasePolicy {
	var out v1alpha1.ReleasePolicy
	for _, layer := range slices.Backward(m.layers) {
		out = fillPolicy(out, layer.Policy)
	}
	out = fillPolicy(out, deployment.Spec.Policy)
	out = fillPolicy(out, &v1alpha1.ReleasePolicy{StartupDeadline: m.entry.Spec.StartupDeadline})
	if deployment.Spec.Environment == v1alpha1.EnvironmentDemo {
		out.OnUpgradeFailure = cmp.Or(out.OnUpgradeFailure, v1alpha1.LeaveFailed)
	}
	out.OnUpgradeFailure = cmp.Or(out.OnUpgradeFailure, v1alpha1.RollbackFailed)
	if out.Drift == nil {
		out.Drift = &v1alpha1.DriftPolicy{}
	}
	drift := *out.Drift
	drift.Mode = cmp.Or(drift.Mode, v1alpha1.DriftWarn)
	out.Drift = &drift
	return out
}

// fillPolicy fills the fields that first leaves open with those of second.
func fillPolicy(first v1alpha1.ReleasePolicy, second *v1alpha1.ReleasePolicy) v1alpha1.ReleasePolicy {
	if second == nil {
		return first
	}
	first.OnUpgradeFailure = cmp.Or(first.OnUpgradeFailure, second.OnUpgradeFailure)
	first.MaxAttempts = cmp.Or(first.MaxAttempts, second.MaxAttempts)
	first.StartupDeadline = cmp.Or(first.StartupDeadline, second.StartupDeadline)
	first.HookDeadline = cmp.Or(first.HookDeadline, second.HookDeadline)
	first.Tests = cmp.Or(first.Tests, second.Tests)
	first.Drift = cmp.Or(first.Drift, second.Drift)
	first.CRDs = cmp.Or(first.CRDs, second.CRDs)
	first.Adoption = cmp.Or(first.Adoption, second.Adoption)
	first.Recreate = cmp.Or(first.Recreate, second.Recreate)
	if first.Waive == nil {
		first.Waive = second.Waive
	}
	return first
}

// needs are the objects of any kind that must be ready first, of every layer.
func (m *member) needs() ([]v1alpha1.ObjectDependency, error) {
	var out []v1alpha1.ObjectDependency
	for _, layer := range m.layers {
		for _, each := range layer.Needs {
			if each.Ready != "" {
				if err := health.CheckExpression(each.Ready); err != nil {
					return nil, problem(v1alpha1.ReasonInvalid, "component %s needs %s %s: ready: %v", m.name, each.Kind, each.Name, err)
				}
			}
			if !slices.Contains(out, each) {
				out = append(out, each)
			}
		}
	}
	return out, nil
}
