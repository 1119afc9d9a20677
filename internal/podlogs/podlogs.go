package podlogs

import (
	"context"
	"fmt"
	"io"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/health"
)

// maxBytes bounds what is read of one log.
const maxBytes = 8 << 10

// Reader reads logs with the operator's own rights.
type Reader struct {
	clients kubernetes.Interface
}

// New returns a Reader for the cluster.
func New(config *rest.Config) (*Reader, error) {
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("prepare the log reader: %w", err)
	}
	return &Reader{clients: clients}, nil
}

// Tail returns at most that many lines of the newest pod of a Job, or of a Pod itself; nothing where there is no pod.
func (r *Reader) Tail(ctx context.Context, object client.Object, lines int) (string, error) {
	pod, err := r.podOf(ctx, object)
	if err != nil || pod == nil {
		return "", err
	}
	return r.Container(ctx, health.LogSource{Namespace: pod.Namespace, Pod: pod.Name, Container: failedContainer(pod)}, lines)
}

// Container returns at most that many lines of a container's log.
func (r *Reader) Container(ctx context.Context, source health.LogSource, lines int) (string, error) {
	stream, err := r.clients.CoreV1().Pods(source.Namespace).GetLogs(source.Pod, &corev1.PodLogOptions{
		Container: source.Container, Previous: source.Previous, TailLines: new(int64(lines)), LimitBytes: new(int64(maxBytes)),
	}).Stream(ctx)
	if err != nil {
		return "", fmt.Errorf("read the log of pod %s: %w", source.Pod, err)
	}
	defer func() { _ = stream.Close() }()
	data, err := io.ReadAll(io.LimitReader(stream, maxBytes))
	return strings.TrimSpace(string(data)), err
}

func (r *Reader) podOf(ctx context.Context, object client.Object) (*corev1.Pod, error) {
	if pod, ok := object.(*corev1.Pod); ok {
		return pod, nil
	}
	kind := object.GetObjectKind().GroupVersionKind().Kind
	if kind == "Pod" {
		return r.clients.CoreV1().Pods(object.GetNamespace()).Get(ctx, object.GetName(), metav1.GetOptions{})
	}
	pods, err := r.clients.CoreV1().Pods(object.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: "batch.kubernetes.io/job-name=" + object.GetName()})
	if err != nil || len(pods.Items) == 0 {
		return nil, err
	}
	sort.Slice(pods.Items, func(i, j int) bool {
		return pods.Items[j].CreationTimestamp.Before(&pods.Items[i].CreationTimestamp)
	})
	return &pods.Items[0], nil
}

// failedContainer is the container whose log tells most: the first that ended badly, else the first.
func failedContainer(pod *corev1.Pod) string {
	statuses := append(append([]corev1.ContainerStatus(nil), pod.Status.InitContainerStatuses...), pod.Status.ContainerStatuses...)
	for _, status := range statuses {
		for _, ended := range []*corev1.ContainerStateTerminated{status.State.Terminated, status.LastTerminationState.Terminated} {
			if ended != nil && ended.ExitCode != 0 {
				return status.Name
			}
		}
	}
	if len(pod.Spec.Containers) > 0 {
		return pod.Spec.Containers[0].Name
	}
	return ""
}
