package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
)

// observer notes when what happened, as a watch tells it.
type observer struct {
	mu sync.Mutex
	// changed is closed, and replaced, with each change.
	changed chan struct{}
	// ready and failed say when a component became so; recorded, when its first release record was created.
	ready, failed, recorded map[types.NamespacedName]time.Time
}

// startObserver watches components and release records until the context ends.
func startObserver(ctx context.Context, config *rest.Config, scheme *runtime.Scheme) (*observer, error) {
	o := &observer{
		changed: make(chan struct{}),
		ready:   map[types.NamespacedName]time.Time{}, failed: map[types.NamespacedName]time.Time{},
		recorded: map[types.NamespacedName]time.Time{},
	}
	records := &metav1.PartialObjectMetadata{}
	records.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	watched, err := cache.New(config, cache.Options{Scheme: scheme, ByObject: map[client.Object]cache.ByObject{
		records: {Label: labels.SelectorFromSet(labels.Set{"owner": "helm"}), Field: fields.Everything()},
	}})
	if err != nil {
		return nil, err
	}
	for object, handle := range map[client.Object]func(client.Object){
		&v1alpha1.Component{}: o.componentChanged,
		records:               o.recordChanged,
	} {
		informer, err := watched.GetInformer(ctx, object, cache.BlockUntilSynced(false))
		if err != nil {
			return nil, err
		}
		if _, err := informer.AddEventHandler(handlerOf(handle)); err != nil {
			return nil, err
		}
	}
	// It ends with the context.
	go func() { _ = watched.Start(ctx) }()
	if !watched.WaitForCacheSync(ctx) {
		return nil, errors.New("the watches of the benchmark do not start")
	}
	return o, nil
}

func handlerOf(handle func(client.Object)) toolscache.ResourceEventHandler {
	act := func(object any) {
		if changed, ok := object.(client.Object); ok {
			handle(changed)
		}
	}
	return toolscache.ResourceEventHandlerFuncs{AddFunc: act, UpdateFunc: func(_, now any) { act(now) }}
}

func (o *observer) componentChanged(object client.Object) {
	component, ok := object.(*v1alpha1.Component)
	if !ok {
		return
	}
	ready := conditions.Get(component, v1alpha1.ReadyCondition)
	switch {
	case ready == nil:
	case ready.Status == metav1.ConditionTrue:
		o.note(o.ready, client.ObjectKeyFromObject(object))
	case ready.Reason == string(v1alpha1.ReasonRenderFailed), ready.Reason == string(v1alpha1.ReasonReleaseFailed):
		o.note(o.failed, client.ObjectKeyFromObject(object))
	}
}

func (o *observer) recordChanged(object client.Object) {
	o.note(o.recorded, types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetLabels()["name"]})
}

// note keeps the first time only.
func (o *observer) note(times map[types.NamespacedName]time.Time, key types.NamespacedName) {
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := times[key]; known {
		return
	}
	times[key] = now
	close(o.changed)
	o.changed = make(chan struct{})
}

// wait returns when every component is as expected.
func (o *observer) wait(ctx context.Context, expected []expectation) error {
	for {
		o.mu.Lock()
		pending, changed := o.firstPending(expected), o.changed
		o.mu.Unlock()
		if pending == "" {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", pending, ctx.Err())
		}
	}
}

// firstPending says what is not as expected. The caller holds the lock.
func (o *observer) firstPending(expected []expectation) string {
	for _, each := range expected {
		times, state := o.ready, "ready"
		if each.fails {
			times, state = o.failed, "reported as failed"
		}
		if _, known := times[each.key]; !known {
			return each.key.String() + " is not " + state
		}
	}
	return ""
}

// hop is the time from one component being ready to the release record of the next.
func (o *observer) hop(from, to types.NamespacedName) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.recorded[to].Sub(o.ready[from])
}
