package helm

import (
	"bytes"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// parseObjects reads one document. A document without content gives nothing, a list gives its items.
func parseObjects(source, document string) ([]*unstructured.Unstructured, error) {
	data, err := yaml.YAMLToJSON([]byte(document))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrRender, source, err)
	}
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return nil, nil
	}
	decoded, _, err := unstructured.UnstructuredJSONScheme.Decode(data, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrRender, source, err)
	}
	var objects []*unstructured.Unstructured
	switch object := decoded.(type) {
	case *unstructured.Unstructured:
		objects = append(objects, object)
	case *unstructured.UnstructuredList:
		err = object.EachListItem(func(item runtime.Object) error {
			element, ok := item.(*unstructured.Unstructured)
			if !ok {
				return fmt.Errorf("an item is a %T", item)
			}
			objects = append(objects, element)
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrRender, source, err)
	}
	for _, object := range objects {
		if object.GetName() == "" || object.GetAPIVersion() == "" {
			return nil, fmt.Errorf("%w: %s: a %s has no name or no apiVersion", ErrRender, source, object.GetKind())
		}
	}
	return objects, nil
}

func marshalObject(object *unstructured.Unstructured) (string, error) {
	data, err := yaml.Marshal(object.Object)
	if err != nil {
		return "", fmt.Errorf("write %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return string(data), nil
}
