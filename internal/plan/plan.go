package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// Input is everything a plan is made from.
type Input struct {
	// Deployment is what the country asks for.
	Deployment *v1alpha1.DPIDeployment
	// Catalog is what can be chosen from.
	Catalog Catalog
	// ClusterDomain is the DNS suffix of Services; empty means cluster.local.
	ClusterDomain string
	// Neighbours are the components of other deployments that this one names: those of References.
	Neighbours map[v1alpha1.ProviderReference]Neighbour
	// Waits are what the components of other deployments wait for, as far as it may lead back to this one. Those not in force wait for
	// every component that their deployment names and that is not in force either.
	Waits Waits
	// Current is the revision in force, if any: versions it resolved are kept where they still fit.
	Current *v1alpha1.StackRevisionSpec
}

// Plan is a resolved stack.
type Plan struct {
	// Template and its version, where the stack came from one.
	Template string `json:"template,omitempty"`
	// Components in the order they start.
	Components []v1alpha1.RevisionComponent `json:"components"`
	// Bindings by name.
	Bindings []v1alpha1.RevisionBinding `json:"bindings,omitempty"`
	// Steps say the same for people.
	Steps []Step `json:"steps"`
	// Digest covers components and bindings.
	Digest string `json:"digest"`
}

// Compute resolves the stack. The same input gives the same plan, byte for byte. Errors are of type *Problem.
func Compute(in Input) (Plan, error) {
	if in.ClusterDomain == "" {
		in.ClusterDomain = "cluster.local"
	}
	stack, err := expand(in)
	if err != nil {
		return Plan{}, err
	}
	members, err := resolve(in, stack)
	if err != nil {
		return Plan{}, err
	}
	if err := members.wire(); err != nil {
		return Plan{}, err
	}
	if err := members.prepare(); err != nil {
		return Plan{}, err
	}
	order, err := members.order()
	if err != nil {
		return Plan{}, err
	}
	plan := Plan{Template: stack.template}
	if plan.Components, err = members.componentSpecs(order); err != nil {
		return Plan{}, err
	}
	plan.Bindings = members.bindingSpecs()
	if err := refuseClashes(plan); err != nil {
		return Plan{}, err
	}
	if problem := checkCircles(in, plan.Components, plan.Bindings); problem != nil {
		return Plan{}, problem
	}
	plan.Steps = Steps(in.Current, plan.Components, plan.Bindings)
	plan.Digest, err = digest(plan.Components, plan.Bindings)
	return plan, err
}

// SourceDigest covers the parts of a deployment that decide the stack. While it is unchanged the revision in force
// stays, whatever happens in the catalogue.
func SourceDigest(spec v1alpha1.DPIDeploymentSpec) (string, error) {
	spec.Reporting, spec.Exports = nil, nil
	spec.Suspend = false
	spec.Approval, spec.Revision = "", 0
	return digest(spec)
}

func digest(parts ...any) (string, error) {
	raw, err := json.Marshal(parts)
	if err != nil {
		return "", problem(v1alpha1.ReasonInvalid, "the stack cannot be written as JSON: %v", err)
	}
	sum := sha256.Sum256(raw)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}
