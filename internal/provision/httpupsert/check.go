package httpupsert

import (
	"fmt"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/expr"
)

// Variables of expressions. What a path or a query sees is never secret: they end up in logs.
var (
	publicVariables  = []string{"binding", "endpoint", "api", "parameters", "outputs", "objects"}
	adminVariables   = []string{"endpoint", "api", "admin"}
	problemVariables = []string{"answer", "status"}
)

// checker compiles expressions and keeps the first that does not.
type checker struct{ err error }

func (c *checker) compile(where, expression string, variables []string, more ...string) {
	if expression == "" || c.err != nil {
		return
	}
	if err := expr.Check(expression, append(append([]string{}, variables...), more...)...); err != nil {
		c.err = fmt.Errorf("%s: %w", where, err)
	}
}

func (c *checker) values(where string, values []v1alpha1.HTTPValue, variables []string, more ...string) {
	for _, value := range values {
		c.compile(where+" "+value.Name, value.Expr, variables, more...)
	}
}

// Check type-checks the expressions of a registration. It is pure; the error names the expression.
func Check(registration v1alpha1.HTTPRegistration) error {
	var c checker
	if how := registration.Authentication; how != nil {
		c.authentication(*how)
	}
	c.compile("problemExpr", registration.ProblemExpr, problemVariables)
	for _, object := range registration.Objects {
		c.object(object)
	}
	for _, output := range registration.Outputs {
		c.compile("output "+output.Name, output.Expr, publicVariables)
	}
	return c.err
}

func (c *checker) authentication(how v1alpha1.HTTPAuthentication) {
	if token := how.ClientCredentials; token != nil {
		c.compile("tokenURLExpr", token.TokenURLExpr, adminVariables)
	}
	if login := how.Login; login != nil {
		c.compile("login: pathExpr", login.PathExpr, adminVariables)
		c.compile("login: bodyExpr", login.BodyExpr, adminVariables)
		c.values("login: form", login.Form, adminVariables)
		c.values("login: header", login.Headers, adminVariables, "login")
	}
}

func (c *checker) object(object v1alpha1.HTTPObject) {
	where := "object " + object.Name + ": "
	c.compile(where+"find: pathExpr", object.Find.PathExpr, publicVariables)
	c.values(where+"find: query", object.Find.Query, publicVariables)
	c.compile(where+"find: objectExpr", object.Find.ObjectExpr, publicVariables, "answer")
	c.compile(where+"ownedExpr", object.OwnedExpr, publicVariables, "object")
	c.compile(where+"deletedExpr", object.DeletedExpr, publicVariables, "object")
	for _, field := range object.Fields {
		if (field.Value == nil) == (field.Expr == "") && c.err == nil {
			c.err = fmt.Errorf("%sfield %s: give either value or expr", where, field.Path)
		}
		c.compile(where+"field "+field.Path, field.Expr, publicVariables, "secrets")
	}
	c.compile(where+"create: pathExpr", object.Create.PathExpr, publicVariables)
	c.compile(where+"create: bodyExpr", object.Create.BodyExpr, publicVariables, "secrets", "wanted", "object", "now")
	if update := object.Update; update != nil {
		c.compile(where+"update: pathExpr", update.PathExpr, publicVariables, "object")
		c.compile(where+"update: bodyExpr", update.BodyExpr, publicVariables, "secrets", "wanted", "object", "now")
	}
	if deletion := object.Delete; deletion != nil {
		c.compile(where+"delete: pathExpr", deletion.PathExpr, publicVariables, "object")
		c.compile(where+"delete: bodyExpr", deletion.BodyExpr, publicVariables, "secrets", "wanted", "object", "now")
	}
}
