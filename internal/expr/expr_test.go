package expr_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/internal/expr"
)

func TestEvaluate(t *testing.T) {
	scope := expr.Scope{
		"facts":    map[string]any{"country": "KE", "locales": []any{"sw-KE", "en"}},
		"bindings": map[string]any{"database": map[string]any{"host": "db", "port": "5432"}},
	}
	cases := map[string]struct {
		expression string
		want       any
	}{
		"text is joined":              {`"jdbc:postgresql://" + bindings.database.host + ":" + bindings.database.port`, "jdbc:postgresql://db:5432"},
		"a number stays a number":     {`int(bindings.database.port)`, int64(5432)},
		"a list stays a list":         {`facts.locales`, []any{"sw-KE", "en"}},
		"a map stays a map":           {`{"a": {"b": true}}`, map[string]any{"a": map[string]any{"b": true}}},
		"an absent slot can be asked": {`'identity' in bindings`, false},
		"string functions work":       {`facts.country.lowerAscii()`, "ke"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := expr.Evaluate(tc.expression, scope)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEvaluate_refuses(t *testing.T) {
	for name, expression := range map[string]string{
		"an unknown variable":   `secrets.password`,
		"an absent key":         `facts.nothing`,
		"a syntax error":        `facts.`,
		"an endless expression": `[1,2,3,4,5,6,7,8,9,10].map(a, [1,2,3,4,5,6,7,8,9,10].map(b, [1,2,3,4,5,6,7,8,9,10].map(c, [1,2,3,4,5,6,7,8,9,10].map(d, [1,2,3,4,5,6,7,8,9,10].map(e, a+b+c+d+e)))))`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := expr.Evaluate(expression, expr.Scope{"facts": map[string]any{}}); err == nil {
				t.Error("accepted")
			}
		})
	}
}
