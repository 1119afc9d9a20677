package plan

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// Next is what a deployment asks for: a revision that is stored, or a plan for a new one.
type Next struct {
	// Revision that is stored already; nil where Plan is to become one.
	Revision *v1alpha1.StackRevision
	// Plan of a new revision, and the digest of what it was made from.
	Plan   Plan
	Source string
	// Number of the revision, stored or to be stored.
	Number int64
}

// Decide returns the revision that the deployment asks for: the one it is held at, or the newest one while the deployment
// says what it said when that was made and its neighbours are as they were, otherwise a new one. Revisions are the deployment's own, oldest first; in.Current is
// set to the newest. A catalogue without entries is a *Problem of its own reason. Errors are of type *Problem.
func Decide(in Input, revisions []v1alpha1.StackRevision) (Next, error) {
	spec := in.Deployment.Spec
	if spec.Revision != 0 {
		revision, err := Find(spec.Revision, revisions)
		return Next{Revision: revision, Number: spec.Revision}, err
	}
	source, err := SourceDigest(spec)
	if err != nil {
		return Next{}, err
	}
	next := Next{Source: source, Number: 1}
	var newest *v1alpha1.StackRevision
	if len(revisions) > 0 {
		newest = &revisions[len(revisions)-1]
		if newest.Spec.Source == source && !isOutdated(in, &newest.Spec) {
			return Next{Revision: newest, Source: source, Number: newest.Spec.Number}, nil
		}
		in.Current, next.Number = &newest.Spec, newest.Spec.Number+1
	}
	if in.Catalog.IsEmpty() {
		return Next{}, problem(v1alpha1.ReasonCatalogEmpty, "the catalogue has no entries yet")
	}
	if next.Plan, err = Compute(in); err != nil {
		return next, err
	}
	if newest != nil && newest.Spec.Source == source && newest.Spec.Digest == next.Plan.Digest {
		return Next{Revision: newest, Source: source, Number: newest.Spec.Number}, nil
	}
	return next, nil
}

// Check returns a *Problem where a stack that can be put in force has something wrong in its relations with other deployments: what it
// exports, or a circle that closed since it was planned. Otherwise it is nil.
func Check(in Input, revision v1alpha1.StackRevisionSpec) *Problem {
	if problem := checkExports(in, revision.Components); problem != nil {
		return problem
	}
	return checkCircles(in, revision.Components, revision.Bindings)
}

// Find returns the revision of that number, or a *Problem that names those kept.
func Find(number int64, revisions []v1alpha1.StackRevision) (*v1alpha1.StackRevision, error) {
	kept := make([]string, 0, len(revisions))
	for i := range revisions {
		if revisions[i].Spec.Number == number {
			return &revisions[i], nil
		}
		kept = append(kept, strconv.FormatInt(revisions[i].Spec.Number, 10))
	}
	if len(kept) == 0 {
		kept = append(kept, "none")
	}
	return nil, &Problem{
		Reason:  v1alpha1.ReasonRevisionNotFound,
		Message: fmt.Sprintf("revision %d is asked for, and the revisions kept are %s; choose one of them", number, strings.Join(kept, ", ")),
	}
}

// OfRevision is the plan that a stored revision holds, with steps from the stack in force.
func OfRevision(inForce, revision *v1alpha1.StackRevisionSpec) Plan {
	return Plan{
		Template: revision.Template, Components: revision.Components, Bindings: revision.Bindings,
		Steps: Steps(inForce, revision.Components, revision.Bindings), Digest: revision.Digest,
	}
}
