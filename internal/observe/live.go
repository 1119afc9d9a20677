package observe

import (
	"context"
	"net/http"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/source"

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
}

// Request names the objects to read.
type Request struct {
	// Component whose objects they are. Its namespaced objects lie in its own namespace.
	Component types.NamespacedName
	// Inventory lists the objects that are expected.
	Inventory []render.ID
	// Whole names kinds that are read with their content although metadata would do, because a health rule looks at them.
	// Secrets and ConfigMaps are read as metadata all the same.
	Whole []schema.GroupVersionKind
}

// Snapshot is what is known of a component's objects.
type Snapshot struct {
	// Objects of the inventory that exist, and the component's ReplicaSets, Jobs, Pods and PersistentVolumeClaims, sorted.
	// They are the caller's. Fields that health does not look at are left out.
	Objects []unstructured.Unstructured
	// Unreadable names objects that could not be read for lack of permission, with the reason in words.
	Unreadable map[render.ID]string
	// Unwatched names kinds whose changes are not seen: not served, or no permission to watch. Read again after some time.
	Unwatched []schema.GroupVersionKind
}

// Observer is what Live offers to a controller.
type Observer interface {
	Track(component types.NamespacedName, ids ...render.ID)
	Forget(component types.NamespacedName)
	Objects(ctx context.Context, request Request) (Snapshot, error)
	Source() source.Source
}
