package health

import (
	"sync"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// needPrograms keeps compiled expressions: compiling one costs far more than evaluating it.
var needPrograms sync.Map

// CheckExpression reports whether an expression over `self` and `status` compiles.
func CheckExpression(expression string) error {
	_, err := needProgram(expression)
	return err
}

func needProgram(expression string) (cel.Program, error) {
	if known, ok := needPrograms.Load(expression); ok {
		if program, ok := known.(cel.Program); ok {
			return program, nil
		}
	}
	program, err := compileExpression(expression)
	if err == nil {
		needPrograms.Store(expression, program)
	}
	return program, err
}

// Satisfies reports whether an object that a component waits for is as it should be, and otherwise why not: by a CEL
// expression over `self` and `status`, or without one by what is generally known of its kind. An expression that reads
// what the object does not have yet does not hold.
func Satisfies(object *unstructured.Unstructured, expression string) (ready bool, why string) {
	if !object.GetDeletionTimestamp().IsZero() {
		return false, "it is being deleted"
	}
	if expression == "" {
		result, err := status.Compute(object)
		if err != nil {
			return false, oneLine(err.Error())
		}
		return result.Status == status.CurrentStatus, oneLine(result.Message)
	}
	program, err := needProgram(expression)
	if err != nil {
		return false, oneLine(err.Error())
	}
	state, ok := object.Object["status"].(map[string]any)
	if !ok {
		state = map[string]any{}
	}
	ready, err = evaluate(program, map[string]any{"self": object.Object, "status": state})
	switch {
	case err != nil:
		return false, oneLine(expression + " " + err.Error())
	case !ready:
		return false, expression + " does not hold"
	default:
		return true, ""
	}
}
