package deployment

import (
	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// choose tells the revision that is to be in force from the one that waits for approval. Both may be missing. It is pure.
func choose(object *v1alpha1.DPIDeployment, revisions []v1alpha1.StackRevision, newest *v1alpha1.StackRevision) (inForce, pending *v1alpha1.StackRevision) {
	if object.Spec.Approval != v1alpha1.ApprovalManual || object.Spec.Revision != 0 {
		return newest, nil
	}
	approved := object.Annotations[v1alpha1.ApproveAnnotation]
	if approved == newest.Name {
		return newest, nil
	}
	current := approved
	if object.Status.Revision != nil {
		current = object.Status.Revision.Name
	}
	if current == newest.Name {
		return newest, nil
	}
	for i := range revisions {
		if revisions[i].Name == current {
			inForce = &revisions[i]
		}
	}
	return inForce, newest
}

func referenceTo(revision *v1alpha1.StackRevision) *v1alpha1.RevisionReference {
	if revision == nil {
		return nil
	}
	return &v1alpha1.RevisionReference{Name: revision.Name, Number: revision.Spec.Number, Digest: revision.Spec.Digest}
}
