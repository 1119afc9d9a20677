package httpupsert

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/expr"
	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/values"
)

// maxWrites is how often one run changes an object: some servers ignore at first what they take later.
const maxWrites = 2

// run works on the objects of one registration.
type run struct {
	session *session
	// registered are the objects of the registration, in order; minted is how outputs are read from them.
	registered []v1alpha1.HTTPObject
	minted     []v1alpha1.HTTPOutput
	// public is what every expression sees; objects are those dealt with so far, nil where there is none.
	public  expr.Scope
	objects map[string]any
	secrets map[string]any
	now     string
}

// with returns the public scope with more variables.
func (r *run) with(more expr.Scope) expr.Scope {
	scope := maps.Clone(r.public)
	scope["objects"] = r.objects
	maps.Copy(scope, more)
	return scope
}

// find returns the object as it is, or nil.
func (r *run) find(ctx context.Context, object v1alpha1.HTTPObject) (map[string]any, error) {
	where := "object " + object.Name + ": find"
	path, err := segments(where, object.Find.PathExpr, r.with(nil))
	if err != nil {
		return nil, err
	}
	query, err := parameters(where+": query", object.Find.Query, r.with(nil))
	if err != nil {
		return nil, err
	}
	c := call{method: http.MethodGet, path: path, query: query, accept: []int{http.StatusNotFound}}
	answer, err := r.session.do(ctx, c)
	if err != nil || answer == nil {
		return nil, err
	}
	if object.Find.ObjectExpr != "" {
		if answer, err = data(where+": objectExpr", object.Find.ObjectExpr, r.with(expr.Scope{"answer": answer})); err != nil {
			return nil, err
		}
	}
	return single(c, object, answer)
}

// single returns the one object that was picked.
func single(c call, object v1alpha1.HTTPObject, picked any) (map[string]any, error) {
	if list, isList := picked.([]any); isList {
		switch len(list) {
		case 0:
			return nil, nil
		case 1:
			picked = list[0]
		default:
			return nil, provision.Failed(provision.ReasonProviderError, "%s lists %d objects that could be %s; remove the others, or correct find in the catalogue entry", c, len(list), object.Name)
		}
	}
	if picked == nil {
		return nil, nil
	}
	found, ok := picked.(map[string]any)
	if !ok {
		return nil, wrong("object "+object.Name+": find: objectExpr", "an object")
	}
	return found, nil
}

// ensure makes the object, brings it into shape, and records what does not hold in the end.
func (r *run) ensure(ctx context.Context, object v1alpha1.HTTPObject, report *provision.Report) error {
	wanted, err := r.wanted(object)
	if err != nil {
		return err
	}
	found, err := r.find(ctx, object)
	for writes := 0; err == nil; writes++ {
		if err = r.claim(object, found); err != nil {
			break
		}
		r.objects[object.Name] = anyOf(found)
		var different []string
		if found != nil {
			if object.Ownership == v1alpha1.OwnershipShared {
				return nil
			}
			if different, err = r.different(object, found, wanted); err != nil || len(different) == 0 {
				break
			}
		}
		if writes == maxWrites || found != nil && object.Update == nil {
			report.Check(object.Name, errors.New(unlike(object, found, different)))
			break
		}
		if err = r.write(ctx, object, found, wanted); err == nil {
			found, err = r.find(ctx, object)
		}
	}
	return err
}

func unlike(object v1alpha1.HTTPObject, found map[string]any, different []string) string {
	if found == nil {
		return "the API took it and does not have it"
	}
	if object.Update == nil {
		return "it exists with other values of " + strings.Join(different, ", ") + " and cannot be changed; remove it"
	}
	return "the API took it and still has other values of " + strings.Join(different, ", ")
}

func anyOf(found map[string]any) any {
	if found == nil {
		return nil
	}
	return found
}

// different names what is not as wanted. What is only a memory differs as a whole.
func (r *run) different(object v1alpha1.HTTPObject, found map[string]any, wanted []field) ([]string, error) {
	gone, err := r.isGone(object, found)
	if err != nil {
		return nil, err
	}
	if gone {
		return []string{"its deletion"}, nil
	}
	return differences(found, wanted), nil
}

func (r *run) isGone(object v1alpha1.HTTPObject, found map[string]any) (bool, error) {
	if found == nil || object.DeletedExpr == "" {
		return found == nil, nil
	}
	return truth("object "+object.Name+": deletedExpr", object.DeletedExpr, r.with(expr.Scope{"object": found}))
}

// claim refuses what is somebody else's.
func (r *run) claim(object v1alpha1.HTTPObject, found map[string]any) error {
	if found == nil || object.Ownership == v1alpha1.OwnershipShared {
		return nil
	}
	gone, err := r.isGone(object, found)
	if err != nil || gone {
		return err
	}
	mine, err := r.isMine(object, found)
	if err == nil && !mine {
		err = provision.Failed(provision.ReasonForeignObject, "%s has %s already and it is not this binding's; remove it there, or choose another name for the deployment", r.session.base, object.Name)
	}
	return err
}

func (r *run) isMine(object v1alpha1.HTTPObject, found map[string]any) (bool, error) {
	return truth("object "+object.Name+": ownedExpr", object.OwnedExpr, r.with(expr.Scope{"object": found}))
}

// write makes the object or changes it. One that somebody made in between is looked at next.
func (r *run) write(ctx context.Context, object v1alpha1.HTTPObject, found map[string]any, wanted []field) error {
	where, how, method, accept := "create", object.Create, http.MethodPost, []int{http.StatusConflict}
	if found != nil {
		where, how, method, accept = "update", *object.Update, http.MethodPut, nil
	}
	where = "object " + object.Name + ": " + where
	scope := r.with(nil)
	if found != nil {
		scope["object"] = found
	}
	path, err := segments(where, how.PathExpr, scope)
	if err != nil {
		return err
	}
	c := call{method: cmp.Or(how.Method, method), path: path, accept: accept}
	fields, err := lay(nil, wanted)
	if err != nil {
		return provision.Failed(provision.ReasonInvalidRequest, "object %s: %w; correct the catalogue entry of the provider", object.Name, err)
	}
	switch {
	case how.BodyExpr != "":
		c.body, err = data(where+": bodyExpr", how.BodyExpr, r.with(expr.Scope{"secrets": r.secrets, "wanted": fields, "object": anyOf(found), "now": r.now}))
	case found != nil && c.method != http.MethodPatch:
		// Whole: servers fill fields that are left out with ideas of their own.
		c.body, err = lay(found, wanted)
	default:
		c.body = fields
	}
	if err != nil {
		return err
	}
	_, err = r.session.do(ctx, c)
	return err
}

// wanted are the values of the fields.
func (r *run) wanted(object v1alpha1.HTTPObject) ([]field, error) {
	out := make([]field, 0, len(object.Fields))
	for _, each := range object.Fields {
		one := field{path: each.Path, compare: each.Compare}
		where := "object " + object.Name + ": field " + each.Path
		var err error
		switch {
		case each.Expr != "":
			one.value, err = data(where, each.Expr, r.with(expr.Scope{"secrets": r.secrets}))
			if isMadeOfSecrets(each) {
				r.session.conceal(leaves(one.value)...)
			}
		default:
			if one.value, err = values.DecodeAny(each.Value.Raw); err != nil {
				err = wrong(where, "a value")
			}
		}
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

func isMadeOfSecrets(field v1alpha1.HTTPField) bool { return strings.Contains(field.Expr, "secrets") }

// leaves are the texts in plain data.
func leaves(value any) []string {
	var out []string
	switch v := value.(type) {
	case string:
		out = append(out, v)
	case []any:
		for _, item := range v {
			out = append(out, leaves(item)...)
		}
	case map[string]any:
		for _, item := range v {
			out = append(out, leaves(item)...)
		}
	}
	return out
}

// remove deletes the object and sees that it is gone. Nothing that is somebody else's is touched.
func (r *run) remove(ctx context.Context, object v1alpha1.HTTPObject, found map[string]any) (bool, error) {
	gone, err := r.isGone(object, found)
	if err != nil || gone {
		return false, err
	}
	if mine, err := r.isMine(object, found); err != nil || !mine {
		return false, err
	}
	where := "object " + object.Name + ": delete"
	path, err := segments(where, object.Delete.PathExpr, r.with(expr.Scope{"object": found}))
	if err != nil {
		return false, err
	}
	c := call{method: cmp.Or(object.Delete.Method, http.MethodDelete), path: path, accept: []int{http.StatusNotFound, http.StatusGone}}
	if object.Delete.BodyExpr != "" {
		scope := r.with(expr.Scope{"secrets": r.secrets, "wanted": map[string]any{}, "object": found, "now": r.now})
		if c.body, err = data(where+": bodyExpr", object.Delete.BodyExpr, scope); err != nil {
			return false, err
		}
	}
	if _, err := r.session.do(ctx, c); err != nil {
		return false, err
	}
	left, err := r.find(ctx, object)
	if err != nil {
		return false, err
	}
	if gone, err = r.isGone(object, left); err == nil && !gone {
		err = provision.Failed(provision.ReasonCheckFailed, "%s took %s and still has %s", r.session.base, c, object.Name)
	}
	return true, err
}
