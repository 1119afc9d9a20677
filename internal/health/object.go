package health

import (
	"fmt"
	"strings"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dpi-operator/dpi-operator/internal/render"
)

// look finds out about one object of the inventory.
func (s *scene) look(id render.ID) finding {
	object := s.byID[id.Unversioned()]
	if object == nil {
		return s.absent(id)
	}
	here := finding{id: id, since: object.GetCreationTimestamp().Time}
	if object.GetDeletionTimestamp() != nil {
		return terminating(here, object)
	}
	if rule, found := s.Rules.find(id.GVK()); found {
		return s.lookByRule(here, object, rule)
	}
	switch id.GVK().GroupKind() {
	case deploymentKind, statefulSetKind, daemonSetKind, replicaSetKind:
		return s.lookAtWorkload(here, object)
	case jobKind:
		return s.lookAtJob(here, object)
	case podKind:
		return s.lookAtPod(here)
	case claimKind:
		return s.lookAtClaim(here)
	default:
		return lookAtOther(here, object)
	}
}

func (s *scene) absent(id render.ID) finding {
	for unreadable, why := range s.Unreadable {
		if unreadable.Unversioned() == id.Unversioned() {
			return finding{id: id, reason: ReasonUnreadable, message: describe(id) + " cannot be read: " + oneLine(why)}
		}
	}
	if s.vanished[id.Unversioned()] {
		return finding{id: id}
	}
	return finding{id: id, reason: ReasonMissing, message: describe(id) + " does not exist although it was released"}
}

func terminating(here finding, object *unstructured.Unstructured) finding {
	here.reason = ReasonTerminating
	here.since = object.GetDeletionTimestamp().Time
	here.message = describe(here.id) + " is being deleted"
	if finalizers := object.GetFinalizers(); len(finalizers) > 0 {
		here.message += " and waits for " + strings.Join(finalizers, ", ")
	}
	return here
}

// lookByRule judges by the rule and, where that is not content, looks for a cause as it would without one.
func (s *scene) lookByRule(here finding, object *unstructured.Unstructured, rule compiledRule) finding {
	if !observed(object) {
		return unobserved(here)
	}
	state, reason, message := rule.judge(object)
	if state == Current {
		return here
	}
	here.reason, here.message = reason, describe(here.id)+" "+message
	if trouble := s.worstPod(s.podsOf(object)); trouble != nil && rank[trouble.reason] < rank[here.reason] {
		return here.because(trouble)
	}
	return here
}

// observed reports whether the controller of an object has seen its last change, as far as it says so at all.
func observed(object *unstructured.Unstructured) bool {
	seen, found, err := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	return err != nil || !found || seen == object.GetGeneration()
}

func unobserved(here finding) finding {
	here.reason = ReasonRolloutInProgress
	here.message = describe(here.id) + " has a change that its controller has not taken up yet"
	return here
}

// lookAtOther leaves kinds without a case of their own to kstatus.
func lookAtOther(here finding, object *unstructured.Unstructured) finding {
	if !observed(object) {
		return unobserved(here)
	}
	result, err := status.Compute(object)
	if err != nil {
		here.reason, here.message = ReasonRuleBroken, describe(here.id)+" cannot be judged: "+oneLine(err.Error())
		return here
	}
	if result.Status == status.CurrentStatus {
		return here
	}
	here.reason, here.message = ReasonNotReady, describe(here.id)+" is not ready"
	if result.Status == status.FailedStatus {
		here.reason, here.message = ReasonFailed, describe(here.id)+" failed"
	}
	if result.Message != "" {
		here.message += ": " + oneLine(result.Message)
	}
	return here
}

// lookAtPod judges a pod that the chart made without a controller.
func (s *scene) lookAtPod(here finding) finding {
	pods := s.podsNamed(here.id)
	if len(pods) == 0 {
		here.reason, here.message = ReasonRuleBroken, describe(here.id)+" cannot be judged: it is no valid Pod"
		return here
	}
	pod := pods[0]
	switch pod.Status.Phase {
	case corev1.PodSucceeded:
		return here
	case corev1.PodFailed:
		here.reason, here.message = ReasonPodFailed, describe(here.id)+" failed"
		if trouble := s.failedContainer(pod); trouble != nil {
			here.message += ": " + trouble.message
			here.logs = trouble.logs
		} else if pod.Status.Reason != "" {
			here.message += ": " + oneLine(strings.Join([]string{pod.Status.Reason, pod.Status.Message}, " "))
		}
		return here
	case corev1.PodPending, corev1.PodRunning, corev1.PodUnknown:
	}
	if trouble := s.diagnose(pod); trouble != nil {
		return here.because(trouble)
	}
	return here
}

// lookAtClaim judges a claim of the chart. Many storage classes wait for a first consumer, so a claim that no pod mounts
// has nothing to wait for.
func (s *scene) lookAtClaim(here finding) finding {
	for name, claim := range s.claims {
		if name.Name != here.id.Name || name.Namespace != here.id.Namespace {
			continue
		}
		if trouble := s.diagnoseClaim(claim); trouble != nil && (s.mounted[name] || trouble.reason == ReasonPVCLost) {
			here.reason, here.message = trouble.reason, describe(here.id)+" "+trouble.message
		}
		return here
	}
	here.reason, here.message = ReasonRuleBroken, describe(here.id)+" cannot be judged: it is no valid PersistentVolumeClaim"
	return here
}

// diagnosis is what is wrong with a pod, a container or a claim.
type diagnosis struct {
	reason Reason
	// message is the rest of a sentence that begins with the name of an object.
	message string
	cause   render.ID
	logs    *LogSource
	since   time.Time
}

// because blames what was found below the object.
func (f finding) because(d *diagnosis) finding {
	f.reason, f.cause, f.logs = d.reason, d.cause, d.logs
	f.message = fmt.Sprintf("%s: %s", describe(f.id), d.message)
	if !d.since.IsZero() {
		f.since = d.since
	}
	return f
}
