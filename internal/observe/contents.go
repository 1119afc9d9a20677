package observe

import (
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// contents keeps what was read of objects whose metadata is cached, as long as the metadata says that it did not change.
type contents struct {
	mu    sync.Mutex
	byKey map[types.NamespacedName]*unstructured.Unstructured
}

// get returns a copy of the content of the version at hand; nil if that was not read.
func (c *contents) get(key types.NamespacedName, current client.Object) *unstructured.Unstructured {
	c.mu.Lock()
	defer c.mu.Unlock()
	object := c.byKey[key]
	if object == nil || object.GetUID() != current.GetUID() || object.GetResourceVersion() != current.GetResourceVersion() {
		return nil
	}
	return object.DeepCopy()
}

func (c *contents) put(key types.NamespacedName, object *unstructured.Unstructured) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey == nil {
		c.byKey = map[types.NamespacedName]*unstructured.Unstructured{}
	}
	c.byKey[key] = object.DeepCopy()
}

func (c *contents) drop(key types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byKey, key)
}
