package infer

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Rendered is what a release would bring into the cluster.
type Rendered struct {
	// Namespace of the release: that of objects which say none.
	Namespace string
	// Objects, hooks and definitions included.
	Objects []*unstructured.Unstructured
	// Secrets that are made for the release beside its objects.
	Secrets []string
}

// Of returns what a release brings for others and what it uses without bringing it itself, each sorted and bounded. What
// every cluster and namespace has is left out, and references that are optional.
func Of(rendered Rendered) (brings, uses []Thing) {
	brought, used := newSet(rendered.Namespace), newSet(rendered.Namespace)
	for _, name := range rendered.Secrets {
		brought.add("Secret", "", name)
	}
	for _, object := range rendered.Objects {
		bringsOf(object, brought)
		usesOf(object, used)
	}
	for thing := range brought.things {
		delete(used.things, thing)
	}
	for _, thing := range given {
		delete(used.things, thing)
	}
	return brought.bounded(), used.bounded()
}

// given exist wherever something can be installed.
var given = []Thing{
	"Namespace/default", "Namespace/kube-system", "Namespace/kube-public", "Namespace/kube-node-lease", "ServiceAccount/default",
	"ConfigMap/kube-root-ca.crt", "PriorityClass/system-cluster-critical", "PriorityClass/system-node-critical",
}

// builtinGroups are served by every cluster.
var builtinGroups = []string{
	"", "apps", "batch", "autoscaling", "policy", "extensions", "rbac.authorization.k8s.io", "networking.k8s.io", "storage.k8s.io",
	"scheduling.k8s.io", "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "authentication.k8s.io",
	"authorization.k8s.io", "certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io",
	"flowcontrol.apiserver.k8s.io", "node.k8s.io", "resource.k8s.io", "storagemigration.k8s.io",
}

func bringsOf(object *unstructured.Unstructured, brought set) {
	gvk, name, namespace := object.GroupVersionKind(), object.GetName(), object.GetNamespace()
	switch gvk.Kind {
	case "CustomResourceDefinition":
		brought.addKind(text(object, "spec", "group"), text(object, "spec", "names", "kind"))
	case "Certificate":
		brought.add("Secret", namespace, text(object, "spec", "secretName"))
	case "ExternalSecret":
		target := text(object, "spec", "target", "name")
		if target == "" {
			target = name
		}
		brought.add("Secret", namespace, target)
	case "SealedSecret":
		brought.add("Secret", namespace, name)
	default:
		// A Secret of some custom group is not the one that pods refer to.
		if slices.Contains(kinds, gvk.Kind) && gvk.Group == groups[gvk.Kind].Group {
			brought.add(gvk.Kind, namespace, name)
		}
	}
}

func usesOf(object *unstructured.Unstructured, used set) {
	gvk, namespace := object.GroupVersionKind(), object.GetNamespace()
	if !slices.Contains(builtinGroups, gvk.Group) {
		used.addKind(gvk.Group, gvk.Kind)
	}
	if namespace != "" && namespace != used.namespace {
		used.add("Namespace", "", namespace)
	}
	switch gvk.Kind {
	case "PersistentVolumeClaim":
		used.add("StorageClass", "", text(object, "spec", "storageClassName"))
	case "Ingress":
		used.add("IngressClass", "", text(object, "spec", "ingressClassName"))
		used.add("IngressClass", "", object.GetAnnotations()["kubernetes.io/ingress.class"])
	case "Certificate":
		issuer, _, _ := unstructured.NestedStringMap(object.Object, "spec", "issuerRef")
		useIssuer(used, namespace, issuer)
	}
	useIssuerOfAnnotations(object, used)
	usePods(object, used)
}

// useIssuer takes a reference to an issuer. One of another group is a custom kind that nothing is known of.
func useIssuer(used set, namespace string, reference map[string]string) {
	switch group := reference["group"]; {
	case group != "" && group != issuerGroup:
	case reference["kind"] == "ClusterIssuer":
		used.add("ClusterIssuer", "", reference["name"])
	default:
		used.add("Issuer", namespace, reference["name"])
	}
}

func useIssuerOfAnnotations(object *unstructured.Unstructured, used set) {
	annotations := object.GetAnnotations()
	used.add("ClusterIssuer", "", annotations["cert-manager.io/cluster-issuer"])
	useIssuer(used, object.GetNamespace(), map[string]string{
		"name": annotations["cert-manager.io/issuer"], "kind": annotations["cert-manager.io/issuer-kind"],
		"group": annotations["cert-manager.io/issuer-group"],
	})
}

// podSpecs says where the kinds that run pods have their specification.
var podSpecs = map[string][]string{
	"Pod":        {"spec"},
	"Deployment": {"spec", "template", "spec"}, "StatefulSet": {"spec", "template", "spec"}, "DaemonSet": {"spec", "template", "spec"},
	"ReplicaSet": {"spec", "template", "spec"}, "ReplicationController": {"spec", "template", "spec"}, "Job": {"spec", "template", "spec"},
	"CronJob": {"spec", "jobTemplate", "spec", "template", "spec"},
}

func usePods(object *unstructured.Unstructured, used set) {
	path, runsPods := podSpecs[object.GetKind()]
	if !runsPods || !slices.Contains(builtinGroups, object.GroupVersionKind().Group) {
		return
	}
	templates, _, _ := unstructured.NestedSlice(object.Object, "spec", "volumeClaimTemplates")
	for _, template := range templates {
		if claim, isMap := template.(map[string]any); isMap {
			used.add("StorageClass", "", text(&unstructured.Unstructured{Object: claim}, "spec", "storageClassName"))
		}
	}
	content, found, _ := unstructured.NestedMap(object.Object, path...)
	var spec corev1.PodSpec
	// What is malformed the cluster refuses with a better message.
	if !found || runtime.DefaultUnstructuredConverter.FromUnstructured(content, &spec) != nil {
		return
	}
	usePod(pod{set: used, namespace: object.GetNamespace()}, &spec)
}

func text(object *unstructured.Unstructured, path ...string) string {
	value, _, _ := unstructured.NestedString(object.Object, path...)
	return value
}
