package helm

import (
	"context"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// lookupProvider lets Helm's template function read through a Lookup. Templates can swallow an error of `lookup`, for
// example by making a new random password; so the first error is kept and fails the render.
type lookupProvider struct {
	lookup Lookup
	ctx    func() context.Context

	mu  sync.Mutex
	err error
}

func (p *lookupProvider) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *lookupProvider) remember(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
}

// GetClientFor implements Helm's interface. Every kind counts as namespaced: the Lookup knows better.
func (p *lookupProvider) GetClientFor(apiVersion, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	return lookupResource{provider: p, gvk: schema.FromAPIVersionAndKind(apiVersion, kind)}, true, nil
}

// lookupResource has the two reads that Helm makes; the rest of the interface is never called.
type lookupResource struct {
	dynamic.NamespaceableResourceInterface
	provider  *lookupProvider
	gvk       schema.GroupVersionKind
	namespace string
}

func (r lookupResource) Namespace(namespace string) dynamic.ResourceInterface {
	r.namespace = namespace
	return r
}

func (r lookupResource) Get(_ context.Context, name string, _ metav1.GetOptions, _ ...string) (*unstructured.Unstructured, error) {
	object, err := r.provider.lookup.Get(r.provider.ctx(), r.gvk, r.namespace, name) //nolint:contextcheck // Helm hands in a background context.
	if err != nil {
		r.provider.remember(err)
		return nil, err
	}
	if object == nil {
		return nil, apierrors.NewNotFound(schema.GroupResource{Group: r.gvk.Group, Resource: r.gvk.Kind}, name)
	}
	return object, nil
}

func (r lookupResource) List(context.Context, metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	list, err := r.provider.lookup.List(r.provider.ctx(), r.gvk, r.namespace) //nolint:contextcheck // Helm hands in a background context.
	if err != nil {
		r.provider.remember(err)
		return nil, err
	}
	if list == nil {
		return nil, apierrors.NewNotFound(schema.GroupResource{Group: r.gvk.Group, Resource: r.gvk.Kind}, "")
	}
	return list, nil
}
