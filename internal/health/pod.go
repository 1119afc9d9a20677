package health

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/internal/render"
)

// selectedNodeAnnotation is on claims for which the scheduler has chosen a node: it waits for the volume.
const selectedNodeAnnotation = "volume.kubernetes.io/selected-node"

// worstPod returns what is wrong with the pods of one workload; nil if nothing is.
func (s *scene) worstPod(pods []*corev1.Pod) *diagnosis {
	var worst *diagnosis
	for _, pod := range pods {
		// What is finished or on its way out is replaced: the pod that replaces it tells more.
		if pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded {
			continue
		}
		found := s.diagnose(pod)
		if found == nil {
			continue
		}
		if by := metav1.GetControllerOf(pod); by != nil && by.Kind == statefulSetKind.Kind && found.cause.Kind == podKind.Kind {
			found.message = "pod " + pod.Name + ": " + found.message
		}
		if worst == nil || rank[found.reason] < rank[worst.reason] {
			worst = found
		}
	}
	return worst
}

// diagnose says what keeps a pod from being ready; nil if it is.
func (s *scene) diagnose(pod *corev1.Pod) *diagnosis {
	found := s.obstacle(pod)
	if found == nil {
		return nil
	}
	if found.cause == (render.ID{}) {
		found.cause = podID(pod)
	}
	if found.since.IsZero() {
		found.since = pod.CreationTimestamp.Time
	}
	return found
}

func (s *scene) obstacle(pod *corev1.Pod) *diagnosis {
	if pod.Status.Phase == corev1.PodFailed {
		if found := s.failedContainer(pod); found != nil {
			return found
		}
		why := oneLine(strings.TrimSpace(pod.Status.Reason + " " + pod.Status.Message))
		return &diagnosis{reason: ReasonPodFailed, message: strings.TrimSuffix("its pod failed: "+why, ": ")}
	}
	if pod.Spec.NodeName == "" {
		return s.unplaced(pod)
	}
	if found := s.initObstacle(pod); found != nil {
		return found
	}
	if found := s.containerObstacle(pod, pod.Status.ContainerStatuses, ""); found != nil {
		return found
	}
	if ready := condition(pod, corev1.PodReady); ready != nil && ready.Status == corev1.ConditionTrue {
		return nil
	}
	for _, gate := range pod.Spec.ReadinessGates {
		if met := condition(pod, gate.ConditionType); met == nil || met.Status != corev1.ConditionTrue {
			return &diagnosis{reason: ReasonNotReady, message: fmt.Sprintf("its readiness gate %s is not met", gate.ConditionType)}
		}
	}
	return s.starting(pod)
}

// starting is what can be said of a pod whose containers tell nothing yet.
func (s *scene) starting(pod *corev1.Pod) *diagnosis {
	if why := s.warning(podKind.Kind, pod.Namespace, pod.Name, "FailedMount", "FailedAttachVolume", "FailedMapVolume"); why != "" {
		return &diagnosis{reason: ReasonMountFailed, message: "a volume cannot be mounted: " + why}
	}
	return &diagnosis{reason: ReasonRolloutInProgress, message: "its pod is being started"}
}

// unplaced explains why a pod has no node. A claim is at fault only if the scheduler says so or waits for it: elsewhere a
// claim is pending because its pod has no node.
func (s *scene) unplaced(pod *corev1.Pod) *diagnosis {
	scheduled := condition(pod, corev1.PodScheduled)
	if scheduled == nil || scheduled.Status == corev1.ConditionTrue {
		if claim := s.pendingClaim(pod); claim != nil && s.isAwaited(claim) {
			return claim
		}
		return &diagnosis{reason: ReasonRolloutInProgress, message: "its pod waits for a node"}
	}
	if scheduled.Reason == corev1.PodReasonSchedulingGated {
		var gates []string
		for _, gate := range pod.Spec.SchedulingGates {
			gates = append(gates, gate.Name)
		}
		return &diagnosis{reason: ReasonUnschedulable, message: "its pod is held back by scheduling gate " + strings.Join(gates, ", ")}
	}
	why := placement(scheduled.Message)
	if mentionsVolumes(why) {
		if claim := s.pendingClaim(pod); claim != nil {
			return claim
		}
	}
	return &diagnosis{reason: ReasonUnschedulable, message: "no node can take its pod: " + why}
}

func (s *scene) isAwaited(claim *diagnosis) bool {
	for name, each := range s.claims {
		if name.Name == claim.cause.Name && name.Namespace == claim.cause.Namespace {
			return each.Annotations[selectedNodeAnnotation] != ""
		}
	}
	return false
}

// placement shortens the scheduler's message to what keeps nodes from taking the pod.
func placement(message string) string {
	message, _, _ = strings.Cut(message, " preemption:")
	message, _, _ = strings.Cut(message, " no new claims to deallocate")
	return oneLine(message)
}

func mentionsVolumes(message string) bool {
	lower := strings.ToLower(message)
	return strings.Contains(lower, "persistentvolumeclaim") || strings.Contains(lower, "volume")
}

// initObstacle looks at init containers, which run one after the other before all others start.
func (s *scene) initObstacle(pod *corev1.Pod) *diagnosis {
	if len(pod.Status.InitContainerStatuses) == 0 {
		return nil
	}
	if initialized := condition(pod, corev1.PodInitialized); initialized != nil && initialized.Status == corev1.ConditionTrue {
		return s.containerObstacle(pod, sidecars(pod), "sidecar ")
	}
	for i := range pod.Status.InitContainerStatuses {
		container := &pod.Status.InitContainerStatuses[i]
		ended := container.State.Terminated
		if ended != nil && ended.ExitCode == 0 || container.Started != nil && *container.Started && isSidecar(pod, container.Name) {
			continue
		}
		if found := s.diagnoseContainer(pod, container, "init container "+container.Name); found != nil {
			return found
		}
		if container.State.Running != nil {
			return &diagnosis{reason: ReasonInitRunning, message: fmt.Sprintf("init container %s has not finished", container.Name)}
		}
		return nil
	}
	return nil
}

func sidecars(pod *corev1.Pod) []corev1.ContainerStatus {
	return slices.DeleteFunc(slices.Clone(pod.Status.InitContainerStatuses), func(c corev1.ContainerStatus) bool { return !isSidecar(pod, c.Name) })
}

func isSidecar(pod *corev1.Pod, name string) bool {
	return slices.ContainsFunc(pod.Spec.InitContainers, func(c corev1.Container) bool {
		return c.Name == name && c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
	})
}

// containerObstacle returns the worst of what is wrong with containers; of equals, the first.
func (s *scene) containerObstacle(pod *corev1.Pod, containers []corev1.ContainerStatus, sort string) *diagnosis {
	var worst *diagnosis
	for i := range containers {
		found := s.diagnoseContainer(pod, &containers[i], sort+"container "+containers[i].Name)
		if found != nil && (worst == nil || rank[found.reason] < rank[worst.reason]) {
			worst = found
		}
	}
	return worst
}

// failedContainer says how a finished pod ended: the first container that did not end well.
func (s *scene) failedContainer(pod *corev1.Pod) *diagnosis {
	all := slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
	for i := range all {
		ended := all[i].State.Terminated
		if ended == nil {
			ended = all[i].LastTerminationState.Terminated
		}
		if ended == nil || ended.ExitCode == 0 {
			continue
		}
		return s.ended(pod, &all[i], ended, "container "+all[i].Name)
	}
	return nil
}

func condition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

func podID(pod *corev1.Pod) render.ID {
	return render.ID{Version: "v1", Kind: podKind.Kind, Namespace: pod.Namespace, Name: pod.Name}
}
