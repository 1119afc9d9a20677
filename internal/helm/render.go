package helm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
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
	// KubeVersion such as `v1.36.3`; empty means the one Helm was built for. KubeMajor and KubeMinor are taken from it unless
	// the cluster tells them otherwise.
	KubeVersion, KubeMajor, KubeMinor string
	// APIVersions such as `apps/v1` and `apps/v1/Deployment`; empty means Helm's defaults.
	APIVersions []string
	// Lookup is optional: without it, `lookup` finds nothing, as with `helm template`.
	Lookup Lookup
}

// Rendered is what a chart renders. The notes are left out: charts write passwords into them.
type Rendered struct {
	// CRDs from the crds directories of the chart and its enabled subcharts.
	CRDs []*unstructured.Unstructured
	// Objects in install order.
	Objects []Object
	// Hooks in the order Helm keeps them: by kind, then as found.
	Hooks []Hook

	// What a record needs besides.
	chart *chart.Chart
	user  map[string]any
}

// Object is an object to install.
type Object struct {
	// Path of the template within the chart.
	Path   string
	Object *unstructured.Unstructured
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

// Render computes the values, checks them against the chart's schemas and executes the templates. The same request gives
// the same result unless the chart uses random functions or Lookup. Errors match ErrIncompatible, ErrInvalidValues,
// ErrInvalidChart or ErrRender; none of them is cured by trying again, except an error of Lookup, which is wrapped as it is.
func (c *Chart) Render(ctx context.Context, request RenderRequest) (*Rendered, error) {
	if err := chartutil.ValidateReleaseName(request.Release); err != nil {
		return nil, fmt.Errorf("%w: release name %q: %w", ErrRender, request.Release, err)
	}
	parsed, err := parse(c.archive)
	if err != nil {
		return nil, err
	}
	user, merged, err := computeValues(parsed, request.Values)
	if err != nil {
		return nil, err
	}
	rendered := &Rendered{chart: parsed, user: user}
	if rendered.CRDs, err = crdsOf(parsed); err != nil {
		return nil, err
	}
	capabilities, err := capabilitiesFor(parsed, request, rendered.CRDs)
	if err != nil {
		return nil, err
	}
	files, err := execute(ctx, parsed, topValues(parsed, merged, capabilities, request), request.Lookup)
	if err != nil {
		return nil, err
	}
	return rendered, rendered.sort(files)
}

// CRDs returns the definitions of the chart and of the subcharts that the values enable, as Render does.
func (c *Chart) CRDs(values map[string]any) ([]*unstructured.Unstructured, error) {
	parsed, err := parse(c.archive)
	if err != nil {
		return nil, err
	}
	if _, _, err := computeValues(parsed, values); err != nil {
		return nil, err
	}
	return crdsOf(parsed)
}

func topValues(parsed *chart.Chart, merged map[string]any, capabilities *chartutil.Capabilities, request RenderRequest) chartutil.Values {
	return chartutil.Values{
		"Chart": parsed.Metadata, "Capabilities": capabilities, "Values": chartutil.Values(merged),
		"Release": map[string]any{
			"Name": request.Release, "Namespace": request.Namespace, "Revision": request.Revision, "Service": "Helm",
			"IsInstall": request.Operation != Upgrade, "IsUpgrade": request.Operation == Upgrade,
		},
	}
}

// capabilitiesFor counts the APIs of the chart's own CRDs in: Helm creates them before it asks the cluster.
func capabilitiesFor(parsed *chart.Chart, request RenderRequest, crds []*unstructured.Unstructured) (*chartutil.Capabilities, error) {
	capabilities := chartutil.DefaultCapabilities.Copy()
	if request.KubeVersion != "" {
		version, err := chartutil.ParseKubeVersion(request.KubeVersion)
		if err != nil {
			return nil, fmt.Errorf("%w: Kubernetes version %q: %w", ErrIncompatible, request.KubeVersion, err)
		}
		capabilities.KubeVersion = *version
		capabilities.KubeVersion.Major = cmp.Or(request.KubeMajor, version.Major)
		capabilities.KubeVersion.Minor = cmp.Or(request.KubeMinor, version.Minor)
	}
	if len(request.APIVersions) > 0 {
		capabilities.APIVersions = append(chartutil.VersionSet{}, request.APIVersions...)
	}
	for _, crd := range crds {
		for _, gvk := range ServedKinds(crd) {
			gv := gvk.GroupVersion().String()
			capabilities.APIVersions = append(capabilities.APIVersions, gv, gv+"/"+gvk.Kind)
		}
	}
	if constraint := parsed.Metadata.KubeVersion; constraint != "" && !chartutil.IsCompatibleRange(constraint, capabilities.KubeVersion.String()) {
		return nil, fmt.Errorf("%w: %s %s wants Kubernetes %s, this is %s", ErrIncompatible,
			parsed.Name(), parsed.Metadata.Version, constraint, capabilities.KubeVersion.String())
	}
	return capabilities, nil
}

// ServedKinds lists the kinds that a CustomResourceDefinition serves.
func ServedKinds(crd *unstructured.Unstructured) []schema.GroupVersionKind {
	group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	var kinds []schema.GroupVersionKind
	for _, v := range versions {
		version, ok := v.(map[string]any)
		if !ok {
			continue
		}
		if served, _, _ := unstructured.NestedBool(version, "served"); !served {
			continue
		}
		name, _, _ := unstructured.NestedString(version, "name")
		kinds = append(kinds, schema.GroupVersionKind{Group: group, Version: name, Kind: kind})
	}
	return kinds
}

func execute(ctx context.Context, parsed *chart.Chart, values chartutil.Values, lookup Lookup) (map[string]string, error) {
	render := func() (map[string]string, error) { return engine.Render(parsed, values) }
	failed := func() error { return nil }
	if lookup != nil {
		provider := &lookupProvider{lookup: lookup, ctx: func() context.Context { return ctx }}
		render = func() (map[string]string, error) { return engine.RenderWithClientProvider(parsed, values, provider) }
		failed = provider.failure
	}
	files, err := render()
	if lookupErr := failed(); lookupErr != nil {
		return nil, fmt.Errorf("lookup while rendering %s: %w", parsed.Name(), lookupErr)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRender, err)
	}
	for name := range files {
		if path.Base(name) == "NOTES.txt" {
			delete(files, name)
		}
	}
	return files, nil
}

func (r *Rendered) sort(files map[string]string) error {
	hooks, manifests, err := releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRender, err)
	}
	for _, m := range manifests {
		// Helm cuts the end of a document off and writes one line break back: a text that ends the document has it, too.
		objects, err := parseObjects(m.Name, m.Content+"\n")
		if err != nil {
			return err
		}
		for _, object := range objects {
			r.Objects = append(r.Objects, Object{Path: m.Name, Object: object})
		}
	}
	for _, h := range hooks {
		hook, err := hookFrom(h)
		if err != nil {
			return err
		}
		r.Hooks = append(r.Hooks, hook)
	}
	return nil
}

func hookFrom(h *release.Hook) (Hook, error) {
	objects, err := parseObjects(h.Path, h.Manifest)
	if err != nil {
		return Hook{}, err
	}
	if len(objects) != 1 {
		return Hook{}, fmt.Errorf("%w: %s: a hook must be one object, not %d", ErrRender, h.Path, len(objects))
	}
	hook := Hook{Path: h.Path, Object: objects[0], Weight: h.Weight}
	for _, event := range h.Events {
		hook.Events = append(hook.Events, HookEvent(event))
	}
	for _, policy := range h.DeletePolicies {
		hook.DeletePolicies = append(hook.DeletePolicies, HookDeletePolicy(policy))
	}
	return hook, nil
}

func crdsOf(parsed *chart.Chart) ([]*unstructured.Unstructured, error) {
	var crds []*unstructured.Unstructured
	for _, file := range parsed.CRDObjects() {
		objects, err := parseManifest(file.Filename, string(file.File.Data))
		if err != nil {
			return nil, err
		}
		for _, object := range objects {
			if object.Object.GetKind() != "CustomResourceDefinition" {
				return nil, fmt.Errorf("%w: %s holds a %s; only CustomResourceDefinitions belong there",
					ErrInvalidChart, file.Filename, object.Object.GetKind())
			}
			crds = append(crds, object.Object)
		}
	}
	return crds, nil
}

// sourcePrefix starts the comment that names the template of an object, as Helm writes it.
const sourcePrefix = "# Source: "

// parseManifest reads a manifest of many documents, in their order.
func parseManifest(defaultPath, manifest string) ([]Object, error) {
	documents := releaseutil.SplitManifests(manifest)
	var objects []Object
	for i := range len(documents) {
		document := documents[fmt.Sprintf("manifest-%d", i)]
		source := defaultPath
		if first, _, _ := strings.Cut(document, "\n"); strings.HasPrefix(first, sourcePrefix) {
			source = strings.TrimSpace(strings.TrimPrefix(first, sourcePrefix))
		}
		found, err := parseObjects(source, document+"\n")
		if err != nil {
			return nil, err
		}
		for _, object := range found {
			objects = append(objects, Object{Path: source, Object: object})
		}
	}
	return objects, nil
}
