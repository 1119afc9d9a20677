package parity_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/internal/helm/oracle"
)

// snapshot is all that a step left behind, without what must differ between two namespaces and two moments.
type snapshot struct {
	// Objects by kind and name.
	Objects map[string]object
	// Trace of hooks and objects, in their order.
	Trace []string
	// History as `helm history` shows it.
	History []revision
	// Listed is what `helm list` shows.
	Listed []revision
	// Record of the latest revision as Helm reads it; nil where there is none.
	Record *record
}

type object = map[string]any

type revision struct {
	Number                              int
	Status, Chart, Version, Description string
}

type record struct {
	Status, AppVersion, Notes string
	Labels                    map[string]string
	Values, AllValues         map[string]any
	// Documents of the manifest in their order, each with its template and what it holds.
	Documents []string
	// Manifest has its objects by kind and name; lists are taken apart.
	Manifest map[string]object
	Hooks    []hook
	// Templates and Files of the chart that were kept.
	Templates, Files int
}

type hook struct {
	oracle.Hook
	Object object
}

// kinds are all that the charts of the corpus have; a chart with another one fails its test.
var kinds = []schema.GroupVersionKind{
	{Version: "v1", Kind: "ConfigMap"}, {Version: "v1", Kind: "Secret"}, {Version: "v1", Kind: "Service"}, {Version: "v1", Kind: "ServiceAccount"},
	{Version: "v1", Kind: "PersistentVolumeClaim"}, {Group: "apps", Version: "v1", Kind: "Deployment"},
	{Group: "apps", Version: "v1", Kind: "StatefulSet"}, {Group: "batch", Version: "v1", Kind: "Job"}, {Group: "batch", Version: "v1", Kind: "CronJob"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"}, {Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "Role"},
}

var clusterKinds = []schema.GroupVersionKind{
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRoleBinding"},
	{Group: "scheduling.k8s.io", Version: "v1", Kind: "PriorityClass"},
	{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"},
}

// snapshot looks at everything that the releases of this world have left by now.
func (w *world) snapshot() *snapshot {
	w.t.Helper()
	s := &snapshot{Objects: map[string]object{}}
	for _, item := range w.objects() {
		s.Objects[w.key(item)] = w.normalised(item)
	}
	for _, listed := range must(w.helm.List())(w.t) {
		s.Listed = append(s.Listed, revisionOf(listed))
	}
	for _, each := range w.history() {
		s.History = append(s.History, revisionOf(each))
	}
	if len(s.History) > 0 {
		s.Record = w.record()
	}
	return s
}

func revisionOf(r oracle.Release) revision {
	return revision{Number: r.Revision, Status: r.Status, Chart: r.Chart, Version: r.Version, Description: r.Description}
}

// objects lists what the releases of this world have in the cluster, records left out.
func (w *world) objects() []*unstructured.Unstructured {
	w.t.Helper()
	var found []*unstructured.Unstructured
	for _, kind := range kinds {
		found = append(found, w.list(kind, client.InNamespace(w.namespace))...)
		found = append(found, w.list(kind, client.InNamespace(w.other()))...)
	}
	found = append(found, w.list(schema.GroupVersionKind{Group: w.group(), Version: "v1", Kind: "Widget"}, client.InNamespace(w.namespace))...)
	for _, kind := range clusterKinds {
		for _, item := range w.list(kind) {
			if strings.Contains(item.GetName(), w.namespace) {
				found = append(found, item)
			}
		}
	}
	return slices.DeleteFunc(found, func(item *unstructured.Unstructured) bool {
		return item.GetName() == "kube-root-ca.crt" || strings.HasPrefix(item.GetName(), "sh.helm.release") || strings.HasPrefix(item.GetName(), markerPrefix)
	})
}

func (w *world) list(kind schema.GroupVersionKind, options ...client.ListOption) []*unstructured.Unstructured {
	w.t.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := people.List(w.t.Context(), list, options...); !meta.IsNoMatchError(err) {
		w.check(err)
	}
	found := make([]*unstructured.Unstructured, 0, len(list.Items))
	for i := range list.Items {
		found = append(found, &list.Items[i])
	}
	return found
}

// key names an object the same way in each world.
func (w *world) key(item *unstructured.Unstructured) string {
	name := item.GetKind() + " " + item.GetName()
	if namespace := item.GetNamespace(); namespace != "" && namespace != w.namespace {
		name = item.GetKind() + " " + namespace + "/" + item.GetName()
	}
	return strings.ReplaceAll(name, w.namespace, "NAMESPACE")
}

// normalised is a copy without what the API server makes up and what is the world's own.
func (w *world) normalised(item *unstructured.Unstructured) object {
	w.t.Helper()
	item = item.DeepCopy()
	for _, path := range [][]string{
		{"metadata", "uid"}, {"metadata", "resourceVersion"}, {"metadata", "creationTimestamp"}, {"metadata", "managedFields"},
		{"metadata", "generation"}, {"spec", "clusterIP"}, {"spec", "clusterIPs"}, {"status"},
	} {
		unstructured.RemoveNestedField(item.Object, path...)
	}
	if item.GetKind() == "Job" {
		for _, path := range [][]string{{"metadata", "labels"}, {"spec", "template", "metadata", "labels"}, {"spec", "selector", "matchLabels"}} {
			for _, label := range []string{"controller-uid", "batch.kubernetes.io/controller-uid"} {
				unstructured.RemoveNestedField(item.Object, append(slices.Clone(path), label)...)
			}
		}
	}
	w.hideRandom(item)
	return w.translated(item.Object)
}

// translated replaces the world's name.
func (w *world) translated(from object) object {
	w.t.Helper()
	text := strings.ReplaceAll(string(must(json.Marshal(from))(w.t)), w.namespace, "NAMESPACE")
	var plain object
	w.check(json.Unmarshal([]byte(text), &plain))
	return plain
}

// seen is the last value of something random, and how many values it had before.
type seen struct {
	digest     [sha256.Size]byte
	generation int
}

// hideRandom puts the shape of a random value in its place, and which one it is: a value that should have been kept and
// was made anew shows.
func (w *world) hideRandom(item *unstructured.Unstructured) {
	w.t.Helper()
	data, _, _ := unstructured.NestedStringMap(item.Object, "data")
	for key, value := range data {
		if !strings.HasPrefix(key, "random") {
			continue
		}
		plain := value
		if item.GetKind() == "Secret" {
			plain = string(must(base64.StdEncoding.DecodeString(value))(w.t))
		}
		known := w.seen[w.key(item)+" "+key]
		if digest := sha256.Sum256([]byte(plain)); digest != known.digest {
			known = seen{digest: digest, generation: known.generation + 1}
			w.seen[w.key(item)+" "+key] = known
		}
		data[key] = fmt.Sprintf("random value %d of %d letters", known.generation, len(plain))
		w.check(unstructured.SetNestedStringMap(item.Object, data, "data"))
	}
}

// record is what Helm's own get commands show of the latest revision.
func (w *world) record() *record {
	w.t.Helper()
	details := must(w.helm.Details(app))(w.t)
	status := must(w.helm.Status(app))(w.t)
	if details.FirstDeployed.IsZero() || details.LastDeployed.Before(details.FirstDeployed) {
		w.t.Errorf("first deployed %s, last %s", details.FirstDeployed, details.LastDeployed)
	}
	r := &record{
		Status: status.Status, AppVersion: details.AppVersion, Notes: details.Notes, Labels: map[string]string{},
		Values: must(w.helm.Values(app))(w.t), AllValues: must(w.helm.AllValues(app))(w.t),
		Manifest: map[string]object{}, Templates: details.Templates, Files: details.Files,
	}
	maps.Copy(r.Labels, details.Labels)
	for _, moment := range []string{"createdAt", "modifiedAt"} {
		delete(r.Labels, moment)
	}
	if r.Values == nil {
		r.Values = map[string]any{}
	}
	source := ""
	for document := range strings.SplitSeq("\n"+details.Manifest, "\n---\n") {
		for line := range strings.Lines(document) {
			if named, isSource := strings.CutPrefix(line, "# Source: "); isSource {
				source = strings.TrimSpace(named)
			}
		}
		items := w.parsed(document + "\n")
		if len(items) == 0 {
			continue
		}
		names := []string{}
		for _, item := range items {
			r.Manifest[w.key(item)] = w.rendered(item)
			names = append(names, w.key(item))
		}
		r.Documents = append(r.Documents, source+": "+strings.Join(names, ", "))
	}
	for _, each := range details.HookDetails {
		items := w.parsed(each.Manifest)
		if len(items) != 1 {
			w.t.Fatalf("hook %s has %d objects", each.Name, len(items))
		}
		each.Manifest, each.Name = "", strings.ReplaceAll(each.Name, w.namespace, "NAMESPACE")
		r.Hooks = append(r.Hooks, hook{Hook: each, Object: w.rendered(items[0])})
	}
	return r
}

// parsed reads the objects of a document, taking lists apart.
func (w *world) parsed(document string) []*unstructured.Unstructured {
	w.t.Helper()
	var content object
	w.check(yaml.Unmarshal([]byte(document), &content))
	if content == nil {
		return nil
	}
	item := &unstructured.Unstructured{Object: content}
	if !item.IsList() {
		return []*unstructured.Unstructured{item}
	}
	var items []*unstructured.Unstructured
	w.check(item.EachListItem(func(each runtime.Object) error {
		items = append(items, each.(*unstructured.Unstructured))
		return nil
	}))
	return items
}

// rendered is an object of a manifest. What is random in it is compared in the cluster.
func (w *world) rendered(item *unstructured.Unstructured) object {
	for _, field := range []string{"data", "stringData"} {
		values, _, _ := unstructured.NestedStringMap(item.Object, field)
		for key := range values {
			if strings.HasPrefix(key, "random") {
				w.check(unstructured.SetNestedField(item.Object, "random", field, key))
			}
		}
	}
	return w.translated(item.Object)
}
