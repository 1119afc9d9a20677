package httpupsert

import (
	"net/url"
	"strconv"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/expr"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// text evaluates to text. An error of the evaluation may repeat what the expression saw: it is not passed on.
func text(where, expression string, scope expr.Scope) (string, error) {
	value, err := expr.EvaluateString(expression, scope)
	if err != nil {
		return "", wrong(where, "text")
	}
	return value, nil
}

// data evaluates to plain data as JSON has it.
func data(where, expression string, scope expr.Scope) (any, error) {
	value, err := expr.Evaluate(expression, scope)
	if err == nil {
		value, err = plain(value)
	}
	if err != nil {
		return nil, wrong(where, "a value")
	}
	return value, nil
}

func truth(where, expression string, scope expr.Scope) (bool, error) {
	value, err := expr.EvaluateBool(expression, scope)
	if err != nil {
		return false, wrong(where, "true or false")
	}
	return value, nil
}

// segments evaluates a path. One that would lead elsewhere is refused: consumers choose parts of some.
func segments(where, expression string, scope expr.Scope) ([]string, error) {
	value, err := expr.Evaluate(expression, scope)
	list, isList := value.([]any)
	if err != nil || !isList || len(list) == 0 {
		return nil, wrong(where+": pathExpr", "a list of segments")
	}
	out := make([]string, 0, len(list))
	for _, item := range list {
		segment, isText := item.(string)
		if number, ok := item.(int64); ok {
			segment, isText = strconv.FormatInt(number, 10), true
		}
		if !isText || segment == "" || segment == "." || segment == ".." {
			return nil, wrong(where+": pathExpr", "segments of text that lead anywhere")
		}
		out = append(out, segment)
	}
	return out, nil
}

func parameters(where string, from []v1alpha1.HTTPValue, scope expr.Scope) (url.Values, error) {
	out := url.Values{}
	for _, each := range from {
		value, err := text(where+" "+each.Name, each.Expr, scope)
		if err != nil {
			return nil, err
		}
		out.Set(each.Name, value)
	}
	return out, nil
}

func wrong(where, want string) error {
	return provision.Failed(provision.ReasonInvalidRequest, "%s does not give %s; correct the catalogue entry of the provider, or what it was asked for", where, want)
}

func address(e provision.Endpoint) map[string]any {
	return map[string]any{"host": e.Host, "port": int64(e.Port), "url": e.URL}
}

func texts(from map[string]string) map[string]any {
	out := make(map[string]any, len(from))
	for key, value := range from {
		out[key] = value
	}
	return out
}
