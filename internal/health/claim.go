package health

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/dpi-operator/dpi-operator/internal/render"
)

// diagnoseClaim says what is wrong with a claim; nil if it has its volume. The message continues the claim's name.
func (s *scene) diagnoseClaim(claim *corev1.PersistentVolumeClaim) *diagnosis {
	found := &diagnosis{
		cause: render.ID{Version: "v1", Kind: claimKind.Kind, Namespace: claim.Namespace, Name: claim.Name},
		since: claim.CreationTimestamp.Time,
	}
	switch claim.Status.Phase {
	case corev1.ClaimBound:
		return nil
	case corev1.ClaimLost:
		found.reason, found.message = ReasonPVCLost, "lost its volume "+claim.Spec.VolumeName
		return found
	case corev1.ClaimPending:
	}
	found.reason, found.message = ReasonPVCPending, "is pending: "+s.whyPending(claim)
	return found
}

func (s *scene) whyPending(claim *corev1.PersistentVolumeClaim) string {
	if why := s.warning(claimKind.Kind, claim.Namespace, claim.Name, "ProvisioningFailed", "FailedBinding", "VolumeMismatch"); why != "" {
		return why
	}
	class := claim.Spec.StorageClassName
	switch {
	case claim.Spec.VolumeName != "":
		return "it waits for the volume " + claim.Spec.VolumeName
	case class == nil:
		return "it names no storage class and the cluster has no default one"
	case *class == "":
		return "it waits for somebody to provide a volume that fits, since it asks for none to be made"
	default:
		return fmt.Sprintf("storage class %s has not provided a volume", *class)
	}
}

// pendingClaim returns what is wrong with the first claim of a pod that has no volume; nil if there is none. The message
// names the claim.
func (s *scene) pendingClaim(pod *corev1.Pod) *diagnosis {
	for _, name := range claimNames(pod) {
		claim := s.claims[types.NamespacedName{Namespace: name.Namespace, Name: name.Name}]
		if claim == nil {
			continue
		}
		if found := s.diagnoseClaim(claim); found != nil {
			found.message = fmt.Sprintf("%s %s %s", claimKind.Kind, claim.Name, found.message)
			return found
		}
	}
	return nil
}
