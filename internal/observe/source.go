package observe

import (
	"context"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

// Source turns every change of a live object into a request for its component. Only kinds that are tracked tell.
func (l *Live) Source() source.Source { return events{l} }

type events struct{ live *Live }

// Start gives the changes to a controller's queue from now on.
func (e events) Start(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	e.live.mu.Lock()
	defer e.live.mu.Unlock()
	e.live.queues = append(e.live.queues, queue)
	return nil
}

// String names the source in the controller's log.
func (events) String() string { return "live objects of components" }

// handlerOf reacts to the changes of one kind.
func (l *Live) handlerOf(w *watch) toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(object any, initial bool) {
			if added, ok := object.(client.Object); ok {
				l.changed(w, added, priorityOf(initial))
			}
		},
		UpdateFunc: func(before, after any) {
			old, isObject := before.(client.Object)
			now, isObjectToo := after.(client.Object)
			if !isObject || !isObjectToo || old.GetResourceVersion() == now.GetResourceVersion() || alike(old, now) {
				return
			}
			if ownerOf(old) != ownerOf(now) {
				l.changed(w, old, nil)
			}
			l.changed(w, now, nil)
		},
		DeleteFunc: func(object any) {
			if unseen, missed := object.(toolscache.DeletedFinalStateUnknown); missed {
				object = unseen.Obj
			}
			if deleted, ok := object.(client.Object); ok {
				l.deleted(w, deleted)
			}
		},
	}
}

// priorityOf puts behind what is new to us but not in the world.
func priorityOf(initial bool) *int {
	if !initial {
		return nil
	}
	low := handler.LowPriority
	return &low
}

func (l *Live) changed(w *watch, object client.Object, priority *int) {
	if w.gvk == definitionKind {
		// Definitions are named `<plural>.<group>`.
		if _, group, found := strings.Cut(object.GetName(), "."); found {
			l.definitionChanged(group)
		}
	}
	if component := ownerOf(object); component.Name != "" {
		l.enqueue(component, 0, priority)
	}
}

func (l *Live) deleted(w *watch, object client.Object) {
	w.contents.drop(client.ObjectKeyFromObject(object))
	component := ownerOf(object)
	l.mu.Lock()
	delete(l.written[component], idOf(w, object).Unversioned())
	l.mu.Unlock()
	l.changed(w, object, nil)
}

func idOf(w *watch, object client.Object) render.ID {
	return render.ID{Group: w.gvk.Group, Version: w.gvk.Version, Kind: w.gvk.Kind, Namespace: object.GetNamespace(), Name: object.GetName()}
}

// ownerOf names the component of an object: namespaced objects lie in their component's namespace, whatever their labels
// say, and cluster-scoped ones carry a label that names it.
func ownerOf(object client.Object) types.NamespacedName {
	labels := object.GetLabels()
	component := types.NamespacedName{Namespace: object.GetNamespace(), Name: labels[v1alpha1.ComponentLabel]}
	if component.Namespace == "" {
		component.Namespace = labels[v1alpha1.ComponentNamespaceLabel]
	}
	if component.Namespace == "" || component.Name == "" {
		return types.NamespacedName{}
	}
	return component
}

func (l *Live) wake(component types.NamespacedName, after time.Duration) {
	l.enqueue(component, after, nil)
}

func (l *Live) enqueue(component types.NamespacedName, after time.Duration, priority *int) {
	l.mu.Lock()
	queues := l.queues
	l.mu.Unlock()
	request := reconcile.Request{NamespacedName: component}
	for _, queue := range queues {
		if ranked, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
			ranked.AddWithOpts(priorityqueue.AddOpts{After: after, Priority: priority}, request)
			continue
		}
		queue.AddAfter(request, after)
	}
}
