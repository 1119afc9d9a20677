package release

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/helm"
	"github.com/dpi-operator/dpi-operator/internal/placeholder"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

// concealable is the length from which a value that stands in a render can be told from other text.
const concealable = 12

// errSecretUnused means that a value was given to a chart that does not use it where it can be referred to.
var errSecretUnused = errors.New("the chart does not use it as it is")

// concealingLookup shows charts that keep what they find the text that stands for a secret, and not the secret: what it
// becomes is decided when it is applied, so that such charts take up a rotated one as well.
type concealingLookup struct {
	helm.Lookup
	// known are the Secrets of the latest revision that have such text.
	known     map[string]*unstructured.Unstructured
	namespace string
}

func (w *work) lookup() helm.Lookup {
	out := concealingLookup{Lookup: apply.NewLookup(w.client), known: map[string]*unstructured.Unstructured{}, namespace: w.owner.Namespace}
	if w.latest == nil {
		return out
	}
	for _, object := range w.latest.Objects {
		id := w.id(object.Object)
		if !render.IsSecret(object.Object) || id.Namespace != w.owner.Namespace {
			continue
		}
		// The visitor cannot fail.
		_ = render.SecretData(object.Object, func(_, value string) (string, error) {
			if len(placeholder.Find(value)) > 0 {
				out.known[id.Name] = object.Object
			}
			return value, nil
		})
	}
	return out
}

// Get is as that of the cluster, but for those Secrets.
func (l concealingLookup) Get(ctx context.Context, gvk schema.GroupVersionKind, namespace, name string) (*unstructured.Unstructured, error) {
	found, err := l.Lookup.Get(ctx, gvk, namespace, name)
	if found != nil && err == nil {
		l.conceal(found)
	}
	return found, err
}

// List is as that of the cluster, but for those Secrets.
func (l concealingLookup) List(ctx context.Context, gvk schema.GroupVersionKind, namespace string) (*unstructured.UnstructuredList, error) {
	found, err := l.Lookup.List(ctx, gvk, namespace)
	if found != nil && err == nil {
		for i := range found.Items {
			l.conceal(&found.Items[i])
		}
	}
	return found, err
}

func (l concealingLookup) conceal(found *unstructured.Unstructured) {
	recorded := l.known[found.GetName()]
	if recorded == nil || !render.IsSecret(found) || found.GetNamespace() != l.namespace {
		return
	}
	live, _, _ := unstructured.NestedMap(found.Object, "data")
	data, _, _ := unstructured.NestedMap(recorded.Object, "data")
	for key, value := range data {
		if _, exists := live[key]; exists {
			live[key] = value
		}
	}
	found.Object["data"] = live
}

// conceal puts text that stands for secrets where a chart wrote the secrets themselves: charts that keep what they find
// with `lookup` read them from the Secrets that were applied before. What is recorded must not hold them.
func (w *work) conceal(ctx context.Context, rendered *helm.Rendered, references []placeholder.Reference) error {
	var replace []string
	for _, reference := range references {
		value, err := w.secrets.Value(ctx, w.owner.Namespace, reference)
		if errors.Is(err, apply.ErrSecretMissing) {
			continue
		}
		if err != nil {
			return err
		}
		if len(value) >= concealable {
			replace = append(replace, value, reference.Text())
		}
	}
	if len(replace) == 0 {
		return nil
	}
	replacer := strings.NewReplacer(replace...)
	for _, object := range rendered.Objects {
		concealIn(object.Object, replacer)
	}
	for _, hook := range rendered.Hooks {
		concealIn(hook.Object, replacer)
	}
	return nil
}

func concealIn(object *unstructured.Unstructured, replacer *strings.Replacer) {
	if render.IsSecret(object) {
		// The visitor cannot fail.
		_ = render.SecretData(object, func(_, value string) (string, error) { return replacer.Replace(value), nil })
	}
	for key, child := range object.Object {
		object.Object[key] = replaceText(child, replacer)
	}
}

func replaceText(data any, replacer *strings.Replacer) any {
	switch typed := data.(type) {
	case string:
		return replacer.Replace(typed)
	case map[string]any:
		for key, child := range typed {
			typed[key] = replaceText(child, replacer)
		}
	case []any:
		for i, child := range typed {
			typed[i] = replaceText(child, replacer)
		}
	}
	return data
}

// checkUsed makes sure that each secret that the values stand for arrived somewhere. A chart that encodes or hashes it
// would install with a wrong one.
func checkUsed(wanted, found []placeholder.Reference) error {
	arrived := map[placeholder.Reference]bool{}
	for _, reference := range found {
		arrived[reference] = true
	}
	for _, reference := range wanted {
		if !arrived[reference] {
			return fmt.Errorf("key %s of Secret %s, given as text: %w: it is left out, encoded or hashed; take the mapping away, or use another one",
				reference.Key, reference.Secret, errSecretUnused)
		}
	}
	return nil
}
