package render

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/kustomize/api/filters/patchjson6902"
	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"
	"sigs.k8s.io/yaml"
)

// ErrPatch means that a patch cannot be read, selects nothing, or does not fit what it selects.
var ErrPatch = errors.New("patch does not apply")

// kustomizeLock serialises kustomize: its schema store is global and not meant for concurrent use.
var kustomizeLock sync.Mutex

// applyPatches changes objects in place; a deleted one becomes nil. It patches object by object rather than building a
// kustomization, because hooks may share an identity, which a kustomization refuses.
func applyPatches(objects []*unstructured.Unstructured, patches []Patch) error {
	if len(patches) == 0 {
		return nil
	}
	kustomizeLock.Lock()
	defer kustomizeLock.Unlock()
	factory := provider.NewDefaultDepProvider().GetResourceFactory()
	for i, patch := range patches {
		prepared, err := prepare(factory, patch)
		if err != nil {
			return fmt.Errorf("%w: patch %d: %w", ErrPatch, i+1, err)
		}
		matched := false
		for at, object := range objects {
			if object == nil {
				continue
			}
			hit, changed, err := prepared.apply(factory, object)
			if err != nil {
				return fmt.Errorf("%w: patch %d on %s: %w", ErrPatch, i+1, IDOf(object), err)
			}
			if hit {
				matched, objects[at] = true, changed
			}
		}
		if !matched {
			return fmt.Errorf("%w: patch %d selects no object (%s)", ErrPatch, i+1, prepared.describe())
		}
	}
	return nil
}

type preparedPatch struct {
	selector types.Selector
	regex    *types.SelectorRegex
	// One of the two is set.
	merge *resource.Resource
	json  string
}

func prepare(factory *resource.Factory, patch Patch) (*preparedPatch, error) {
	content, err := decodePatch(patch.Patch)
	if err != nil {
		return nil, err
	}
	prepared := &preparedPatch{}
	switch typed := content.(type) {
	case []any:
		if patch.Target == nil {
			return nil, errors.New("a JSON 6902 patch needs a target")
		}
		prepared.json = patch.Patch
	case map[string]any:
		if patch.Target == nil {
			patch.Target = ownTarget(typed)
		} else {
			nameIt(typed)
		}
		merge, err := factory.FromMap(typed)
		if err != nil {
			return nil, err
		}
		prepared.merge = merge
	default:
		return nil, errors.New("must be an object or a list of operations")
	}
	t := patch.Target
	prepared.selector = types.Selector{
		ResId:         resid.ResId{Gvk: resid.Gvk{Group: t.Group, Version: t.Version, Kind: t.Kind}, Namespace: t.Namespace, Name: t.Name},
		LabelSelector: t.LabelSelector, AnnotationSelector: t.AnnotationSelector,
	}
	prepared.regex, err = types.NewSelectorRegex(&prepared.selector)
	return prepared, err
}

// decodePatch keeps integers integers.
func decodePatch(patch string) (any, error) {
	data, err := yaml.YAMLToJSON([]byte(patch))
	if err != nil {
		return nil, err
	}
	var content any
	err = json.Unmarshal(data, &content)
	return content, err
}

// ownTarget selects the object that a strategic merge patch names.
func ownTarget(patch map[string]any) *Target {
	named := unstructured.Unstructured{Object: patch}
	gvk := named.GroupVersionKind()
	return &Target{
		Group: regexp.QuoteMeta(gvk.Group), Version: gvk.Version, Kind: gvk.Kind,
		Namespace: named.GetNamespace(), Name: regexp.QuoteMeta(named.GetName()),
	}
}

// nameIt gives a patch that leaves out what its target says the fields that kustomize insists on; they are not applied.
func nameIt(patch map[string]any) {
	named := unstructured.Unstructured{Object: patch}
	if named.GetKind() == "" {
		named.SetKind("Patch")
	}
	if named.GetAPIVersion() == "" {
		named.SetAPIVersion("v1")
	}
	if named.GetName() == "" {
		named.SetName("patch")
	}
}

func (p *preparedPatch) describe() string {
	parts := []string{}
	for _, part := range []struct{ name, value string }{
		{"group", p.selector.Group}, {"kind", p.selector.Kind}, {"namespace", p.selector.Namespace}, {"name", p.selector.Name},
		{"labels", p.selector.LabelSelector}, {"annotations", p.selector.AnnotationSelector},
	} {
		if part.value != "" {
			parts = append(parts, part.name+" "+part.value)
		}
	}
	return strings.Join(parts, ", ")
}

func (p *preparedPatch) apply(factory *resource.Factory, object *unstructured.Unstructured) (bool, *unstructured.Unstructured, error) {
	gvk := object.GroupVersionKind()
	fits := p.regex.MatchGvk(resid.Gvk{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind}) &&
		p.regex.MatchNamespace(object.GetNamespace()) && p.regex.MatchName(object.GetName())
	if !fits {
		return false, nil, nil
	}
	target, err := factory.FromMap(object.DeepCopy().Object)
	if err != nil {
		return false, nil, err
	}
	if fits, err = p.selectedByLabels(target); err != nil || !fits {
		return false, nil, err
	}
	if p.merge != nil {
		// What the patch calls itself is for its selection; merged in, it would rename the object.
		merge := p.merge.DeepCopy()
		merge.SetGvk(target.GetGvk())
		if err = errors.Join(merge.SetName(target.GetName()), merge.SetNamespace(target.GetNamespace())); err == nil {
			err = target.ApplySmPatch(merge)
		}
	} else {
		err = target.ApplyFilter(patchjson6902.Filter{Patch: p.json})
	}
	if err != nil || target.IsNilOrEmpty() {
		return true, nil, err
	}
	data, err := target.MarshalJSON()
	if err != nil {
		return true, nil, err
	}
	changed := &unstructured.Unstructured{}
	return true, changed, changed.UnmarshalJSON(data)
}

func (p *preparedPatch) selectedByLabels(target *resource.Resource) (bool, error) {
	byLabel, err := target.MatchesLabelSelector(p.selector.LabelSelector)
	if err != nil || !byLabel {
		return false, err
	}
	return target.MatchesAnnotationSelector(p.selector.AnnotationSelector)
}
