package parameters

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/dpi-operator/dpi-operator/internal/values"
)

// Resolve returns the given parameters with the schema's defaults filled in. The schema describes an object; without
// one no parameter is known. Unknown parameters and broken rules give an error that names the parameter.
func Resolve(schema, given []byte) (values.Tree, error) {
	parameters, err := values.Decode(given)
	if err != nil {
		return nil, fmt.Errorf("parameters: %w", err)
	}
	tree, err := values.Decode(schema)
	if err != nil {
		return nil, fmt.Errorf("the schema of the parameters is broken: %w", err)
	}
	if err := refuseUnknown(tree, parameters); err != nil {
		return nil, err
	}
	fillDefaults(tree, parameters)
	if len(tree) == 0 {
		return parameters, nil
	}
	return parameters, validate(tree, parameters)
}

// CheckSchema reports whether the schema can be used.
func CheckSchema(schema []byte) error {
	tree, err := values.Decode(schema)
	if err != nil {
		return err
	}
	_, err = compile(tree)
	return err
}

func refuseUnknown(schema, parameters values.Tree) error {
	known, _ := schema["properties"].(map[string]any)
	for _, name := range sorted(parameters) {
		if _, ok := known[name]; ok {
			continue
		}
		if len(known) == 0 {
			return fmt.Errorf("parameter %q is unknown: there are none", name)
		}
		return fmt.Errorf("parameter %q is unknown; known are %s", name, strings.Join(sorted(known), ", "))
	}
	return nil
}

func fillDefaults(schema, parameters values.Tree) {
	properties, _ := schema["properties"].(map[string]any)
	for name, property := range properties {
		rules, ok := property.(map[string]any)
		if !ok {
			continue
		}
		if _, given := parameters[name]; !given {
			if byDefault, has := rules["default"]; has {
				parameters[name] = values.Copy(byDefault)
			}
		}
		if child, ok := parameters[name].(map[string]any); ok {
			fillDefaults(rules, child)
		}
	}
}

func validate(schema, parameters values.Tree) error {
	compiled, err := compile(schema)
	if err != nil {
		return err
	}
	err = compiled.Validate(parameters)
	if broken, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return describe(broken)
	}
	return err
}

func compile(schema values.Tree) (*jsonschema.Schema, error) {
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", schema); err != nil {
		return nil, fmt.Errorf("the schema of the parameters is broken: %w", err)
	}
	compiled, err := compiler.Compile("schema.json")
	if err != nil {
		return nil, fmt.Errorf("the schema of the parameters is broken: %w", err)
	}
	return compiled, nil
}

// describe names the deepest broken rule: the ones above it only say that something below is wrong.
func describe(broken *jsonschema.ValidationError) error {
	for len(broken.Causes) > 0 {
		broken = broken.Causes[0]
	}
	rule := broken.ErrorKind.LocalizedString(message.NewPrinter(language.English))
	if len(broken.InstanceLocation) == 0 {
		return fmt.Errorf("parameters: %s", rule)
	}
	return fmt.Errorf("parameter %q: %s", strings.Join(broken.InstanceLocation, "."), rule)
}

func sorted(tree map[string]any) []string {
	names := make([]string, 0, len(tree))
	for name := range tree {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
