package observe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

// fillTimeout bounds how long a read waits for caches to be filled before it reads past them.
const fillTimeout = 10 * time.Second

// Request names the objects to read.
type Request struct {
	// Component whose objects they are.
	Component types.NamespacedName
	// Inventory lists the objects that are expected.
	Inventory []render.ID
	// Whole names kinds that are read with their content although their metadata would do, because a health rule looks at
	// it. Secrets and ConfigMaps are read as metadata all the same.
	Whole []schema.GroupVersionKind
}

// Snapshot is what is known of a component's objects.
type Snapshot struct {
	// Objects of the inventory that exist, and the component's ReplicaSets, Jobs, Pods and PersistentVolumeClaims, sorted.
	// They are the caller's. What health does not look at is left out.
	Objects []unstructured.Unstructured
	// Unreadable names objects that the operator has no permission to read, with the reason in words.
	Unreadable map[render.ID]string
	// Unwatched names kinds whose changes are not seen, sorted: not served, or no permission. Read again after some time.
	Unwatched []schema.GroupVersionKind
}

// Objects reads the live objects of a component from the caches, and one by one what they do not hold. It starts to watch
// what is not watched for the component yet, lets go of what is not in the inventory any more, and waits some seconds for
// caches to be filled. What was written by a client of Noting is seen at once. An object that does not exist is left out.
func (l *Live) Objects(ctx context.Context, request Request) (Snapshot, error) {
	kinds := kindsOf(request.Inventory)
	l.mu.Lock()
	l.want(request.Component, kinds) //nolint:contextcheck // watches outlive the call
	l.mu.Unlock()
	if err := l.await(ctx, kinds); err != nil {
		return Snapshot{}, err
	}
	r := l.newReading(ctx, request)
	for _, id := range request.Inventory {
		if err := r.read(id); err != nil {
			return Snapshot{}, err
		}
	}
	for _, gvk := range append([]schema.GroupVersionKind{replicaSetKind}, baseKinds...) {
		if _, wanted := kinds[gvk]; !wanted {
			continue
		}
		if err := r.list(gvk); err != nil {
			return Snapshot{}, err
		}
	}
	if err := r.readClaims(); err != nil {
		return Snapshot{}, err
	}
	return r.snapshot(kinds), nil
}

// await waits until the caches of kinds are filled or given up, or for as long as it is worth.
func (l *Live) await(ctx context.Context, kinds kindSet) error {
	patience, cancel := context.WithTimeout(ctx, fillTimeout)
	defer cancel()
	for _, w := range l.watchesOf(kinds) {
		select {
		case <-w.settled:
		case <-patience.Done():
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// reading is one call of Objects.
type reading struct {
	*Live
	ctx     context.Context //nolint:containedctx // lives as long as the call
	request Request
	// filled are the watches whose cache is filled.
	filled     map[schema.GroupVersionKind]*watch
	notes      map[render.ID]note
	found      map[render.ID]*unstructured.Unstructured
	unreadable map[render.ID]string
}

func (l *Live) newReading(ctx context.Context, request Request) *reading {
	r := &reading{
		Live: l, ctx: ctx, request: request,
		filled: map[schema.GroupVersionKind]*watch{}, notes: map[render.ID]note{},
		found: map[render.ID]*unstructured.Unstructured{}, unreadable: map[render.ID]string{},
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for gvk := range l.wanted[request.Component] {
		if w := l.watches[gvk]; w != nil && w.synced {
			r.filled[gvk] = w
		}
	}
	l.dropOldNotes(request)
	maps.Copy(r.notes, l.written[request.Component])
	return r
}

// read finds one object of the inventory.
func (r *reading) read(id render.ID) error {
	object, err := r.get(id)
	switch {
	case apierrors.IsForbidden(err):
		r.unreadable[id] = "give the operator permission to get " + strings.ToLower(id.Kind)
		return nil
	case isGone(err):
		return nil
	case err != nil:
		return fmt.Errorf("read %s: %w", id, err)
	}
	r.found[id.Unversioned()] = object
	return nil
}

func (r *reading) get(id render.ID) (*unstructured.Unstructured, error) {
	gvk, key := id.GVK(), types.NamespacedName{Namespace: id.Namespace, Name: id.Name}
	w := r.filled[gvk]
	if w == nil {
		return r.getLive(gvk, key)
	}
	cached := newObject(gvk)
	if err := w.cache.Get(r.ctx, key, cached); err != nil {
		if written, noted := r.notes[id.Unversioned()]; noted && r.now().Sub(written.at) < noteLife {
			return written.object.DeepCopy(), nil
		}
		// Not in the cache is not the same as not there: an object may have lost its label, or lie where we do not watch.
		return r.getLive(gvk, key)
	}
	if written, noted := r.notes[id.Unversioned()]; noted {
		if written.isNewerThan(cached) {
			return written.object.DeepCopy(), nil
		}
		r.seen(r.request.Component, id, written)
	}
	if _, whole := wholeKinds[gvk]; whole || !r.needsContent(gvk) {
		return plain(gvk, cached)
	}
	return r.content(w, key, cached)
}

func (r *reading) needsContent(gvk schema.GroupVersionKind) bool {
	switch {
	case secretive[gvk.GroupKind()]:
		return false
	case slices.Contains(r.request.Whole, gvk):
		return true
	default:
		return !settledKinds[gvk.GroupKind()]
	}
}

// content reads an object of which the cache has the metadata, once for each of its versions.
func (r *reading) content(w *watch, key types.NamespacedName, cached client.Object) (*unstructured.Unstructured, error) {
	if object := w.contents.get(key, cached); object != nil {
		return object, nil
	}
	object, err := r.getLive(w.gvk, key)
	if err != nil {
		return nil, err
	}
	w.contents.put(key, object)
	return object, nil
}

// getLive asks the cluster, for metadata only where the content is of no interest or a secret.
func (r *reading) getLive(gvk schema.GroupVersionKind, key types.NamespacedName) (*unstructured.Unstructured, error) {
	_, whole := wholeKinds[gvk]
	if !whole && !r.needsContent(gvk) {
		object := newObject(gvk)
		if err := r.options.Client.Get(r.ctx, key, object); err != nil {
			return nil, err
		}
		trimMetadata(object)
		return plain(gvk, object)
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(gvk)
	if err := r.options.Client.Get(r.ctx, key, object); err != nil {
		return nil, err
	}
	trimMetadata(object)
	trimTree(object)
	return object, nil
}

// list adds all objects of a kind that belong to the component.
func (r *reading) list(gvk schema.GroupVersionKind) error {
	selection := []client.ListOption{client.InNamespace(r.request.Component.Namespace)}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(gvk)
	if w := r.filled[gvk]; w != nil {
		typed, err := r.scheme.New(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		if err != nil {
			return fmt.Errorf("list %s: %w", gvk.Kind, err)
		}
		objects, isList := typed.(client.ObjectList)
		if !isList {
			return fmt.Errorf("list %s: %T is no list", gvk.Kind, typed)
		}
		selection = append(selection, client.MatchingFields{byComponent: r.request.Component.Name})
		if err := w.cache.List(r.ctx, objects, selection...); err == nil {
			return r.addAll(gvk, objects)
		}
	}
	selection = append(selection, client.MatchingLabels{v1alpha1.ComponentLabel: r.request.Component.Name})
	err := r.options.Client.List(r.ctx, list, selection...)
	switch {
	case apierrors.IsForbidden(err):
		// The workloads themselves are judged without their pods, only less can be told of the cause.
		return nil
	case err != nil:
		return fmt.Errorf("list %s: %w", gvk.Kind, err)
	}
	for i := range list.Items {
		trimMetadata(&list.Items[i])
		trimTree(&list.Items[i])
		r.add(&list.Items[i])
	}
	return nil
}

func (r *reading) addAll(gvk schema.GroupVersionKind, objects client.ObjectList) error {
	return meta.EachListItem(objects, func(item runtime.Object) error {
		typed, ok := item.(client.Object)
		if !ok {
			return fmt.Errorf("list %s: %T is no object", gvk.Kind, item)
		}
		object, err := plain(gvk, typed)
		if err == nil {
			r.add(object)
		}
		return err
	})
}

// add keeps what was read before: it is the newer of the two.
func (r *reading) add(object *unstructured.Unstructured) {
	id := render.IDOf(object).Unversioned()
	if r.found[id] == nil {
		r.found[id] = object
	}
}

// readClaims reads the claims of pods without a node that carry no label of ours: StatefulSets make them from templates
// that cannot be changed later.
func (r *reading) readClaims() error {
	for _, object := range slices.Collect(maps.Values(r.found)) {
		if object.GroupVersionKind() != podKind {
			continue
		}
		var pod corev1.Pod
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &pod); err != nil || pod.Spec.NodeName != "" {
			continue
		}
		for i := range pod.Spec.Volumes {
			claim := pod.Spec.Volumes[i].PersistentVolumeClaim
			if claim == nil {
				continue
			}
			id := render.ID{Version: claimKind.Version, Kind: claimKind.Kind, Namespace: pod.Namespace, Name: claim.ClaimName}
			if r.found[id.Unversioned()] != nil {
				continue
			}
			if err := r.read(id); err != nil {
				return err
			}
			// It is not expected, so nobody asks why it cannot be read.
			delete(r.unreadable, id)
		}
	}
	return nil
}

func (r *reading) snapshot(kinds kindSet) Snapshot {
	out := Snapshot{Unreadable: r.unreadable}
	for _, object := range r.found {
		out.Objects = append(out.Objects, *object)
	}
	slices.SortFunc(out.Objects, func(a, b unstructured.Unstructured) int {
		left, right := render.IDOf(&a), render.IDOf(&b)
		return cmp.Or(strings.Compare(left.Group, right.Group), strings.Compare(left.Kind, right.Kind),
			strings.Compare(left.Namespace, right.Namespace), strings.Compare(left.Name, right.Name))
	})
	for gvk := range kinds {
		if r.filled[gvk] == nil && (gvk != definitionKind || r.expects(definitionKind)) {
			out.Unwatched = append(out.Unwatched, gvk)
		}
	}
	sortKinds(out.Unwatched)
	return out
}

func (r *reading) expects(gvk schema.GroupVersionKind) bool {
	return slices.ContainsFunc(r.request.Inventory, func(id render.ID) bool { return id.GVK() == gvk })
}

// plain converts a cached object, which is shared and stays as it is.
func plain(gvk schema.GroupVersionKind, object client.Object) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s %s", gvk.Kind, object.GetName()), err)
	}
	out := &unstructured.Unstructured{Object: content}
	out.SetGroupVersionKind(gvk)
	return out, nil
}
