package observe

import (
	"context"
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/render"
)

const (
	// noteLife is how long an object that was just made may be missing from a cache.
	noteLife = 30 * time.Second
	// noteLimit is how long a note is kept that no cache catches up with.
	noteLimit = 10 * time.Minute
)

// note is what the cluster answered to a write: caches lag behind it.
type note struct {
	object *unstructured.Unstructured
	at     time.Time
}

func (n note) isNewerThan(cached client.Object) bool {
	order, err := resourceversion.CompareResourceVersion(n.object.GetResourceVersion(), cached.GetResourceVersion())
	return err == nil && order > 0
}

// Noting returns a client that remembers what the cluster answers to server-side applies of components' objects. Objects
// prefers such an answer until the caches have caught up, so that nobody takes the state before a write for the one after.
func (l *Live) Noting(inner client.Client) client.Client { return noting{Client: inner, live: l} }

type noting struct {
	client.Client

	live *Live
}

// Apply applies, and remembers the answer.
func (n noting) Apply(ctx context.Context, configuration runtime.ApplyConfiguration, options ...client.ApplyOption) error {
	if err := n.Client.Apply(ctx, configuration, options...); err != nil {
		return err
	}
	stated := client.ApplyOptions{}
	stated.ApplyOptions(options)
	if object := appliedObject(configuration); object != nil && len(stated.DryRun) == 0 {
		n.live.note(object)
	}
	return nil
}

// appliedObject returns a trimmed copy of the cluster's answer, where the configuration is one that receives it.
func appliedObject(configuration runtime.ApplyConfiguration) *unstructured.Unstructured {
	holder, isTree := configuration.(interface {
		UnstructuredContent() map[string]any
	})
	if !isTree {
		return nil
	}
	object := &unstructured.Unstructured{Object: holder.UnstructuredContent()}
	if _, err := meta.Accessor(object); err != nil || object.GetResourceVersion() == "" {
		return nil
	}
	kept := &unstructured.Unstructured{Object: map[string]any{}}
	for field, value := range object.Object {
		// Copying what is taken out right after would cost most for what is largest.
		if !secretive[object.GroupVersionKind().GroupKind()] || field != "data" && field != "binaryData" && field != "stringData" {
			kept.Object[field] = value
		}
	}
	kept = kept.DeepCopy()
	trimMetadata(kept)
	trimTree(kept)
	return kept
}

func (l *Live) note(object *unstructured.Unstructured) {
	component := ownerOf(object)
	if component.Name == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.written[component] == nil {
		l.written[component] = map[render.ID]note{}
	}
	l.written[component][render.IDOf(object).Unversioned()] = note{object: object, at: l.now()}
}

// dropOldNotes keeps notes of objects that are expected and may still be news. The caller holds the lock.
func (l *Live) dropOldNotes(request Request) {
	expected := make(map[render.ID]bool, len(request.Inventory))
	for _, id := range request.Inventory {
		expected[id.Unversioned()] = true
	}
	maps.DeleteFunc(l.written[request.Component], func(id render.ID, n note) bool {
		return !expected[id] || l.now().Sub(n.at) > noteLimit
	})
}

// seen forgets a note that a cache has caught up with.
func (l *Live) seen(component types.NamespacedName, id render.ID, old note) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if current, noted := l.written[component][id.Unversioned()]; noted && current.object == old.object {
		delete(l.written[component], id.Unversioned())
	}
}
