package helm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
)

// ValuesError lists what a chart's schemas refuse. It matches ErrInvalidValues.
type ValuesError struct {
	Problems []ValuesProblem
}

// ValuesProblem is one broken rule.
type ValuesProblem struct {
	// Chart or subchart whose schema it is.
	Chart string
	// Path of the value from the root of the values, such as `db.port`; empty for the whole.
	Path string
	// Message of the rule.
	Message string
}

// Error names every path with its rule.
func (e *ValuesError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		path := p.Path
		if path == "" {
			path = "the values"
		}
		lines[i] = path + ": " + p.Message
	}
	return ErrInvalidValues.Error() + ": " + strings.Join(lines, "; ")
}

// Is matches ErrInvalidValues.
func (e *ValuesError) Is(target error) bool { return target == ErrInvalidValues }

// computeValues merges the defaults in and enables subcharts by their conditions and tags. It changes the parsed chart.
func computeValues(parsed *chart.Chart, given map[string]any) (map[string]any, map[string]any, error) {
	user, err := copyValues(given)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrRender, err)
	}
	if err := chartutil.ProcessDependenciesWithMerge(parsed, user); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrInvalidChart, err)
	}
	merged, err := chartutil.CoalesceValues(parsed, user)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrInvalidValues, err)
	}
	problems, err := validate(parsed, merged, "")
	if err != nil {
		return nil, nil, err
	}
	if len(problems) > 0 {
		return nil, nil, &ValuesError{Problems: problems}
	}
	return user, merged, nil
}

// copyValues makes every number a float64, as Helm does with values from files: templates compare with that type.
func copyValues(given map[string]any) (map[string]any, error) {
	copied := map[string]any{}
	if len(given) == 0 {
		return copied, nil
	}
	data, err := json.Marshal(given)
	if err != nil {
		return nil, err
	}
	return copied, json.Unmarshal(data, &copied)
}

// validate checks the values of a chart and its subcharts. Helm's own check fetches schemas from anywhere; a render must
// not depend on the network, so a schema that refers outside of itself is an error here.
func validate(parsed *chart.Chart, values map[string]any, prefix string) ([]ValuesProblem, error) {
	problems, err := validateOne(parsed, values, prefix)
	if err != nil {
		return nil, err
	}
	for _, sub := range parsed.Dependencies() {
		path := join(prefix, sub.Name())
		raw, given := values[sub.Name()]
		if !given || raw == nil {
			continue
		}
		subValues, ok := raw.(map[string]any)
		if !ok {
			problems = append(problems, ValuesProblem{Chart: sub.Name(), Path: path, Message: "must be an object: it holds a subchart's values"})
			continue
		}
		more, err := validate(sub, subValues, path)
		if err != nil {
			return nil, err
		}
		problems = append(problems, more...)
	}
	return problems, nil
}

func validateOne(parsed *chart.Chart, values map[string]any, prefix string) ([]ValuesProblem, error) {
	if len(parsed.Schema) == 0 {
		return nil, nil
	}
	schema, err := compileSchema(parsed.Schema)
	if err != nil {
		return nil, fmt.Errorf("%w: values.schema.json of %s: %w", ErrInvalidChart, parsed.Name(), err)
	}
	data, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidValues, err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidValues, err)
	}
	var broken *jsonschema.ValidationError
	if err := schema.Validate(instance); errors.As(err, &broken) {
		return leaves(broken, parsed.Name(), prefix), nil
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidValues, err)
	}
	return nil, nil
}

func compileSchema(data []byte) (*jsonschema.Schema, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	const location = "chart:///values.schema.json"
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(noLoader{})
	if err := compiler.AddResource(location, document); err != nil {
		return nil, err
	}
	return compiler.Compile(location)
}

type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is outside of the chart, and is not fetched", url)
}

func leaves(broken *jsonschema.ValidationError, chartName, prefix string) []ValuesProblem {
	if len(broken.Causes) == 0 {
		path := prefix
		for _, token := range broken.InstanceLocation {
			path = join(path, token)
		}
		return []ValuesProblem{{Chart: chartName, Path: path, Message: broken.ErrorKind.LocalizedString(message.NewPrinter(language.English))}}
	}
	var problems []ValuesProblem
	for _, cause := range broken.Causes {
		problems = append(problems, leaves(cause, chartName, prefix)...)
	}
	sort.SliceStable(problems, func(i, j int) bool { return problems[i].Path < problems[j].Path })
	return problems
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}
