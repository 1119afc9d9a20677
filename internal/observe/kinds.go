package observe

import (
	"cmp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/render"
)

// Kinds with a part of their own.
var (
	podKind        = corev1.SchemeGroupVersion.WithKind("Pod")
	claimKind      = corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim")
	jobKind        = batchv1.SchemeGroupVersion.WithKind("Job")
	deploymentKind = appsv1.SchemeGroupVersion.WithKind("Deployment")
	replicaSetKind = appsv1.SchemeGroupVersion.WithKind("ReplicaSet")
	definitionKind = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}
)

// wholeKinds are cached with their content, trimmed. A type of its own costs a third of what the same object takes as a
// tree of maps, and is decoded from protobuf.
var wholeKinds = map[schema.GroupVersionKind]func() client.Object{
	deploymentKind: func() client.Object { return &appsv1.Deployment{} },
	appsv1.SchemeGroupVersion.WithKind("StatefulSet"): func() client.Object { return &appsv1.StatefulSet{} },
	appsv1.SchemeGroupVersion.WithKind("DaemonSet"):   func() client.Object { return &appsv1.DaemonSet{} },
	replicaSetKind: func() client.Object { return &appsv1.ReplicaSet{} },
	jobKind:        func() client.Object { return &batchv1.Job{} },
	batchv1.SchemeGroupVersion.WithKind("CronJob"): func() client.Object { return &batchv1.CronJob{} },
	podKind:   func() client.Object { return &corev1.Pod{} },
	claimKind: func() client.Object { return &corev1.PersistentVolumeClaim{} },
	corev1.SchemeGroupVersion.WithKind("Service"): func() client.Object { return &corev1.Service{} },
}

// baseKinds are watched for every component: what hooks run, and what workloads of any kind come down to.
var baseKinds = []schema.GroupVersionKind{jobKind, podKind, claimKind}

// secretive kinds are never read with their content.
var secretive = map[schema.GroupKind]bool{
	{Kind: "Secret"}: true, {Kind: "ConfigMap"}: true,
}

// settledKinds work as soon as they exist: their metadata tells all.
var settledKinds = map[schema.GroupKind]bool{
	{Kind: "Secret"}: true, {Kind: "ConfigMap"}: true, {Kind: "ServiceAccount"}: true, {Kind: "LimitRange"}: true,
	{Group: "rbac.authorization.k8s.io", Kind: "Role"}:                                true,
	{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}:                         true,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}:                         true,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}:                  true,
	{Group: "networking.k8s.io", Kind: "NetworkPolicy"}:                               true,
	{Group: "networking.k8s.io", Kind: "Ingress"}:                                     true,
	{Group: "networking.k8s.io", Kind: "IngressClass"}:                                true,
	{Group: "policy", Kind: "PodDisruptionBudget"}:                                    true,
	{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}:                           true,
	{Group: "scheduling.k8s.io", Kind: "PriorityClass"}:                               true,
	{Group: "storage.k8s.io", Kind: "StorageClass"}:                                   true,
	{Group: "node.k8s.io", Kind: "RuntimeClass"}:                                      true,
	{Group: "admissionregistration.k8s.io", Kind: "MutatingWebhookConfiguration"}:     true,
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingWebhookConfiguration"}:   true,
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingAdmissionPolicyBinding"}: true,
	{Group: "coordination.k8s.io", Kind: "Lease"}:                                     true,
	{Group: "discovery.k8s.io", Kind: "EndpointSlice"}:                                true,
}

type kindSet map[schema.GroupVersionKind]struct{}

// kindsOf returns the kinds to watch for objects: their own, what stands between them and their pods, and the definitions
// of custom kinds, whose coming and going decides whether those can be watched at all.
func kindsOf(ids []render.ID) kindSet {
	kinds := kindSet{}
	for _, gvk := range baseKinds {
		kinds[gvk] = struct{}{}
	}
	for _, id := range ids {
		gvk := id.GVK()
		kinds[gvk] = struct{}{}
		if gvk == deploymentKind {
			kinds[replicaSetKind] = struct{}{}
		}
		if isCustom(gvk.Group) {
			kinds[definitionKind] = struct{}{}
		}
	}
	return kinds
}

// isCustom tells custom kinds by their group: the cluster's own groups have no dot, or end in .k8s.io.
func isCustom(group string) bool {
	return strings.Contains(group, ".") && !strings.HasSuffix(group, ".k8s.io")
}

// newObject returns an empty object of the form in which the kind is cached.
func newObject(gvk schema.GroupVersionKind) client.Object {
	if whole, found := wholeKinds[gvk]; found {
		return whole()
	}
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(gvk)
	return object
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	builder := runtime.NewSchemeBuilder(appsv1.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme, metav1.AddMetaToScheme)
	return scheme, builder.AddToScheme(scheme)
}

func sortKinds(kinds []schema.GroupVersionKind) {
	slices.SortFunc(kinds, func(a, b schema.GroupVersionKind) int {
		return cmp.Or(strings.Compare(a.Group, b.Group), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Version, b.Version))
	})
}
