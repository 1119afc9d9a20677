package release

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dpi-operator/dpi-operator/internal/helm"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

// Preview is what a Reconcile would bring into the cluster.
type Preview struct {
	// Operation that would begin; empty when the wanted inputs are deployed or under way already.
	Operation Operation
	// Revision that is there now, 0 if none.
	Revision int
	// Objects, Hooks and CRDs as they would be applied. Charts may use random functions, so another render may differ.
	Objects, Hooks, CRDs []*unstructured.Unstructured
	// Removes are objects of earlier revisions that are no longer wanted.
	Removes []render.ID
	// Refused says why Reconcile would do nothing; nil where it would.
	Refused *Outcome

	runs []helm.Hook
}

// Preview renders what is wanted and checks it as Reconcile does before it writes. It writes nothing. Kinds that the cluster
// does not serve yet are taken for namespaced ones.
func (e *Engine) Preview(ctx context.Context, request Request) (Preview, error) {
	w, err := e.look(ctx, request)
	if err != nil {
		return Preview{}, err
	}
	if w.isWanted() {
		return Preview{Revision: w.latest.Revision, Objects: plain(w.latest.Objects)}, nil
	}
	return w.foresee(ctx)
}

// look observes for a call that writes nothing.
func (e *Engine) look(ctx context.Context, request Request) (*work, error) {
	digest, err := InputsDigest(request)
	if err != nil {
		return nil, err
	}
	w := e.work(request.Namespace, request.Name, request.Owner, request.Client)
	w.request, w.digest, w.preview = request, digest, true
	if err := w.observe(ctx); err != nil {
		return nil, err
	}
	return w, w.load(ctx)
}

// isWanted tells whether the latest revision is of the wanted inputs, deployed or on its way.
func (w *work) isWanted() bool {
	if w.latest == nil {
		return false
	}
	latest := revisionOf(w.latest.Meta)
	return latest.Ours && latest.Inputs == labelDigest(w.digest) && latest.Status != helm.StatusFailed
}

func (w *work) foresee(ctx context.Context) (Preview, error) {
	d := Decision{Operation: OperationUpgrade}
	out := Preview{}
	if w.latest == nil {
		d.Operation = OperationInstall
	} else {
		out.Revision = w.latest.Revision
	}
	out.Operation = d.Operation
	if blocked := Decide(w.input()); blocked.State == StateBlocked {
		out.Refused = w.wait(blocked)
		return out, nil
	}
	previous, err := w.sinceDeployed(ctx)
	if err != nil {
		return Preview{}, err
	}
	rendered, err := w.render(ctx, d)
	if err == nil {
		err = w.leaveJobs(ctx, rendered)
	}
	if err == nil {
		out.show(rendered)
		out.Removes = subtract(previous.objects, w.ids(rendered.Objects))
		err = w.checkOwners(ctx, rendered, previous)
	}
	if err == nil {
		err = w.checkCRDs(ctx)
	}
	if err != nil {
		out.Refused, err = w.refused(err)
	}
	return out, err
}

// Render renders what is wanted, whatever is there already, and checks nothing: Refused is set only where it does not render.
// It writes nothing, and makes no request but for those of the chart itself. Kinds that the cluster does not serve yet are
// taken for namespaced ones.
func (e *Engine) Render(ctx context.Context, request Request) (Preview, error) {
	w := e.work(request.Namespace, request.Name, request.Owner, request.Client)
	w.request, w.preview = request, true
	out := Preview{Operation: OperationInstall}
	rendered, err := w.render(ctx, Decision{Operation: OperationInstall})
	if err != nil {
		out.Refused, err = w.refused(err)
		return out, err
	}
	out.show(rendered)
	return out, nil
}

func (p *Preview) show(rendered *helm.Rendered) {
	p.Objects, p.CRDs = plain(rendered.Objects), rendered.CRDs
	p.runs = rendered.Hooks
	for _, hook := range rendered.Hooks {
		p.Hooks = append(p.Hooks, hook.Object)
	}
}

// IsElsewhere reports whether an object exists that another component than the given one of that namespace, or nobody
// the operator knows, brought. One that it may not read does not count.
func (e *Engine) IsElsewhere(ctx context.Context, id render.ID, namespace, component string) (bool, error) {
	w := e.work(namespace, "", Owner{Component: component}, nil)
	live, err := w.applier.Observe(ctx, id)
	if apierrors.IsForbidden(err) {
		return false, nil
	}
	if live == nil || err != nil {
		return false, err
	}
	labels := live.GetLabels()
	return labels[componentLabel] != component || (id.Namespace == "" && labels[componentNamespaceLabel] != namespace), nil
}

func plain(objects []helm.Object) []*unstructured.Unstructured {
	out := make([]*unstructured.Unstructured, 0, len(objects))
	for _, object := range objects {
		out = append(out, object.Object)
	}
	return out
}
