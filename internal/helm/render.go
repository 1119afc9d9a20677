package helm

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// ErrIncompatible means that the chart refuses this cluster's version.
	ErrIncompatible = errors.New("chart does not support this cluster")
	// ErrInvalidValues means that a schema of the chart refuses the values; see ValuesError.
	ErrInvalidValues = errors.New("values refused by the chart's schema")
	// ErrRender means that a template failed or rendered something that is no object.
	ErrRender = errors.New("chart cannot be rendered")
)

// Lookup serves the template function of the same name. A kind or object that does not exist is nil without an error.
type Lookup interface {
	// Get returns one object.
	Get(ctx context.Context, gvk schema.GroupVersionKind, namespace, name string) (*unstructured.Unstructured, error)
	// List returns the objects of a namespace, or all where namespace is empty.
	List(ctx context.Context, gvk schema.GroupVersionKind, namespace string) (*unstructured.UnstructuredList, error)
}

// Operation is what a chart is told it is rendered for.
type Operation string

const (
	// Install is the first revision of a release.
	Install Operation = "Install"
	// Upgrade is any further one.
	Upgrade Operation = "Upgrade"
)

// RenderRequest is everything a render depends on but the chart.
type RenderRequest struct {
	Release, Namespace string
	Revision           int
	Operation          Operation
	// Values of the user; the chart's defaults and its subcharts' are merged in. They are not changed.
	Values map[string]any
	// KubeVersion such as `v1.36.3`, and APIVersions such as `apps/v1` and `apps/v1/Deployment`. Empty means Helm's defaults.
	KubeVersion string
	APIVersions []string
	// Lookup is optional: without it, `lookup` finds nothing, as with `helm template`.
	Lookup Lookup
}

// Rendered is what a chart renders. The notes are left out: charts write passwords into them.
type Rendered struct {
	// CRDs from the crds directories of the chart and its enabled subcharts.
	CRDs []*unstructured.Unstructured
	// Objects in install order.
	Objects []*unstructured.Unstructured
	// Hooks in the order Helm keeps them: by kind, then as found.
	Hooks []Hook
}

// Hook is an object that runs at certain events instead of being installed.
type Hook struct {
	// Path of the template within the chart.
	Path   string
	Object *unstructured.Unstructured
	Events []HookEvent
	// Weight orders the hooks of one event, ascending.
	Weight         int
	DeletePolicies []HookDeletePolicy
}

// HookEvent is when a hook runs.
type HookEvent string

// Hook events, as Helm names them.
const (
	PreInstall   HookEvent = "pre-install"
	PostInstall  HookEvent = "post-install"
	PreUpgrade   HookEvent = "pre-upgrade"
	PostUpgrade  HookEvent = "post-upgrade"
	PreRollback  HookEvent = "pre-rollback"
	PostRollback HookEvent = "post-rollback"
	PreDelete    HookEvent = "pre-delete"
	PostDelete   HookEvent = "post-delete"
	Test         HookEvent = "test"
)

// HookDeletePolicy is when a hook's object is deleted.
type HookDeletePolicy string

// Delete policies, as Helm names them.
const (
	HookSucceeded      HookDeletePolicy = "hook-succeeded"
	HookFailed         HookDeletePolicy = "hook-failed"
	BeforeHookCreation HookDeletePolicy = "before-hook-creation"
)
