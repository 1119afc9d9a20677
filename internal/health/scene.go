package health

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/dpi-operator/dpi-operator/internal/render"
)

// Kinds that are looked into.
var (
	deploymentKind  = schema.GroupKind{Group: "apps", Kind: "Deployment"}
	statefulSetKind = schema.GroupKind{Group: "apps", Kind: "StatefulSet"}
	daemonSetKind   = schema.GroupKind{Group: "apps", Kind: "DaemonSet"}
	replicaSetKind  = schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}
	jobKind         = schema.GroupKind{Group: "batch", Kind: "Job"}
	podKind         = schema.GroupKind{Kind: "Pod"}
	claimKind       = schema.GroupKind{Kind: "PersistentVolumeClaim"}
)

// scene is the input, indexed.
type scene struct {
	Input

	byID     map[render.ID]*unstructured.Unstructured
	pods     []*corev1.Pod
	children map[types.UID][]*unstructured.Unstructured
	claims   map[types.NamespacedName]*corev1.PersistentVolumeClaim
	// mounted claims are those a pod wants.
	mounted  map[types.NamespacedName]bool
	vanished map[render.ID]bool
}

func newScene(in Input) *scene {
	s := &scene{
		Input:    in,
		byID:     make(map[render.ID]*unstructured.Unstructured, len(in.Objects)),
		children: map[types.UID][]*unstructured.Unstructured{},
		claims:   map[types.NamespacedName]*corev1.PersistentVolumeClaim{},
		mounted:  map[types.NamespacedName]bool{},
		vanished: map[render.ID]bool{},
	}
	for _, id := range in.MayVanish {
		s.vanished[id.Unversioned()] = true
	}
	for i := range in.Objects {
		s.add(&in.Objects[i])
	}
	slices.SortFunc(s.pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return s
}

func (s *scene) add(object *unstructured.Unstructured) {
	id := render.IDOf(object).Unversioned()
	if s.byID[id] != nil {
		return
	}
	s.byID[id] = object
	if owner := metav1.GetControllerOf(object); owner != nil {
		s.children[owner.UID] = append(s.children[owner.UID], object)
	}
	switch object.GroupVersionKind().GroupKind() {
	case podKind:
		if pod := typed[corev1.Pod](object); pod != nil {
			s.pods = append(s.pods, pod)
			for _, name := range claimNames(pod) {
				s.mounted[name] = true
			}
		}
	case claimKind:
		if claim := typed[corev1.PersistentVolumeClaim](object); claim != nil {
			s.claims[types.NamespacedName{Namespace: claim.Namespace, Name: claim.Name}] = claim
		}
	}
}

// typed converts a built-in object; nil if it is not what its kind says, which no API server lets happen.
func typed[T any](object *unstructured.Unstructured) *T {
	into := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into); err != nil {
		return nil
	}
	return into
}

func claimNames(pod *corev1.Pod) []types.NamespacedName {
	var names []types.NamespacedName
	for i := range pod.Spec.Volumes {
		volume := &pod.Spec.Volumes[i]
		switch {
		case volume.PersistentVolumeClaim != nil:
			names = append(names, types.NamespacedName{Namespace: pod.Namespace, Name: volume.PersistentVolumeClaim.ClaimName})
		case volume.Ephemeral != nil:
			names = append(names, types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name + "-" + volume.Name})
		}
	}
	return names
}

// podsOf returns the pods that a workload answers for, by name: those of its newest ReplicaSet where it is a Deployment.
func (s *scene) podsOf(workload *unstructured.Unstructured) []*corev1.Pod {
	owner := workload
	if workload.GroupVersionKind().GroupKind() == deploymentKind {
		owner = s.newestReplicaSet(workload)
		if owner == nil {
			return s.podsSelectedBy(workload)
		}
	}
	var pods []*corev1.Pod
	for _, pod := range s.pods {
		if by := metav1.GetControllerOf(pod); by != nil && by.UID == owner.GetUID() {
			pods = append(pods, pod)
		}
	}
	return pods
}

func (s *scene) newestReplicaSet(deployment *unstructured.Unstructured) *unstructured.Unstructured {
	const revisionAnnotation = "deployment.kubernetes.io/revision"
	var newest *unstructured.Unstructured
	newer := func(a, b *unstructured.Unstructured) int {
		left, right := a.GetAnnotations()[revisionAnnotation], b.GetAnnotations()[revisionAnnotation]
		return cmp.Or(cmp.Compare(len(left), len(right)), strings.Compare(left, right), strings.Compare(a.GetName(), b.GetName()))
	}
	for _, child := range s.children[deployment.GetUID()] {
		if child.GroupVersionKind().GroupKind() == replicaSetKind && (newest == nil || newer(child, newest) > 0) {
			newest = child
		}
	}
	return newest
}

// podsSelectedBy serves where the ReplicaSets between are not seen.
func (s *scene) podsSelectedBy(workload *unstructured.Unstructured) []*corev1.Pod {
	raw, found, err := unstructured.NestedMap(workload.Object, "spec", "selector")
	if !found || err != nil {
		return nil
	}
	var stated metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, &stated); err != nil {
		return nil
	}
	selector, err := metav1.LabelSelectorAsSelector(&stated)
	if err != nil || selector.Empty() {
		return nil
	}
	var pods []*corev1.Pod
	for _, pod := range s.pods {
		if pod.Namespace == workload.GetNamespace() && selector.Matches(labels.Set(pod.Labels)) {
			pods = append(pods, pod)
		}
	}
	return pods
}

// warning returns the message of a warning about an object, for the first of the reasons that has one.
func (s *scene) warning(kind, namespace, name string, reasons ...string) string {
	for _, reason := range reasons {
		var messages []string
		for _, each := range s.Warnings {
			if each.Kind == kind && each.Namespace == namespace && each.Name == name && each.Reason == reason {
				messages = append(messages, each.Message)
			}
		}
		if len(messages) > 0 {
			// Events come in any order; the same set gives the same sentence.
			return oneLine(slices.Min(messages))
		}
	}
	return ""
}
