package httpupsert

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/expr"
	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/values"
)

// ReasonNotPermitted is given when the admin credential lacks a right.
const ReasonNotPermitted = "NotPermitted"

// timeFormat is RFC 3339 with milliseconds, in UTC.
const timeFormat = "2006-01-02T15:04:05.000Z"

// Provision makes what the registration lists, in order, and hands back what the provider minted.
func Provision(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	r, err := begin(ctx, task)
	if err != nil {
		return report, err
	}
	for _, object := range r.registered {
		if err := r.ensure(ctx, object, &report); err != nil || !report.Holds() {
			return report, err
		}
	}
	for _, output := range r.minted {
		value, err := text("output "+output.Name, output.Expr, r.with(nil))
		if err != nil {
			return report, err
		}
		if report.Outputs == nil {
			report.Outputs = map[string]string{}
		}
		report.Outputs[output.Name] = value
	}
	report.Message = "registered " + names(r.registered) + " at " + r.session.base
	return report, nil
}

// findAll finds what there is of the objects. What leads by one that does not exist does not exist either.
func (r *run) findAll(ctx context.Context) (map[string]map[string]any, error) {
	out := map[string]map[string]any{}
	r.objects = map[string]any{}
	absent := false
	for _, object := range r.registered {
		found, err := r.find(ctx, object)
		leadsByOther := strings.Contains(object.Find.PathExpr+object.Find.ObjectExpr, "objects.")
		if err != nil && (!absent || !leadsByOther || !isInvalid(err)) {
			return nil, err
		}
		r.objects[object.Name] = anyOf(found)
		if found == nil {
			absent = true
			continue
		}
		out[object.Name] = found
	}
	return out, nil
}

func (r *run) removeAll(ctx context.Context, found map[string]map[string]any) (int, error) {
	deleted := 0
	for _, object := range slices.Backward(r.registered) {
		if object.Ownership == v1alpha1.OwnershipShared || found[object.Name] == nil {
			continue
		}
		did, err := r.remove(ctx, object, found[object.Name])
		if err != nil {
			return deleted, err
		}
		if did {
			deleted++
		}
	}
	return deleted, nil
}

// read takes the registration out of the request and refuses one that does not compile.
func read(task provision.Task) (v1alpha1.HTTPRegistration, error) {
	var registration v1alpha1.HTTPRegistration
	if len(task.Request.HTTP) == 0 {
		return registration, provision.Failed(provision.ReasonInvalidRequest,
			"the provider's component says nothing about registering %s over HTTP; correct its registrations, or its catalogue entry", task.Request.Contract)
	}
	err := json.Unmarshal(task.Request.HTTP, &registration)
	if err == nil {
		err = Check(registration)
	}
	if err == nil && len(registration.Objects) == 0 {
		err = errors.New("it lists no objects")
	}
	if err != nil {
		return registration, provision.Failed(provision.ReasonInvalidRequest, "the registration cannot be carried out: %w; correct the catalogue entry of the provider", err)
	}
	return registration, nil
}

// begin reads the registration and opens a session with the provider.
func begin(ctx context.Context, task provision.Task) (*run, error) {
	registration, err := read(task)
	if err != nil {
		return nil, err
	}
	asked, err := values.Decode(task.Request.Parameters)
	if err != nil {
		return nil, provision.Failed(provision.ReasonInvalidRequest, "the parameters: %w", err)
	}
	s, err := newSession(ctx, task, registration)
	if err != nil {
		return nil, err
	}
	binding := task.Request.Binding
	return &run{
		session: s, registered: registration.Objects, minted: registration.Outputs, objects: map[string]any{}, secrets: texts(task.Credentials), now: time.Now().UTC().Format(timeFormat),
		public: expr.Scope{
			"binding":  map[string]any{"uid": binding.UID, "namespace": binding.Namespace, "name": binding.Name},
			"endpoint": s.scope["endpoint"], "api": s.scope["api"], "parameters": asked, "outputs": texts(task.Request.Outputs),
		},
	}, nil
}

func isInvalid(err error) bool {
	problem, ok := err.(*provision.Problem) //nolint:errorlint // made here, never wrapped
	return ok && problem.Reason == provision.ReasonInvalidRequest
}

func names(objects []v1alpha1.HTTPObject) string {
	out := make([]string, 0, len(objects))
	for _, object := range objects {
		out = append(out, object.Name)
	}
	return strings.Join(out, ", ")
}
