package observe

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

const (
	// retryGone is how soon a kind that is not served is asked for again, if its definition does not tell earlier.
	retryGone = 2 * time.Second
	// retryForbidden is how soon permission to watch is asked for again.
	retryForbidden = time.Minute
)

// byComponent is the index of cached objects by the component they belong to.
const byComponent = "component"

// watch is the cache of one kind. Its fields are guarded by Live's lock, but for what it is made with.
type watch struct {
	gvk   schema.GroupVersionKind
	users map[types.NamespacedName]struct{}
	// settled is closed once the cache is filled, or given up.
	settled chan struct{}
	settle  func()

	cache  cache.Cache
	cancel context.CancelFunc
	synced bool
	// givenUp is why the kind is not watched.
	givenUp error
	retryAt time.Time
	// told is why it was not watched the last time that was logged.
	told string

	contents contents
}

func newWatch(gvk schema.GroupVersionKind) *watch {
	w := &watch{gvk: gvk, users: map[types.NamespacedName]struct{}{}, settled: make(chan struct{})}
	w.settle = sync.OnceFunc(func() { close(w.settled) })
	return w
}

func (w *watch) mayTryAgain(now time.Time) bool { return w.givenUp != nil && !now.Before(w.retryAt) }

func (w *watch) stop() {
	if w.cancel != nil {
		w.cancel()
	}
	w.settle()
}

// run starts the cache of a kind in the background. The caller holds the lock.
func (l *Live) run(w *watch) {
	if w.cancel != nil || l.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancel(l.ctx)
	w.cancel = cancel
	l.running.Go(func() {
		defer cancel()
		if err := l.fill(ctx, w); err != nil && ctx.Err() == nil {
			l.giveUp(w, err)
		}
	})
}

// fill builds the cache and runs it until the context ends.
func (l *Live) fill(ctx context.Context, w *watch) error {
	objects, err := cache.New(l.config, l.cacheOptions(w))
	if err != nil {
		return err
	}
	object := newObject(w.gvk)
	if err := objects.IndexField(ctx, object, byComponent, componentOf); err != nil {
		return err
	}
	informer, err := objects.GetInformer(ctx, object, cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	if _, err := informer.AddEventHandler(l.handlerOf(w)); err != nil {
		return err
	}
	l.running.Go(func() {
		if objects.WaitForCacheSync(ctx) && ctx.Err() == nil {
			l.markSynced(w, objects)
		}
	})
	return objects.Start(ctx)
}

func (l *Live) cacheOptions(w *watch) cache.Options {
	readOnly := true
	options := cache.Options{
		HTTPClient: l.options.HTTPClient, Scheme: l.scheme, Mapper: l.options.Mapper,
		DefaultLabelSelector: l.selector,
		DefaultTransform:     trim,
		// Objects are converted when they are read, never handed out.
		DefaultUnsafeDisableDeepCopy: &readOnly,
		DefaultWatchErrorHandler: func(ctx context.Context, r *toolscache.Reflector, err error) {
			if cannotWatch(err) {
				l.giveUp(w, err)
				return
			}
			toolscache.DefaultWatchErrorHandler(ctx, r, err)
		},
	}
	if w.gvk == definitionKind {
		// Definitions are shared by releases, so many carry no component's label; their metadata is small.
		options.DefaultLabelSelector = labels.Everything()
	}
	if len(l.options.Namespaces) > 0 {
		options.DefaultNamespaces = map[string]cache.Config{}
		for _, namespace := range l.options.Namespaces {
			options.DefaultNamespaces[namespace] = cache.Config{}
		}
	}
	return options
}

// cannotWatch tells what only a change of the cluster cures from what passes.
func cannotWatch(err error) bool {
	return isGone(err) || apierrors.IsForbidden(err) || apierrors.IsMethodNotSupported(err)
}

func isGone(err error) bool { return apierrors.IsNotFound(err) || meta.IsNoMatchError(err) }

func componentOf(object client.Object) []string {
	if name := object.GetLabels()[v1alpha1.ComponentLabel]; name != "" {
		return []string{name}
	}
	return nil
}

func (l *Live) markSynced(w *watch, objects cache.Cache) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.givenUp != nil {
		return
	}
	w.cache, w.synced, w.told = objects, true, ""
	w.settle()
}

// giveUp lets go of a kind. Those who saw objects of it are woken, once: their objects are gone, or must be polled.
func (l *Live) giveUp(w *watch, err error) {
	l.mu.Lock()
	if w.givenUp != nil {
		l.mu.Unlock()
		return
	}
	wasSynced := w.synced
	w.givenUp, w.synced = err, false
	reason, wait := "the cluster does not let it be watched", retryForbidden
	if isGone(err) {
		reason, wait = "the cluster does not serve it", retryGone
	}
	w.retryAt = l.now().Add(wait)
	tell := w.told != reason
	w.told = reason
	w.stop()
	var users []types.NamespacedName
	if wasSynced {
		users = slices.Collect(maps.Keys(w.users))
	}
	l.mu.Unlock()
	if tell {
		l.options.Log.Info("Kind is not watched; its objects are read one by one", "kind", w.gvk.String(), "why", reason, "error", err.Error())
	}
	for _, component := range users {
		l.wake(component, 0)
	}
}

// definitionChanged wakes those who wait for a kind of a group, once its definition can be served.
func (l *Live) definitionChanged(group string) {
	l.mu.Lock()
	waiting := map[types.NamespacedName]struct{}{}
	for gvk, w := range l.watches {
		if gvk.Group == group && w.givenUp != nil {
			maps.Copy(waiting, w.users)
		}
	}
	l.mu.Unlock()
	for component := range waiting {
		l.wake(component, retryGone)
	}
}
