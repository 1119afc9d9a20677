package observe

import (
	"fmt"
	"hash/fnv"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/apply"
)

// annotationLimit is the length above which an annotation is not kept.
const annotationLimit = 256

// trim takes out of an object what neither health nor the search for changes needs. It changes the object in place.
func trim(in any) (any, error) {
	object, err := meta.Accessor(in)
	if err != nil {
		return in, nil //nolint:nilerr // a tombstone or a bookmark
	}
	trimMetadata(object)
	switch typed := in.(type) {
	case *corev1.Pod:
		trimPod(typed)
	case *appsv1.Deployment:
		typed.Spec.Template = corev1.PodTemplateSpec{}
	case *appsv1.StatefulSet:
		typed.Spec.Template, typed.Spec.VolumeClaimTemplates = corev1.PodTemplateSpec{}, nil
	case *appsv1.DaemonSet:
		typed.Spec.Template = corev1.PodTemplateSpec{}
	case *appsv1.ReplicaSet:
		typed.Spec.Template = corev1.PodTemplateSpec{}
	case *batchv1.Job:
		typed.Spec.Template = corev1.PodTemplateSpec{}
	case *batchv1.CronJob:
		typed.Spec.JobTemplate = batchv1.JobTemplateSpec{}
	case *unstructured.Unstructured:
		trimTree(typed)
	}
	return in, nil
}

// trimTree is trim for objects that are read one by one. What a definition defines is large and of no interest here.
func trimTree(object *unstructured.Unstructured) {
	switch object.GroupVersionKind() {
	case definitionKind:
		unstructured.RemoveNestedField(object.Object, "spec", "versions")
	case jobKind:
		unstructured.RemoveNestedField(object.Object, "spec", "template")
	default:
		if object.GroupVersionKind().Group == appsv1.GroupName {
			unstructured.RemoveNestedField(object.Object, "spec", "template")
			unstructured.RemoveNestedField(object.Object, "spec", "volumeClaimTemplates")
		}
	}
	if secretive[object.GroupVersionKind().GroupKind()] {
		for _, field := range []string{"data", "binaryData", "stringData"} {
			delete(object.Object, field)
		}
	}
}

// trimMetadata leaves digests where it takes out a long annotation or who manages which fields, so that a change of them can
// still be seen.
func trimMetadata(object metav1.Object) {
	apply.KeepOwnedDigest(object)
	annotations := object.GetAnnotations()
	kept := make(map[string]string, len(annotations))
	for key, value := range annotations {
		switch {
		case key == corev1.LastAppliedConfigAnnotation:
		case len(value) > annotationLimit:
			digest := fnv.New64a()
			_, _ = digest.Write([]byte(value)) // a hash takes everything
			kept[key] = fmt.Sprintf("trimmed:%016x", digest.Sum64())
		default:
			kept[key] = value
		}
	}
	if len(annotations) > 0 {
		object.SetAnnotations(kept)
	}
}

func trimPod(pod *corev1.Pod) {
	spec := pod.Spec
	pod.Spec = corev1.PodSpec{
		NodeName: spec.NodeName, RestartPolicy: spec.RestartPolicy,
		ReadinessGates: spec.ReadinessGates, SchedulingGates: spec.SchedulingGates,
		Containers: trimContainers(spec.Containers), InitContainers: trimContainers(spec.InitContainers),
	}
	for i := range spec.Volumes {
		volume := corev1.Volume{Name: spec.Volumes[i].Name}
		switch {
		case spec.Volumes[i].PersistentVolumeClaim != nil:
			volume.PersistentVolumeClaim = spec.Volumes[i].PersistentVolumeClaim
		case spec.Volumes[i].Ephemeral != nil:
			volume.Ephemeral = &corev1.EphemeralVolumeSource{}
		default:
			continue
		}
		pod.Spec.Volumes = append(pod.Spec.Volumes, volume)
	}
	status := pod.Status
	pod.Status = corev1.PodStatus{
		Phase: status.Phase, Reason: status.Reason, Message: status.Message,
		InitContainerStatuses: trimStatuses(status.InitContainerStatuses), ContainerStatuses: trimStatuses(status.ContainerStatuses),
	}
	for _, c := range status.Conditions {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: c.Type, Status: c.Status, Reason: c.Reason, Message: c.Message, LastTransitionTime: c.LastTransitionTime,
		})
	}
}

func trimContainers(containers []corev1.Container) []corev1.Container {
	trimmed := make([]corev1.Container, 0, len(containers))
	for i := range containers {
		c := corev1.Container{Name: containers[i].Name, Image: containers[i].Image, RestartPolicy: containers[i].RestartPolicy}
		if limit, set := containers[i].Resources.Limits[corev1.ResourceMemory]; set {
			c.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: limit}
		}
		trimmed = append(trimmed, c)
	}
	return trimmed
}

func trimStatuses(statuses []corev1.ContainerStatus) []corev1.ContainerStatus {
	trimmed := make([]corev1.ContainerStatus, 0, len(statuses))
	for i := range statuses {
		s := &statuses[i]
		trimmed = append(trimmed, corev1.ContainerStatus{
			Name: s.Name, Image: s.Image, Ready: s.Ready, Started: s.Started, RestartCount: s.RestartCount,
			State: s.State, LastTerminationState: s.LastTerminationState,
		})
	}
	return trimmed
}

// alike reports whether nothing that was kept of an object changed. Kinds without a generation hide changes of what was
// not kept, so they are never alike, but for pods: nothing rests on the rest of their specification.
func alike(before, after client.Object) bool {
	switch after := after.(type) {
	case *corev1.Pod:
		return alikeTyped(before, after, func(p *corev1.Pod) *metav1.ObjectMeta { return &p.ObjectMeta })
	case *appsv1.Deployment:
		return alikeTyped(before, after, func(d *appsv1.Deployment) *metav1.ObjectMeta { return &d.ObjectMeta })
	case *appsv1.StatefulSet:
		return alikeTyped(before, after, func(s *appsv1.StatefulSet) *metav1.ObjectMeta { return &s.ObjectMeta })
	case *appsv1.DaemonSet:
		return alikeTyped(before, after, func(d *appsv1.DaemonSet) *metav1.ObjectMeta { return &d.ObjectMeta })
	case *appsv1.ReplicaSet:
		return alikeTyped(before, after, func(r *appsv1.ReplicaSet) *metav1.ObjectMeta { return &r.ObjectMeta })
	case *batchv1.Job:
		return alikeTyped(before, after, func(j *batchv1.Job) *metav1.ObjectMeta { return &j.ObjectMeta })
	default:
		return false
	}
}

// alikeTyped compares all but the version. Copies are shallow: nothing but the version differs between them and the cache.
func alikeTyped[T any](before client.Object, after *T, metadata func(*T) *metav1.ObjectMeta) bool {
	old, same := any(before).(*T)
	if !same {
		return false
	}
	left, right := *old, *after
	metadata(&left).ResourceVersion, metadata(&right).ResourceVersion = "", ""
	return equality.Semantic.DeepEqual(&left, &right)
}
