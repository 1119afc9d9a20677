package expr

import (
	"fmt"
	"sort"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/ext"
)

// costLimit bounds one evaluation; a mapping that needs more is a programme, not a mapping.
const costLimit = 100_000

// Scope is what an expression sees: variable names to plain data (maps, lists, strings, numbers, booleans).
type Scope map[string]any

// environments are kept by their variables: building one costs far more than evaluating with it.
var environments sync.Map

// Check reports whether the expression compiles over the given variables.
func Check(expression string, variables ...string) error {
	_, err := compile(expression, variables)
	return err
}

// Evaluate returns the value of the expression as plain data: string, bool, int64, float64, []any, map[string]any or nil.
func Evaluate(expression string, scope Scope) (any, error) {
	variables := make([]string, 0, len(scope))
	for name := range scope {
		variables = append(variables, name)
	}
	program, err := compile(expression, variables)
	if err != nil {
		return nil, err
	}
	out, _, err := program.Eval(map[string]any(scope))
	if err != nil {
		return nil, fmt.Errorf("%q: %w", expression, err)
	}
	plain, err := native(out)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", expression, err)
	}
	return plain, nil
}

// EvaluateString is Evaluate for expressions whose result is text; numbers and booleans are written out.
func EvaluateString(expression string, scope Scope) (string, error) {
	value, err := Evaluate(expression, scope)
	if err != nil {
		return "", err
	}
	switch v := value.(type) {
	case string:
		return v, nil
	case int64, float64, bool:
		return fmt.Sprint(v), nil
	default:
		return "", fmt.Errorf("%q gives %T, want text", expression, value)
	}
}

// EvaluateBool is Evaluate for conditions.
func EvaluateBool(expression string, scope Scope) (bool, error) {
	value, err := Evaluate(expression, scope)
	if err != nil {
		return false, err
	}
	b, ok := value.(bool)
	if !ok {
		return false, fmt.Errorf("%q gives %T, want true or false", expression, value)
	}
	return b, nil
}

func compile(expression string, variables []string) (cel.Program, error) {
	env, err := environment(variables)
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(expression)
	if issues.Err() != nil {
		return nil, fmt.Errorf("%q does not compile: %s", expression, firstLine(issues.Err()))
	}
	program, err := env.Program(ast, cel.CostLimit(costLimit))
	if err != nil {
		return nil, fmt.Errorf("%q: %w", expression, err)
	}
	return program, nil
}

func environment(variables []string) (*cel.Env, error) {
	names := append([]string(nil), variables...)
	sort.Strings(names)
	key := strings.Join(names, ",")
	if known, ok := environments.Load(key); ok {
		if env, ok := known.(*cel.Env); ok {
			return env, nil
		}
	}
	options := append([]cel.EnvOption{ext.Strings(), ext.Encoders(), cel.OptionalTypes()}, digests()...)
	for _, name := range names {
		options = append(options, cel.Variable(name, cel.DynType))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("build the expression environment: %w", err)
	}
	environments.Store(key, env)
	return env, nil
}

func native(value ref.Val) (any, error) {
	switch v := value.(type) {
	case types.String:
		return string(v), nil
	case types.Bool:
		return bool(v), nil
	case types.Int:
		return int64(v), nil
	case types.Uint:
		return int64(v), nil //nolint:gosec // values above 2^63 have no place in chart values
	case types.Double:
		return float64(v), nil
	case types.Null:
		return nil, nil
	case traits.Mapper:
		return nativeMap(v)
	case traits.Lister:
		return nativeList(v)
	default:
		return nil, fmt.Errorf("a result of type %s cannot be a value", value.Type().TypeName())
	}
}

func nativeList(list traits.Lister) ([]any, error) {
	var out []any
	for it := list.Iterator(); it.HasNext() == types.True; {
		item, err := native(it.Next())
		if err != nil {
			return nil, err
		}
		out = append(out, item)
	}
	return out, nil
}

func nativeMap(mapper traits.Mapper) (map[string]any, error) {
	out := map[string]any{}
	for it := mapper.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, ok := key.(types.String)
		if !ok {
			return nil, fmt.Errorf("a map key of type %s cannot be a value's name", key.Type().TypeName())
		}
		item, err := native(mapper.Get(key))
		if err != nil {
			return nil, err
		}
		out[string(name)] = item
	}
	return out, nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimPrefix(line, "ERROR: <input>:")
}
