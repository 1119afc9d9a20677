package httpupsert

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/expr"
	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/values"
)

// Retire deletes what carries the retired values of outputs, unless the values in force lead to the same object. It takes
// nothing away before everything in force is there, with the credentials in force.
func Retire(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	r, inForce, err := lookAt(ctx, task)
	if err != nil {
		return report, err
	}
	for _, object := range r.registered {
		if err := r.requireInForce(object, inForce.found[object.Name]); err != nil {
			return report, err
		}
	}
	deleted, err := r.removeRetired(ctx, inForce, task.Request.Retired)
	report.Message = r.deletions(deleted)
	return report, err
}

// Revoke deletes what is the binding's, the last first, and before it what only the retired values of outputs lead to, if there
// are any: a rotation that is under way may have left two of a kind. It is done where nothing is left.
func Revoke(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	r, inForce, err := lookAt(ctx, task)
	if err != nil {
		return report, err
	}
	retired := 0
	if len(task.Request.Retired) > 0 {
		if retired, err = r.removeRetired(ctx, inForce, task.Request.Retired); err != nil {
			return report, err
		}
		r.turnTo(inForce)
	}
	deleted, err := r.removeAll(ctx, inForce.found)
	report.Message = r.deletions(retired + deleted)
	return report, err
}

func (r *run) deletions(count int) string {
	return fmt.Sprintf("deleted %d of the kinds %s at %s", count, names(r.registered), r.session.base)
}

// lookAt begins a run with what the values in force lead to.
func lookAt(ctx context.Context, task provision.Task) (*run, view, error) {
	r, err := begin(ctx, task)
	if err != nil {
		return nil, view{}, err
	}
	inForce, err := r.look(ctx, texts(task.Request.Outputs))
	return r, inForce, err
}

// view is what certain values of outputs lead to.
type view struct {
	// outputs and objects are what expressions see.
	outputs, objects map[string]any
	// found are the objects that there are.
	found map[string]map[string]any
}

// look finds what the outputs lead to. What is done next is done in that view.
func (r *run) look(ctx context.Context, outputs map[string]any) (view, error) {
	r.public["outputs"] = outputs
	found, err := r.findAll(ctx)
	return view{outputs: outputs, objects: r.objects, found: found}, err
}

func (r *run) turnTo(v view) { r.public["outputs"], r.objects = v.outputs, v.objects }

// requireInForce refuses to go on where the object is not there with the credentials that it was given: who has nothing that
// works keeps what did. It is the closest to a login that an API's admin can see. Other fields that drifted are no reason: they
// do not keep the consumer out, or its own proof has them mended.
func (r *run) requireInForce(object v1alpha1.HTTPObject, found map[string]any) error {
	if err := r.claim(object, found); err != nil {
		return err
	}
	gone, err := r.isGone(object, found)
	if err != nil {
		return err
	}
	if gone {
		return provision.Failed(provision.ReasonCredentialsRejected, "%s has no %s in force, and nothing is retired before it has; provision it again", r.session.base, object.Name)
	}
	if object.Ownership == v1alpha1.OwnershipShared {
		return nil
	}
	object.Fields = slices.DeleteFunc(slices.Clone(object.Fields), func(f v1alpha1.HTTPField) bool { return !isMadeOfSecrets(f) })
	credentials, err := r.wanted(object)
	if err != nil {
		return err
	}
	if different := differences(found, credentials); len(different) > 0 {
		return provision.Failed(provision.ReasonCredentialsRejected, "%s has %s in force with other values of %s, and nothing is retired before it has those; provision it again",
			r.session.base, object.Name, strings.Join(different, ", "))
	}
	return nil
}

// removeRetired deletes what the retired values lead to and those in force do not. It leaves the run in the view of the retired.
func (r *run) removeRetired(ctx context.Context, inForce view, retired map[string]string) (int, error) {
	outputs := maps.Clone(inForce.outputs)
	maps.Copy(outputs, texts(retired))
	old, err := r.look(ctx, outputs)
	if err != nil {
		return 0, err
	}
	for _, object := range r.registered {
		one, other := inForce.found[object.Name], old.found[object.Name]
		if one == nil || other == nil || object.Ownership == v1alpha1.OwnershipShared {
			continue
		}
		r.turnTo(inForce)
		kept, err := r.handle(object, one)
		if err != nil {
			return 0, err
		}
		r.turnTo(old)
		taken, err := r.handle(object, other)
		if err != nil {
			return 0, err
		}
		if isSame(object, kept, taken, alike(object.Fields, one, other)) {
			delete(old.found, object.Name)
		}
	}
	return r.removeAll(ctx, old.found)
}

// handle is by what the API takes hold of an object: the requests that delete and update it, without their bodies. Two reads of
// one object differ in whatever the server counts or dates, these do not.
type handle struct{ deletion, update string }

func (r *run) handle(object v1alpha1.HTTPObject, found map[string]any) (handle, error) {
	var h handle
	for _, each := range []struct {
		how           *v1alpha1.HTTPWrite
		where, method string
		into          *string
	}{{object.Delete, "delete", http.MethodDelete, &h.deletion}, {object.Update, "update", http.MethodPut, &h.update}} {
		if each.how == nil {
			continue
		}
		path, err := segments("object "+object.Name+": "+each.where, each.how.PathExpr, r.with(expr.Scope{"object": found}))
		if err != nil {
			return h, err
		}
		*each.into = call{method: cmp.Or(each.how.Method, each.method), path: path}.String()
	}
	return h, nil
}

// isSame reports whether two handles are of one object. Where the body of a deletion says what goes, the address may be that of
// all objects: then they are one only if what is asked for of them is the same, too.
func isSame(object v1alpha1.HTTPObject, one, other handle, alike bool) bool {
	if object.Delete == nil || object.Delete.BodyExpr == "" {
		return one.deletion == other.deletion
	}
	return one == other && alike
}

// alike reports whether two reads have the same values of the fields that are asked for, as far as the API shows them.
func alike(fields []v1alpha1.HTTPField, one, other map[string]any) bool {
	for _, each := range fields {
		if each.Compare == v1alpha1.CompareWriteOnly {
			continue
		}
		a, _ := values.Get(one, each.Path)
		b, _ := values.Get(other, each.Path)
		if !reflect.DeepEqual(a, b) && (each.Compare != v1alpha1.CompareSet || !sameItems(a, b)) {
			return false
		}
	}
	return true
}
