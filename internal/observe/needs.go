package observe

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/dpi-operator/dpi-operator/internal/render"
)

// needSync bounds how long a call waits for an object that is watched for the first time.
const needSync = 5 * time.Second

// needed is the watch of one object that does not belong to the components that wait for it.
type needed struct {
	users    map[types.NamespacedName]struct{}
	informer toolscache.SharedIndexInformer
	cancel   context.CancelFunc
}

// Needed watches exactly these objects for a component, besides its own, and returns them as they are: nil stands for one
// that does not exist, or whose kind the cluster does not serve yet. The namespace of cluster-scoped objects is not looked at. A change of one of them is told like a change of the
// component's own. Of Secrets only the names of the keys are kept.
func (l *Live) Needed(ctx context.Context, component types.NamespacedName, ids ...render.ID) ([]*unstructured.Unstructured, error) {
	watches, err := l.need(component, ids) //nolint:contextcheck // a watch outlives the call
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, needSync)
	defer cancel()
	found := make([]*unstructured.Unstructured, len(ids))
	for i, id := range ids {
		w := watches[id]
		if w == nil || !toolscache.WaitForCacheSync(ctx.Done(), w.informer.HasSynced) {
			continue
		}
		for _, object := range w.informer.GetStore().List() {
			if object, ok := object.(*unstructured.Unstructured); ok {
				found[i] = object.DeepCopy()
			}
		}
	}
	return found, nil
}

// need makes these the objects that a component waits for, and returns the watches of those that can be watched.
func (l *Live) need(component types.NamespacedName, ids []render.ID) (map[render.ID]*needed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, w := range l.needs {
		if _, uses := w.users[component]; uses && !slices.Contains(ids, id) {
			l.dismiss(id, component)
		}
	}
	watches := map[render.ID]*needed{}
	for _, id := range ids {
		w := l.needs[id]
		if w == nil {
			var err error
			if w, err = l.watchOne(id); err != nil {
				return nil, err
			}
		}
		if w == nil {
			continue
		}
		w.users[component] = struct{}{}
		watches[id] = w
	}
	return watches, nil
}

// dismiss ends a component's interest in an object. The caller holds the lock.
func (l *Live) dismiss(id render.ID, component types.NamespacedName) {
	w := l.needs[id]
	delete(w.users, component)
	if len(w.users) == 0 {
		w.cancel()
		delete(l.needs, id)
	}
}

// watchOne starts to watch one object, or returns nothing when its kind is not served or watches may not start yet. The
// caller holds the lock.
func (l *Live) watchOne(id render.ID) (*needed, error) {
	if l.ctx == nil {
		return nil, nil
	}
	mapping, err := l.options.Mapper.RESTMapping(id.GVK().GroupKind(), id.Version)
	if isGone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find kind %s: %w", id.GVK().GroupKind(), err)
	}
	resources, err := dynamic.NewForConfigAndClient(l.config, l.options.HTTPClient)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", id, err)
	}
	namespace := id.Namespace
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		namespace = metav1.NamespaceNone
	}
	byName := func(options *metav1.ListOptions) {
		options.FieldSelector = fields.OneTermEqualSelector("metadata.name", id.Name).String()
	}
	informer := dynamicinformer.NewFilteredDynamicInformer(resources, mapping.Resource, namespace, 0, nil, byName).Informer()
	if err := informer.SetTransform(withoutSecrets); err != nil {
		return nil, fmt.Errorf("watch %s: %w", id, err)
	}
	ctx, cancel := context.WithCancel(l.ctx)
	w := &needed{users: map[types.NamespacedName]struct{}{}, informer: informer, cancel: cancel}
	wake := func(any) { l.wakeUsers(id) }
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: wake, DeleteFunc: wake, UpdateFunc: func(_, now any) { wake(now) },
	})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("watch %s: %w", id, err)
	}
	l.running.Go(func() { informer.RunWithContext(ctx) })
	l.needs[id] = w
	return w, nil
}

func (l *Live) wakeUsers(id render.ID) {
	l.mu.Lock()
	var users []types.NamespacedName
	if w := l.needs[id]; w != nil {
		users = slices.Collect(maps.Keys(w.users))
	}
	l.mu.Unlock()
	for _, component := range users {
		l.wake(component, 0)
	}
}

// withoutSecrets drops what nobody decides by, and the values of Secrets.
func withoutSecrets(object any) (any, error) {
	kept, ok := object.(*unstructured.Unstructured)
	if !ok {
		return object, nil
	}
	kept.SetManagedFields(nil)
	if kept.GetKind() == "Secret" && kept.GroupVersionKind().Group == "" {
		data, _, _ := unstructured.NestedMap(kept.Object, "data")
		for key := range data {
			data[key] = ""
		}
		if data != nil {
			kept.Object["data"] = data
		}
	}
	return kept, nil
}
