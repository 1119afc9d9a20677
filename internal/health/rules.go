package health

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/ext"
	"github.com/google/cel-go/interpreter"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ruleCost bounds one evaluation: enough for a look through some hundred conditions, too little to hold a worker.
const ruleCost = 100_000

// Rules are compiled health rules. They are safe for concurrent use; nil judges nothing.
type Rules struct {
	byKind map[schema.GroupVersionKind]compiledRule
}

type compiledRule struct {
	failed, inProgress, current cel.Program
}

// CompileRules compiles rules once for all assessments. The error names every rule that is wrong, and why.
func CompileRules(rules []Rule) (*Rules, error) {
	compiled := &Rules{byKind: make(map[schema.GroupVersionKind]compiledRule, len(rules))}
	var problems []error
	for _, rule := range rules {
		gvk := schema.FromAPIVersionAndKind(rule.APIVersion, rule.Kind)
		_, twice := compiled.byKind[gvk]
		switch {
		case gvk.Version == "" || gvk.Kind == "":
			problems = append(problems, fmt.Errorf("health rule for %q %q: state apiVersion and kind", rule.APIVersion, rule.Kind))
			continue
		case twice:
			problems = append(problems, fmt.Errorf("health rule for %s %s: there are two; merge them", rule.APIVersion, rule.Kind))
			continue
		case rule.Current == "":
			problems = append(problems, fmt.Errorf("health rule for %s %s: state when it is current", rule.APIVersion, rule.Kind))
			continue
		}
		one, err := compileRule(rule)
		if err != nil {
			problems = append(problems, fmt.Errorf("health rule for %s %s: %w", rule.APIVersion, rule.Kind, err))
			continue
		}
		compiled.byKind[gvk] = one
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return compiled, nil
}

func compileRule(rule Rule) (compiledRule, error) {
	var compiled compiledRule
	var problems []error
	for _, part := range []struct {
		field, expression string
		program           *cel.Program
	}{
		{"current", rule.Current, &compiled.current},
		{"inProgress", rule.InProgress, &compiled.inProgress},
		{"failed", rule.Failed, &compiled.failed},
	} {
		if part.expression == "" {
			continue
		}
		program, err := compileExpression(part.expression)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", part.field, err))
		}
		*part.program = program
	}
	return compiled, errors.Join(problems...)
}

var ruleEnvironment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(ext.Strings(), ext.Lists(), cel.OptionalTypes(),
		cel.Variable("self", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("status", cel.MapType(cel.StringType, cel.DynType)))
})

func compileExpression(expression string) (cel.Program, error) {
	env, err := ruleEnvironment()
	if err != nil {
		return nil, fmt.Errorf("build the expression environment: %w", err)
	}
	ast, issues := env.Compile(expression)
	if issues.Err() != nil {
		return nil, fmt.Errorf("%q does not compile: %s", expression, firstIssue(issues))
	}
	if out := ast.OutputType(); !out.IsExactType(cel.BoolType) && !out.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("%q gives %s, want true or false", expression, out)
	}
	program, err := env.Program(ast, cel.CostLimit(ruleCost))
	if err != nil {
		return nil, fmt.Errorf("%q: %w", expression, err)
	}
	return program, nil
}

func firstIssue(issues *cel.Issues) string {
	list := issues.Errors()
	if len(list) == 0 {
		return issues.Err().Error()
	}
	return list[0].Message
}

func (r *Rules) find(gvk schema.GroupVersionKind) (compiledRule, bool) {
	if r == nil {
		return compiledRule{}, false
	}
	rule, found := r.byKind[gvk]
	return rule, found
}

// judge evaluates a rule. An expression that reads what the object does not have yet does not hold.
func (c compiledRule) judge(object *unstructured.Unstructured) (State, Reason, string) {
	status, ok := object.Object["status"].(map[string]any)
	if !ok {
		status = map[string]any{}
	}
	scope := map[string]any{"self": object.Object, "status": status}
	for _, step := range []struct {
		program cel.Program
		state   State
		reason  Reason
		message string
	}{
		{c.failed, Failed, ReasonFailed, "failed"},
		{c.inProgress, InProgress, ReasonNotReady, "is in progress"},
		{c.current, Current, "", ""},
	} {
		holds, err := evaluate(step.program, scope)
		switch {
		case err != nil:
			return Unknown, ReasonRuleBroken, "cannot be judged: its health rule " + err.Error()
		case holds:
			return step.state, step.reason, withCondition(step.message, status)
		}
	}
	return InProgress, ReasonNotReady, withCondition("is not ready", status)
}

func evaluate(program cel.Program, scope map[string]any) (bool, error) {
	if program == nil {
		return false, nil
	}
	out, _, err := program.Eval(scope)
	if _, cancelled := errors.AsType[interpreter.EvalCancelledError](err); cancelled {
		return false, errors.New("is too costly to evaluate; simplify it")
	}
	if err != nil {
		return false, nil //nolint:nilerr // most often a field that the object's controller has yet to write
	}
	holds, ok := out.(types.Bool)
	if !ok {
		return false, fmt.Errorf("gives %s, want true or false", out.Type().TypeName())
	}
	return bool(holds), nil
}

// withCondition adds what the object says of itself: the message of its Ready condition, if that does not hold.
func withCondition(message string, status map[string]any) string {
	if message == "" {
		return ""
	}
	conditions, _ := status["conditions"].([]any)
	for _, each := range conditions {
		condition, _ := each.(map[string]any)
		if condition["type"] != "Ready" || condition["status"] == "True" {
			continue
		}
		if text, _ := condition["message"].(string); text != "" {
			return message + ": " + oneLine(text)
		}
	}
	return message
}

// sentenceLimit bounds what is quoted from elsewhere.
const sentenceLimit = 300

// oneLine makes a sentence of what others wrote: one line, bounded, without a full stop.
func oneLine(text string) string {
	text = strings.TrimRight(strings.Join(strings.Fields(text), " "), ".")
	if runes := []rune(text); len(runes) > sentenceLimit {
		return strings.TrimSpace(string(runes[:sentenceLimit-1])) + "…"
	}
	return text
}
