package health

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// diagnoseContainer says what is wrong with a container; nil if it is ready, or has not got that far. The subject names it.
func (s *scene) diagnoseContainer(pod *corev1.Pod, container *corev1.ContainerStatus, subject string) *diagnosis {
	last := container.LastTerminationState.Terminated
	switch {
	case container.State.Waiting != nil:
		return s.waiting(pod, container, subject)
	case container.State.Terminated != nil:
		return s.ended(pod, container, container.State.Terminated, subject)
	case container.State.Running == nil || container.Ready:
		return nil
	case container.RestartCount > 0 && last != nil:
		// Between two crashes it runs for a while: the situation, and so the sentence, is still the same.
		return s.ended(pod, container, last, subject)
	case strings.HasPrefix(subject, "init "):
		return nil
	}
	message := subject + " runs but is not ready"
	if probe := s.warning(podKind.Kind, pod.Namespace, pod.Name, "Unhealthy"); probe != "" {
		message += ": " + redact(probe)
	}
	return &diagnosis{reason: ReasonNotReady, message: message, logs: logsOf(pod, container, false)}
}

// waiting explains why a container does not run.
func (s *scene) waiting(pod *corev1.Pod, container *corev1.ContainerStatus, subject string) *diagnosis {
	last := container.LastTerminationState.Terminated
	why := container.State.Waiting
	switch why.Reason {
	case "ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed":
		return &diagnosis{reason: ReasonImagePullBackOff, message: fmt.Sprintf("%s cannot pull image %s%s", subject, imageOf(pod, container), pullProblem(why.Message))}
	case "ErrImageNeverPull":
		return &diagnosis{reason: ReasonImagePullBackOff, message: fmt.Sprintf("%s may not pull image %s, which is not on the node", subject, imageOf(pod, container))}
	case "InvalidImageName":
		return &diagnosis{reason: ReasonImagePullBackOff, message: fmt.Sprintf("%s names an image that is none: %s", subject, imageOf(pod, container))}
	case "CreateContainerConfigError":
		return &diagnosis{reason: ReasonConfigError, message: fmt.Sprintf("%s cannot be configured: %s", subject, oneLine(why.Message))}
	case "CreateContainerError", "RunContainerError", "PreStartHookError", "PostStartHookError":
		return &diagnosis{reason: ReasonCannotStart, message: fmt.Sprintf("%s cannot be started: %s", subject, startProblem(why.Message))}
	}
	if last != nil {
		return s.ended(pod, container, last, subject)
	}
	if strings.HasPrefix(subject, "init ") {
		return nil
	}
	return s.starting(pod)
}

// ended explains a container by how it ended, now or the last time.
func (s *scene) ended(pod *corev1.Pod, container *corev1.ContainerStatus, end *corev1.ContainerStateTerminated, subject string) *diagnosis {
	found := &diagnosis{reason: ReasonCrashLoopBackOff, logs: logsOf(pod, container, container.State.Terminated == nil)}
	switch {
	case end.Reason == "OOMKilled":
		found.reason = ReasonOOMKilled
		found.message = subject + " was killed for using more memory than " + memoryLimit(pod, container.Name)
		return found
	case end.Reason == "StartError" || end.Reason == "ContainerCannotRun":
		found.reason, found.logs = ReasonCannotStart, nil
		found.message = fmt.Sprintf("%s cannot be started: %s", subject, startProblem(end.Message))
		return found
	case end.ExitCode == 0 && container.State.Terminated != nil && endsByItself(pod):
		return nil
	case end.ExitCode == 0:
		found.message = subject + " ends without an error although it should keep running"
	default:
		found.message = fmt.Sprintf("%s ends with exit code %d", subject, end.ExitCode)
		if why := s.warning(podKind.Kind, pod.Namespace, pod.Name, "Unhealthy"); strings.HasPrefix(why, "Liveness") {
			found.message += " because it is killed: " + redact(why)
		}
	}
	if end.Message != "" {
		found.message += ": " + lastLines(end.Message)
	}
	return found
}

// endsByItself reports whether containers of the pod may end for good.
func endsByItself(pod *corev1.Pod) bool {
	return pod.Spec.RestartPolicy == corev1.RestartPolicyNever || pod.Spec.RestartPolicy == corev1.RestartPolicyOnFailure
}

func logsOf(pod *corev1.Pod, container *corev1.ContainerStatus, previous bool) *LogSource {
	return &LogSource{Namespace: pod.Namespace, Pod: pod.Name, Container: container.Name, Previous: previous}
}

// imageOf prefers what was asked for: the status may name a digest, or an image that was there before.
func imageOf(pod *corev1.Pod, status *corev1.ContainerStatus) string {
	if container := specOf(pod, status.Name); container != nil && container.Image != "" {
		return container.Image
	}
	return status.Image
}

func specOf(pod *corev1.Pod, name string) *corev1.Container {
	for _, containers := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range containers {
			if containers[i].Name == name {
				return &containers[i]
			}
		}
	}
	return nil
}

func memoryLimit(pod *corev1.Pod, name string) string {
	if container := specOf(pod, name); container != nil {
		if limit, set := container.Resources.Limits[corev1.ResourceMemory]; set {
			return "its limit of " + limit.String()
		}
	}
	return "the node has for it"
}

// pullProblem sorts the causes of a failed pull. The words of container runtimes vary between attempts, these do not.
func pullProblem(message string) string {
	lower := strings.ToLower(message)
	for _, cause := range []struct {
		sentence string
		signs    []string
	}{
		{"the registry has no such image", []string{"not found", "manifest unknown", "name unknown", "does not exist"}},
		{"the registry refuses access", []string{"unauthorized", "authentication required", "access denied", "forbidden", "no basic auth"}},
		{"the registry limits the rate of pulls", []string{"toomanyrequests", "too many requests"}},
		{"the registry's certificate is not trusted", []string{"x509"}},
		{"the registry cannot be reached", []string{"no such host", "connection refused", "i/o timeout", "deadline exceeded", "no route to host", "unexpected eof"}},
		{"the image is not made for this kind of machine", []string{"no match for platform", "exec format"}},
		{"the image's signature is not accepted", []string{"signature"}},
		{"the node's disk is full", []string{"no space left"}},
	} {
		for _, sign := range cause.signs {
			if strings.Contains(lower, sign) {
				return ": " + cause.sentence
			}
		}
	}
	return ""
}

// startProblem leaves of a runtime's message what is at its end: the beginning says which of its parts failed.
func startProblem(message string) string {
	if _, why, found := strings.Cut(message, "unable to start container process: "); found {
		message = why
	}
	return oneLine(redact(message))
}
