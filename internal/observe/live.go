package observe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

// Options of New.
type Options struct {
	// Namespaces restricts all watches to these; empty means the whole cluster.
	Namespaces []string
	// Mapper finds new kinds by itself; required.
	Mapper meta.RESTMapper
	// Client reads what no watch covers; required. It must not cache.
	Client client.Reader
	// HTTPClient is shared with others; nil means one of its own.
	HTTPClient *http.Client
	// Log tells of kinds that cannot be watched; the zero value tells nobody.
	Log logr.Logger
}

// Live watches and reads the live objects of components. It is safe for concurrent use. The manager starts it, on the
// leader only.
type Live struct {
	config   *rest.Config
	options  Options
	scheme   *runtime.Scheme
	selector labels.Selector
	now      func() time.Time

	// started is closed when watches may start.
	started chan struct{}
	running sync.WaitGroup

	mu      sync.Mutex
	ctx     context.Context //nolint:containedctx // the life of watches, which are started by calls with shorter lives
	watches map[schema.GroupVersionKind]*watch
	wanted  map[types.NamespacedName]kindSet
	written map[types.NamespacedName]map[render.ID]note
	// needs are objects that belong to nobody who waits for them.
	needs  map[render.ID]*needed
	queues []workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// New prepares a Live; it makes no request before Start.
func New(config *rest.Config, options Options) (*Live, error) {
	if options.Mapper == nil || options.Client == nil {
		return nil, errors.New("observe live objects: give a REST mapping and an uncached client")
	}
	if options.HTTPClient == nil {
		httpClient, err := rest.HTTPClientFor(config)
		if err != nil {
			return nil, fmt.Errorf("connect to the cluster: %w", err)
		}
		options.HTTPClient = httpClient
	}
	labelled, err := labels.NewRequirement(v1alpha1.ComponentLabel, selection.Exists, nil)
	if err != nil {
		return nil, fmt.Errorf("select live objects: %w", err)
	}
	scheme, err := newScheme()
	if err != nil {
		return nil, fmt.Errorf("observe live objects: %w", err)
	}
	return &Live{
		config: config, options: options, scheme: scheme, selector: labels.NewSelector().Add(*labelled), now: time.Now,
		started: make(chan struct{}),
		watches: map[schema.GroupVersionKind]*watch{},
		wanted:  map[types.NamespacedName]kindSet{},
		written: map[types.NamespacedName]map[render.ID]note{},
		needs:   map[render.ID]*needed{},
	}, nil
}

// Start lets watches run until the context ends. It is called once.
func (l *Live) Start(ctx context.Context) error {
	l.mu.Lock()
	if l.ctx != nil {
		l.mu.Unlock()
		return errors.New("observe live objects: started twice")
	}
	l.ctx = ctx
	for _, w := range l.watches {
		l.run(w) //nolint:contextcheck // the context at hand is the one it uses
	}
	l.mu.Unlock()
	close(l.started)
	<-ctx.Done()
	l.running.Wait()
	return nil
}

// NeedLeaderElection keeps replicas that wait for the lead from watching.
func (l *Live) NeedLeaderElection() bool { return true }

// Track watches the kinds of the given objects for a component, besides what is watched for it already, and in any case
// Jobs, Pods and claims. It is for what is not in an inventory yet: hooks, and objects that must appear or disappear.
func (l *Live) Track(component types.NamespacedName, ids ...render.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kinds := kindsOf(ids)
	maps.Copy(kinds, l.wanted[component])
	l.want(component, kinds)
}

// Forget lets go of all that is watched for a component only.
func (l *Live) Forget(component types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.want(component, nil)
	for id, w := range l.needs {
		if _, uses := w.users[component]; uses {
			l.dismiss(id, component)
		}
	}
	delete(l.wanted, component)
	delete(l.written, component)
}

// want makes the kinds those that are watched for a component. The caller holds the lock.
func (l *Live) want(component types.NamespacedName, kinds kindSet) {
	for gvk := range l.wanted[component] {
		if _, still := kinds[gvk]; still {
			continue
		}
		if w := l.watches[gvk]; w != nil {
			delete(w.users, component)
			if len(w.users) == 0 {
				w.stop()
				delete(l.watches, gvk)
			}
		}
	}
	for gvk := range kinds {
		w := l.watches[gvk]
		if w == nil || w.mayTryAgain(l.now()) {
			w = l.replace(gvk, w)
		}
		w.users[component] = struct{}{}
	}
	l.wanted[component] = kinds
}

// replace starts a watch, in place of one that was given up if there is one. The caller holds the lock.
func (l *Live) replace(gvk schema.GroupVersionKind, before *watch) *watch {
	w := newWatch(gvk)
	if before != nil {
		w.users, w.told = before.users, before.told
	}
	l.watches[gvk] = w
	if l.ctx != nil {
		l.run(w)
	}
	return w
}

// Watched lists the kinds that are being watched, sorted.
func (l *Live) Watched() []schema.GroupVersionKind {
	l.mu.Lock()
	defer l.mu.Unlock()
	var kinds []schema.GroupVersionKind
	for gvk, w := range l.watches {
		if w.givenUp == nil {
			kinds = append(kinds, gvk)
		}
	}
	sortKinds(kinds)
	return kinds
}

func (l *Live) watchesOf(kinds kindSet) []*watch {
	l.mu.Lock()
	defer l.mu.Unlock()
	var watches []*watch
	for _, gvk := range slices.Collect(maps.Keys(kinds)) {
		if w := l.watches[gvk]; w != nil {
			watches = append(watches, w)
		}
	}
	return watches
}
