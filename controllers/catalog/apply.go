package catalog

import (
	"context"
	"fmt"
	"reflect"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// read returns the documents of the source by file name.
func (r *Reconciler) read(ctx context.Context, object *v1alpha1.Catalog) (map[string]string, error) {
	source := object.Spec.Source.ConfigMap
	var config corev1.ConfigMap
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: object.Namespace, Name: source.Name}, &config)
	if apierrors.IsNotFound(err) {
		return nil, &refusal{reason: v1alpha1.ReasonSourceNotFound, message: "Waiting for ConfigMap " + source.Name}
	}
	if err != nil {
		return nil, fmt.Errorf("read ConfigMap %s: %w", source.Name, err)
	}
	documents := map[string]string{}
	for name, text := range config.Data {
		if strings.HasSuffix(name, ".yaml") {
			documents[name] = text
		}
	}
	if len(documents) == 0 {
		return nil, invalid("ConfigMap %s has no key that ends in .yaml", source.Name)
	}
	return documents, nil
}

// apply makes the namespace hold exactly the entries of the source. Names that someone else holds are refused before
// anything is written.
func (r *Reconciler) apply(ctx context.Context, object *v1alpha1.Catalog, wanted entries) error {
	held, err := r.held(ctx, object)
	if err != nil {
		return err
	}
	if len(held.foreign) > 0 {
		if clash := clashes(wanted, held.foreign); len(clash) > 0 {
			return &refusal{reason: v1alpha1.ReasonEntryConflict, message: fmt.Sprintf(
				"Held by another catalogue or made by hand: %s; delete them or take them out of the source", strings.Join(clash, ", "))}
		}
	}
	keep := map[string]bool{}
	for _, entry := range wanted.objects {
		key, err := r.key(entry)
		if err != nil {
			return err
		}
		keep[key] = true
		fields, err := r.fields(object, entry)
		if err != nil {
			return err
		}
		if object.Status.Digest == wanted.digest && says(held.own[key], fields) {
			continue
		}
		if err := r.applyEntry(ctx, fields); err != nil {
			return err
		}
	}
	for key, entry := range held.own {
		if keep[key] {
			continue
		}
		if err := r.Client.Delete(ctx, entry); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete %s: %w", key, err)
		}
	}
	return nil
}

// holdings are the entries in the catalogue's namespace, by kind and name.
type holdings struct {
	own, foreign map[string]client.Object
}

func (r *Reconciler) held(ctx context.Context, object *v1alpha1.Catalog) (holdings, error) {
	out := holdings{own: map[string]client.Object{}, foreign: map[string]client.Object{}}
	var goods v1alpha1.DigitalPublicGoodList
	var contracts v1alpha1.InterfaceContractList
	var templates v1alpha1.StackTemplateList
	for _, list := range []client.ObjectList{&goods, &contracts, &templates} {
		if err := r.Client.List(ctx, list, client.InNamespace(object.Namespace)); err != nil {
			return out, fmt.Errorf("read the catalogue: %w", err)
		}
	}
	var all []client.Object
	for i := range goods.Items {
		all = append(all, &goods.Items[i])
	}
	for i := range contracts.Items {
		all = append(all, &contracts.Items[i])
	}
	for i := range templates.Items {
		all = append(all, &templates.Items[i])
	}
	for _, entry := range all {
		key, err := r.key(entry)
		if err != nil {
			return out, err
		}
		if metav1.IsControlledBy(entry, object) {
			out.own[key] = entry
		} else {
			out.foreign[key] = entry
		}
	}
	return out, nil
}

func clashes(wanted entries, foreign map[string]client.Object) []string {
	var out []string
	for key, entry := range foreign {
		for _, mine := range wanted.objects {
			if mine.GetName() == entry.GetName() && fmt.Sprintf("%T", mine) == fmt.Sprintf("%T", entry) {
				out = append(out, key)
			}
		}
	}
	sort.Strings(out)
	return out
}

func (r *Reconciler) key(entry client.Object) (string, error) {
	kind, err := r.Client.GroupVersionKindFor(entry)
	return kind.Kind + " " + entry.GetName(), err
}

// fields is the entry as the catalogue writes it.
func (r *Reconciler) fields(object *v1alpha1.Catalog, entry client.Object) (*unstructured.Unstructured, error) {
	kind, err := r.Client.GroupVersionKindFor(entry)
	if err != nil {
		return nil, err
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(entry)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", entry.GetName(), err)
	}
	out := &unstructured.Unstructured{Object: fields}
	unstructured.RemoveNestedField(out.Object, "metadata", "creationTimestamp")
	out.SetGroupVersionKind(kind)
	out.SetNamespace(object.Namespace)
	labels := out.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[v1alpha1.CatalogLabel] = object.Name
	out.SetLabels(labels)
	out.SetOwnerReferences([]metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "Catalog", Name: object.Name, UID: object.UID, Controller: new(true),
	}})
	return out, nil
}

// says reports whether the live entry has everything the catalogue writes. What the API server added is not looked at.
func says(live client.Object, wanted *unstructured.Unstructured) bool {
	if live == nil || live.GetLabels()[v1alpha1.CatalogLabel] != wanted.GetLabels()[v1alpha1.CatalogLabel] {
		return false
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live)
	return err == nil && contains(fields["spec"], wanted.Object["spec"])
}

// contains reports whether every field of part is in whole with the same value. Lists must have the same length.
func contains(whole, part any) bool {
	switch part := part.(type) {
	case map[string]any:
		all, ok := whole.(map[string]any)
		for key, value := range part {
			ok = ok && contains(all[key], value)
		}
		return ok
	case []any:
		all, ok := whole.([]any)
		ok = ok && len(all) == len(part)
		for i := 0; ok && i < len(part); i++ {
			ok = contains(all[i], part[i])
		}
		return ok
	default:
		return reflect.DeepEqual(whole, part)
	}
}

func (r *Reconciler) applyEntry(ctx context.Context, entry *unstructured.Unstructured) error {
	err := r.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(entry), client.FieldOwner(v1alpha1.FieldOwner), client.ForceOwnership)
	if apierrors.IsInvalid(err) {
		return invalid("%s %s: %v", entry.GetKind(), entry.GetName(), err)
	}
	if err != nil {
		return fmt.Errorf("apply %s %s: %w", entry.GetKind(), entry.GetName(), err)
	}
	return nil
}
