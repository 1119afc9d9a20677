package health

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// lookAtWorkload judges what runs pods for ever, by kstatus, and asks its pods why where it does not work.
func (s *scene) lookAtWorkload(here finding, object *unstructured.Unstructured) finding {
	if !observed(object) {
		return unobserved(here)
	}
	result, err := status.Compute(byReplicas(object))
	if err != nil {
		here.reason, here.message = ReasonRuleBroken, describe(here.id)+" cannot be judged: "+oneLine(err.Error())
		return here
	}
	if result.Status == status.CurrentStatus {
		return here
	}
	if trouble := s.worstPod(s.podsOf(object)); trouble != nil {
		return here.because(trouble)
	}
	if refusal := s.refusal(object); refusal != "" {
		here.reason, here.message = ReasonPodsRefused, fmt.Sprintf("%s: the cluster refuses its pods: %s", describe(here.id), refusal)
		return here
	}
	if result.Status == status.FailedStatus {
		here.reason = ReasonProgressDeadlineExceeded
		here.message = describe(here.id) + " made no progress within its own deadline (spec.progressDeadlineSeconds)"
		return here
	}
	here.reason, here.message = ReasonRolloutInProgress, describe(here.id)+" is rolling out: "+progressOf(object)
	return here
}

// byReplicas returns the object in the form that kstatus judges by numbers. It takes a StatefulSet whose pods are replaced
// by hand for current whatever its pods do; whether those that exist are ready can be told all the same.
func byReplicas(object *unstructured.Unstructured) *unstructured.Unstructured {
	if object.GroupVersionKind().GroupKind() != statefulSetKind || strategyOf(object) != onDelete {
		return object
	}
	copied := object.DeepCopy()
	// All pods below a partition may be of an old revision, so a partition of all replicas asks for ready pods only.
	replicas := number(object, 1, "spec", "replicas")
	rolling := map[string]any{"type": "RollingUpdate", "rollingUpdate": map[string]any{"partition": replicas}}
	if err := unstructured.SetNestedMap(copied.Object, rolling, "spec", "updateStrategy"); err != nil {
		return object
	}
	return copied
}

// onDelete is the strategy of leaving it to people to replace pods.
const onDelete = "OnDelete"

func strategyOf(object *unstructured.Unstructured) string {
	strategy, _, _ := unstructured.NestedString(object.Object, "spec", "updateStrategy", "type")
	return strategy
}

// progressOf says how many pods are ready. Numbers hold still while the situation does.
func progressOf(object *unstructured.Unstructured) string {
	switch object.GroupVersionKind().GroupKind() {
	case daemonSetKind:
		return fmt.Sprintf("%d of %d pods ready", number(object, 0, "status", "numberReady"),
			number(object, 0, "status", "desiredNumberScheduled"))
	case replicaSetKind:
		return fmt.Sprintf("%d of %d pods ready", number(object, 0, "status", "readyReplicas"), number(object, 1, "spec", "replicas"))
	}
	wanted := number(object, 1, "spec", "replicas")
	updated, ready := number(object, 0, "status", "updatedReplicas"), number(object, 0, "status", "readyReplicas")
	if updated < wanted && strategyOf(object) != onDelete {
		return fmt.Sprintf("%d of %d pods updated", updated, wanted)
	}
	if ready >= wanted {
		return "old pods are being removed"
	}
	return fmt.Sprintf("%d of %d pods ready", ready, wanted)
}

func number(object *unstructured.Unstructured, otherwise int64, path ...string) int64 {
	value, found, err := unstructured.NestedFieldNoCopy(object.Object, path...)
	if !found || err != nil {
		return otherwise
	}
	switch n := value.(type) {
	case int64:
		return n
	case float64:
		return int64(n)
	}
	return otherwise
}

// refusal returns why no pods are made. ReplicaSets have a condition for it, the others only tell in Events.
func (s *scene) refusal(workload *unstructured.Unstructured) string {
	makers := []*unstructured.Unstructured{workload}
	if workload.GroupVersionKind().GroupKind() == deploymentKind {
		if newest := s.newestReplicaSet(workload); newest != nil {
			makers = append(makers, newest)
		}
	}
	for _, maker := range makers {
		if message := trueCondition(maker, "ReplicaFailure"); message != "" {
			return withoutGeneratedName(message)
		}
	}
	for _, maker := range makers {
		if message := s.warning(maker.GetKind(), maker.GetNamespace(), maker.GetName(), "FailedCreate"); message != "" {
			return withoutGeneratedName(message)
		}
	}
	return ""
}

// withoutGeneratedName leaves the reason of `Error creating: pods "web-6d4cf56db6-x2k4j" is forbidden: reason`.
func withoutGeneratedName(message string) string {
	message = oneLine(message)
	if _, rest, found := strings.Cut(message, "pods \""); found {
		if _, why, found := strings.Cut(rest, ": "); found {
			return why
		}
	}
	return message
}

// trueCondition returns the message, or else the reason, of a condition that holds.
func trueCondition(object *unstructured.Unstructured, kind string) string {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, each := range conditions {
		condition, ok := each.(map[string]any)
		if !ok || condition["type"] != kind || condition["status"] != string(corev1.ConditionTrue) {
			continue
		}
		for _, field := range []string{"message", "reason"} {
			if text, _ := condition[field].(string); text != "" {
				return text
			}
		}
		return kind
	}
	return ""
}

// lookAtJob judges a Job by its end: kstatus is content once it runs.
func (s *scene) lookAtJob(here finding, object *unstructured.Unstructured) finding {
	job := typed[batchv1.Job](object)
	if job == nil {
		here.reason, here.message = ReasonRuleBroken, describe(here.id)+" cannot be judged: it is no valid Job"
		return here
	}
	for i := range job.Status.Conditions {
		end := &job.Status.Conditions[i]
		if end.Status != corev1.ConditionTrue {
			continue
		}
		switch end.Type {
		case batchv1.JobComplete, batchv1.JobSuccessCriteriaMet:
			return here
		case batchv1.JobFailed, batchv1.JobFailureTarget:
			return s.failedJob(here, object, end)
		case batchv1.JobSuspended:
			here.reason, here.message = ReasonJobRunning, describe(here.id)+" is suspended"
			return here
		}
	}
	return s.runningJob(here, object)
}

// runningJob tells of the pods that run; what earlier ones failed of is only mentioned, because the Job tries again.
func (s *scene) runningJob(here finding, object *unstructured.Unstructured) finding {
	var running, failed []*corev1.Pod
	for _, pod := range s.podsOf(object) {
		if pod.Status.Phase == corev1.PodFailed {
			failed = append(failed, pod)
		} else {
			running = append(running, pod)
		}
	}
	if trouble := s.worstPod(running); trouble != nil {
		return here.because(trouble)
	}
	if refusal := s.refusal(object); refusal != "" {
		here.reason, here.message = ReasonPodsRefused, fmt.Sprintf("%s: the cluster refuses its pods: %s", describe(here.id), refusal)
		return here
	}
	here.reason, here.message = ReasonJobRunning, describe(here.id)+" has not finished"
	if pod, trouble := s.lastFailure(failed); trouble != nil {
		here.message += "; the last try failed: " + trouble.message
		here.cause, here.logs = podID(pod), trouble.logs
	}
	return here
}

// lastFailure returns how the newest pod that failed did.
func (s *scene) lastFailure(pods []*corev1.Pod) (*corev1.Pod, *diagnosis) {
	slices.SortStableFunc(pods, func(a, b *corev1.Pod) int { return b.CreationTimestamp.Compare(a.CreationTimestamp.Time) })
	for _, pod := range pods {
		if trouble := s.failedContainer(pod); trouble != nil {
			return pod, trouble
		}
	}
	return nil, nil
}

func (s *scene) failedJob(here finding, object *unstructured.Unstructured, end *batchv1.JobCondition) finding {
	here.reason = ReasonJobFailed
	here.message = describe(here.id) + " failed"
	if end.Reason == batchv1.JobReasonDeadlineExceeded {
		here.message += ": it did not finish within its own deadline (spec.activeDeadlineSeconds)"
	}
	if pod, trouble := s.lastFailure(s.podsOf(object)); trouble != nil {
		if end.Reason != batchv1.JobReasonDeadlineExceeded {
			here.message += ": " + trouble.message
		}
		here.cause, here.logs = podID(pod), trouble.logs
		return here
	}
	if end.Message != "" && end.Reason != batchv1.JobReasonDeadlineExceeded {
		here.message += ": " + oneLine(end.Message)
	}
	return here
}
