package release

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/helm"
	"github.com/dpi-operator/dpi-operator/internal/preview"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

// Compare tells what a Reconcile would change, object by object, as the cluster itself works it out in a dry run. It writes
// nothing. What the cluster cannot tell about an object is noted there; an error means that nothing can be told.
func (e *Engine) Compare(ctx context.Context, request Request) (preview.Comparison, error) {
	w, err := e.look(ctx, request)
	if err != nil {
		return preview.Comparison{}, err
	}
	if w.isWanted() {
		out := preview.Comparison{Revision: w.latest.Revision}
		for _, id := range w.ids(w.latest.Objects) {
			out.Pairs = append(out.Pairs, preview.Pair{ID: id, State: preview.Unchanged})
		}
		return out, nil
	}
	seen, err := w.foresee(ctx)
	if err != nil {
		return preview.Comparison{}, err
	}
	out := preview.Comparison{Operation: string(seen.Operation), Revision: seen.Revision, Hooks: hookNames(seen.runs, seen.Operation)}
	if seen.Refused != nil {
		out.Refused = seen.Refused.Message
	}
	for _, crd := range w.crds {
		out.Pairs = append(out.Pairs, w.compareCRD(ctx, crd.object))
	}
	for _, object := range seen.Objects {
		live, after, err := w.applier.DryRun(ctx, object, w.owner)
		out.Pairs = append(out.Pairs, w.pair(w.id(object), live, after, err))
	}
	for _, id := range seen.Removes {
		pair, err := w.pairOfRemoval(ctx, id)
		if err != nil {
			return preview.Comparison{}, err
		}
		if pair != nil {
			out.Pairs = append(out.Pairs, *pair)
		}
	}
	return out, ctx.Err()
}

// CompareRemoval tells what an Uninstall would remove and keep. It writes nothing.
func (e *Engine) CompareRemoval(ctx context.Context, request UninstallRequest) (preview.Comparison, error) {
	w := e.work(request.Namespace, request.Name, request.Owner, request.Client)
	w.removal, w.preview = &request, true
	if err := w.observe(ctx); err != nil {
		return preview.Comparison{}, err
	}
	if err := w.load(ctx); err != nil || w.latest == nil {
		return preview.Comparison{}, err
	}
	previous, err := w.sinceDeployed(ctx)
	if err != nil {
		return preview.Comparison{}, err
	}
	objects := subtract(previous.objects, nil)
	claims, err := w.statefulClaims(ctx, objects)
	if err != nil {
		return preview.Comparison{}, err
	}
	out := preview.Comparison{
		Operation: string(OperationUninstall), Revision: w.latest.Revision, Hooks: hookNames(w.latest.Hooks, OperationUninstall),
	}
	for _, id := range slices.Concat(objects, subtract(claims, objects)) {
		pair, err := w.pairOfRemoval(ctx, id)
		if err != nil {
			return preview.Comparison{}, err
		}
		if pair != nil {
			out.Pairs = append(out.Pairs, *pair)
		}
	}
	return out, nil
}

// hookNames lists the hooks of an operation in the order of its events.
func hookNames(hooks []helm.Hook, operation Operation) []string {
	events := []helm.HookEvent{operations[operation].before, operations[operation].after}
	if operation == OperationUninstall {
		events = []helm.HookEvent{helm.PreDelete, helm.PostDelete}
	}
	var out []string
	for _, event := range events {
		for _, hook := range hooks {
			if slices.Contains(hook.Events, event) {
				out = append(out, fmt.Sprintf("%s hook %s %s", event, hook.Object.GetKind(), hook.Object.GetName()))
			}
		}
	}
	return out
}

// pair words why there is no comparison of an object, if there is none.
func (w *work) pair(id render.ID, live, after *unstructured.Unstructured, err error) preview.Pair {
	pair := preview.Pair{ID: id, Before: live, After: after}
	if err == nil {
		if live != nil && id.Kind == "CustomResourceDefinition" {
			pair.Breaks = CRDProblems(live, after)
		}
		return pair
	}
	pair.State, pair.Note = preview.Unknown, strings.Join(strings.Fields(err.Error()), " ")
	if object, ok := errors.AsType[*apply.ObjectError](err); ok {
		pair.Note = strings.Join(strings.Fields(object.Detail), " ")
	}
	switch {
	case errors.Is(err, apply.ErrNamespaceMissing), errors.Is(err, apply.ErrKindMissing),
		errors.Is(err, apply.ErrSecretMissing) && live == nil:
		pair.State, pair.Note = preview.Create, "not tried: "+pair.Note
	case errors.Is(err, apply.ErrImmutable) && id.Kind == "Job" && w.request.Policy.Recreate == RecreateJobs:
		pair.State, pair.Note = preview.Update, "is deleted and made again, because a field that cannot change would change"
	}
	return pair
}

func (w *work) compareCRD(ctx context.Context, object *unstructured.Unstructured) preview.Pair {
	live, after, err := w.applier.DryRunUnowned(ctx, object)
	pair := w.pair(render.IDOf(object), live, after, err)
	switch {
	case live == nil:
	case w.isOthers(live):
		pair.State, pair.Note = preview.Unchanged, "component "+live.GetLabels()[componentLabel]+" brought it, and it is left as it is"
	case w.request.Policy.CRDs == CRDCreate:
		pair.State, pair.Note = preview.Unchanged, "policy.crds is Create, so it is left as it is"
	default:
		return pair
	}
	pair.Breaks = nil
	return pair
}

// pairOfRemoval tells what becomes of an object that is no longer wanted; nil if it is gone.
func (w *work) pairOfRemoval(ctx context.Context, id render.ID) (*preview.Pair, error) {
	fate, err := w.applier.Fate(ctx, id, w.owner)
	if err != nil {
		return nil, err
	}
	pair := &preview.Pair{ID: id, State: preview.Keep}
	switch fate {
	case apply.Gone:
		return nil, nil
	case apply.NotOurs:
		pair.Note = "belongs to somebody else by now"
	case apply.Kept:
		pair.Note = "its resource policy asks to keep it"
	case apply.Terminating:
		if isClaim(id) && (w.removal == nil || w.removal.Volumes != DeleteVolumes) {
			pair.Note = "volumes are kept; delete it if its data is not needed"
			break
		}
		pair.State = preview.Remove
	}
	return pair, nil
}
