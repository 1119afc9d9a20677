package release

import (
	"context"
	"errors"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/helm"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

// DriftRequest names objects of a deployed release that may have been changed by somebody else.
type DriftRequest struct {
	Namespace, Name string
	Owner           Owner
	// Revision that is deployed. If another one is by now, nothing is looked at.
	Revision int
	// Objects of the inventory to look at.
	Objects []render.ID
	// Ignore says what is no drift.
	Ignore []DriftIgnore
	// Client as in Request.
	Client client.Client
}

// DriftIgnore leaves fields of objects as they are. Empty parts match everything.
type DriftIgnore struct {
	Kind, Name string
	// Paths are JSON pointers into the applied object; each covers what is below it.
	Paths []string
}

// DriftState is what became of an object.
type DriftState string

const (
	// DriftNone means: applying the object again would change nothing that is ours.
	DriftNone DriftState = "None"
	// DriftChanged means: fields have other values than were applied.
	DriftChanged DriftState = "Changed"
	// DriftGone means: the object does not exist.
	DriftGone DriftState = "Gone"
	// DriftTaken means: the object says that it belongs to somebody else.
	DriftTaken DriftState = "Taken"
	// DriftUnknown means: the cluster refuses to say.
	DriftUnknown DriftState = "Unknown"
)

// Drift is what was found out about one object. It holds no values.
type Drift struct {
	ID    render.ID
	State DriftState
	// Fields that changed, for people, and the field Writers that have them now.
	Fields, Writers []string
	// Cause of DriftUnknown; of DriftTaken, who has the object.
	Cause string
	// Owned is the apply.OwnedDigest that the object is as wanted with, if nothing of it is left to others.
	Owned string

	correction *unstructured.Unstructured
}

// IsCorrectable reports whether Correct would change something.
func (d Drift) IsCorrectable() bool { return d.State == DriftChanged || d.State == DriftGone }

// Drift compares objects with the manifest of the deployed revision, never with a new render: charts may use random
// functions. It writes nothing. Definitions of the chart's crds directory are not compared, for releases share them.
//
// Which objects to look at is seen without any request: whoever changes or removes a field of ours takes it out of the set
// of fields that the cluster says are ours, so an object with the Owned digest that Reconcile reported is as it was applied.
// That a digest differs does not say that a value does (an autoscaler has the replicas, a person changed a field and back),
// so for those objects the cluster is asked: one read, and one dry run of the apply that would undo it. Comparing a plain
// read with the manifest would need the cluster's defaults and conversions here.
func (e *Engine) Drift(ctx context.Context, request DriftRequest) ([]Drift, error) {
	w, err := e.deployedWork(ctx, request)
	if w == nil || err != nil {
		return nil, err
	}
	var found []Drift
	for _, object := range w.latest.Objects {
		id := w.id(object.Object)
		if !slices.Contains(request.Objects, id) {
			continue
		}
		drift, err := w.compare(ctx, object.Object, request.Ignore)
		if err != nil {
			return nil, err
		}
		drift.ID = id
		found = append(found, drift)
	}
	return found, nil
}

// Correct applies an object again, but for the fields that are ignored or others'. Errors that match apply.ErrTerminating
// pass by themselves; apply.ErrRefused, ErrImmutable and ErrKindMissing do not.
func (e *Engine) Correct(ctx context.Context, request DriftRequest, drift Drift) error {
	w, err := e.deployedWork(ctx, request)
	if w == nil || err != nil {
		return err
	}
	_, err = w.applier.Apply(ctx, drift.correction, w.owner)
	return err
}

// deployedWork reads the revision that a request is about; nil if it is not the deployed one any more.
func (e *Engine) deployedWork(ctx context.Context, request DriftRequest) (*work, error) {
	w := e.work(request.Namespace, request.Name, request.Owner, request.Client)
	if err := w.observe(ctx); err != nil {
		return nil, err
	}
	if len(w.metas) == 0 {
		return nil, nil
	}
	latest := revisionOf(w.metas[len(w.metas)-1])
	if !latest.Ours || latest.Status != helm.StatusDeployed || latest.Number != request.Revision || latest.Component != request.Owner.Component {
		return nil, nil
	}
	return w, w.load(ctx)
}

func (w *work) compare(ctx context.Context, object *unstructured.Unstructured, ignore []DriftIgnore) (Drift, error) {
	id := w.id(object)
	object = object.DeepCopy()
	object.SetNamespace(id.Namespace)
	rules := rulesFor(ignore, id)
	if slices.ContainsFunc(rules, func(rule DriftIgnore) bool { return len(rule.Paths) == 0 }) {
		return Drift{State: DriftNone}, nil
	}
	difference, err := w.applier.Compare(ctx, object, w.owner)
	switch {
	case errors.Is(err, apply.ErrKindMissing), errors.Is(err, apply.ErrRefused), errors.Is(err, apply.ErrImmutable):
		return Drift{State: DriftUnknown, Cause: err.Error()}, nil
	case err != nil:
		return Drift{}, err
	}
	leave := func(field apply.ChangedField) bool { return field.IsOthers || isIgnored(rules, field.Pointer) }
	drift := Drift{State: DriftNone, Owned: difference.Owned, correction: difference.Desired(leave)}
	for _, field := range difference.Changed {
		if !leave(field) {
			drift.State = DriftChanged
			drift.Fields = append(drift.Fields, field.Name)
			drift.Writers = append(drift.Writers, field.Writers...)
		}
	}
	slices.Sort(drift.Writers)
	drift.Writers = slices.Compact(drift.Writers)
	switch {
	case difference.Gone && vanishesByItself(object):
	case difference.Gone:
		drift.State = DriftGone
	case difference.Foreign != "":
		drift.State, drift.Cause = DriftTaken, difference.Foreign
	}
	return drift, nil
}

// vanishesByItself recognises Jobs that the cluster deletes some time after they finished.
func vanishesByItself(object *unstructured.Unstructured) bool {
	_, bounded, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "ttlSecondsAfterFinished")
	return object.GetKind() == "Job" && bounded
}

func rulesFor(ignore []DriftIgnore, id render.ID) []DriftIgnore {
	var rules []DriftIgnore
	for _, rule := range ignore {
		if (rule.Kind == "" || rule.Kind == id.Kind) && (rule.Name == "" || rule.Name == id.Name) {
			rules = append(rules, rule)
		}
	}
	return rules
}

func isIgnored(rules []DriftIgnore, pointer string) bool {
	for _, rule := range rules {
		for _, path := range rule.Paths {
			if pointer == path || strings.HasPrefix(pointer, path+"/") {
				return true
			}
		}
	}
	return false
}
