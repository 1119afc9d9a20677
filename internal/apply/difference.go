package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/dpi-operator/dpi-operator/internal/render"
)

// Difference is what applying an object again would change.
type Difference struct {
	// Gone: the object does not exist, or is being deleted.
	Gone, Terminating bool
	// Foreign names who else the object says it belongs to.
	Foreign string
	// Owned is the OwnedDigest of the object that was looked at; empty unless every field we apply is ours.
	Owned string
	// Changed are the fields that would change, sorted.
	Changed []ChangedField

	desired *unstructured.Unstructured
}

// ChangedField is a field with another value than was applied, or none.
type ChangedField struct {
	// Name for people, e.g. `.spec.template.spec.containers[name="web"].image`. It holds no value of the field.
	Name string
	// Pointer into the applied object, e.g. `/spec/template/spec/containers/0/image`.
	Pointer string
	// Writers are the field managers that have it now.
	Writers []string
	// IsOthers: another controller keeps the field by apply, by scaling, or as a certificate's injector; it is not ours.
	IsOthers bool

	path fieldpath.Path
}

// Compare asks the cluster what applying an object again would change, by a dry run of just that: the answer has gone
// through the cluster's own defaults, conversions and admission, so that a value written in another way is none. One read
// and one dry run; it writes nothing. Errors are those of Apply.
func (a *Applier) Compare(ctx context.Context, object *unstructured.Unstructured, owner Ownership) (Difference, error) {
	desired := object.DeepCopy()
	owner.mark(desired)
	live, err := a.Read(ctx, render.IDOf(desired))
	if err != nil {
		return Difference{}, err
	}
	difference := Difference{desired: desired}
	switch {
	case live == nil:
		difference.Gone = true
		return difference, nil
	case live.GetDeletionTimestamp() != nil:
		difference.Gone, difference.Terminating = true, true
		return difference, nil
	}
	difference.Foreign = owner.foreignOwner(live)
	wanted, err := a.apply(ctx, desired, client.ForceOwnership, client.DryRunAll)
	if err != nil {
		return Difference{}, a.classify(ctx, desired, err)
	}
	if difference.Changed, err = changes(live, wanted, desired); err != nil {
		return Difference{}, err
	}
	if OwnedDigest(live) == OwnedDigest(wanted) && len(difference.Changed) == 0 {
		difference.Owned = OwnedDigest(live)
	}
	return difference, nil
}

// Desired is the object with which a difference is undone: what was applied, without the fields that are left as they are.
func (d Difference) Desired(leave func(ChangedField) bool) *unstructured.Unstructured {
	desired := d.desired.DeepCopy()
	for _, field := range d.Changed {
		if leave(field) {
			without(desired.Object, field.path)
		}
	}
	return desired
}

// changes lists the fields of ours, before or after an apply, whose value it would change.
func changes(live, wanted, desired *unstructured.Unstructured) ([]ChangedField, error) {
	before, err := ownedFields(live.GetManagedFields(), isOurs)
	if err != nil {
		return nil, fmt.Errorf("read who manages %s: %w", render.IDOf(live), err)
	}
	after, err := ownedFields(wanted.GetManagedFields(), isOurs)
	if err != nil {
		return nil, fmt.Errorf("read who manages %s: %w", render.IDOf(live), err)
	}
	var changed []ChangedField
	seen := map[string]bool{}
	for path := range before.Union(after).Leaves().All() {
		was, existed := at(live.Object, path)
		is, exists := at(wanted.Object, path)
		if existed == exists && equality.Semantic.DeepEqual(was, is) {
			continue
		}
		path = path.Copy()
		if !existed {
			path = firstAbsent(live.Object, path)
		}
		name := path.String()
		if seen[name] {
			continue
		}
		seen[name] = true
		field := ChangedField{Name: name, Pointer: pointerTo(desired.Object, path), path: path}
		if err := field.attribute(live.GetManagedFields()); err != nil {
			return nil, err
		}
		changed = append(changed, field)
	}
	slices.SortFunc(changed, func(a, b ChangedField) int { return strings.Compare(a.Name, b.Name) })
	return changed, nil
}

// firstAbsent shortens a path to the outermost part that an object lacks: a removed container is one change, not twenty.
func firstAbsent(object map[string]any, path fieldpath.Path) fieldpath.Path {
	for length := 1; length < len(path); length++ {
		if _, exists := at(object, path[:length]); !exists {
			return path[:length]
		}
	}
	return path
}

// attribute says who has a field.
func (f *ChangedField) attribute(entries []metav1.ManagedFieldsEntry) error {
	last := f.path[len(f.path)-1]
	injected := last.FieldName != nil && *last.FieldName == "caBundle"
	for _, entry := range entries {
		if isOurs(entry) {
			continue
		}
		fields, err := ownedFields([]metav1.ManagedFieldsEntry{entry}, func(metav1.ManagedFieldsEntry) bool { return true })
		if err != nil {
			return fmt.Errorf("read who manages %s: %w", f.Name, err)
		}
		if !fields.Has(f.path) {
			continue
		}
		f.Writers = append(f.Writers, entry.Manager)
		byController := entry.Operation == metav1.ManagedFieldsOperationApply || entry.Subresource == "scale" || injected
		f.IsOthers = f.IsOthers || byController && !strings.HasPrefix(entry.Manager, "kubectl")
	}
	slices.Sort(f.Writers)
	f.Writers = slices.Compact(f.Writers)
	return nil
}

func ownedFields(entries []metav1.ManagedFieldsEntry, include func(metav1.ManagedFieldsEntry) bool) (*fieldpath.Set, error) {
	all := fieldpath.NewSet()
	for _, entry := range entries {
		if !include(entry) || entry.FieldsV1 == nil {
			continue
		}
		set := fieldpath.NewSet()
		if err := set.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
			return nil, err
		}
		all = all.Union(set)
	}
	return all, nil
}
