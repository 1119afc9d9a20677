package release

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/helm"
	"github.com/dpi-operator/dpi-operator/internal/placeholder"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

// blockedRetry is when to look again at what blocks a release from outside, if no watch tells earlier.
const blockedRetry = 30 * time.Second

// begin makes the next revision. Everything that can be refused is refused before the record exists: a blocked release
// leaves no trace.
func (w *work) begin(ctx context.Context, d Decision) (*Outcome, error) {
	if d.Operation == OperationRollback {
		return nil, w.beginRollback(ctx, d)
	}
	previous, err := w.sinceDeployed(ctx)
	if err != nil {
		return nil, err
	}
	rendered, err := w.render(ctx, d)
	if err == nil {
		err = w.leaveJobs(ctx, rendered)
	}
	if err == nil {
		err = w.checkOwners(ctx, rendered, previous)
	}
	if err == nil {
		err = w.checkCRDs(ctx)
	}
	if err != nil {
		return w.refused(err)
	}
	progress := w.newProgress(d)
	progress.ChartDigest, progress.InputsDigest = w.request.Chart.Digest, w.digest
	progress.AdoptFields = previous.foreign || w.request.Policy.Adoption == TakeOver
	progress.Leftovers = subtract(previous.objects, w.ids(rendered.Objects))
	for _, crd := range w.crds {
		progress.CRDs = append(progress.CRDs, render.IDOf(crd.object))
	}
	meta := w.newMeta(d)
	meta.Labels[inputsLabel] = labelDigest(w.digest)
	record, err := helm.NewRecord(meta, rendered, w.now())
	if err != nil {
		return nil, err
	}
	record.Description = operations[d.Operation].name + " under way: " + d.Why
	if w.latest != nil {
		record.SetFirstDeployed(w.latest.FirstDeployed)
	}
	if err := w.create(ctx, record, progress); err != nil {
		return w.refused(err)
	}
	if previous.foreign {
		w.event(EventNormal, "Adopted", fmt.Sprintf("Took over release %s from a helm command's revision %d", w.owner.Release, meta.Revision-1))
	}
	return nil, nil
}

// beginRollback makes a revision with the content of an earlier one. It needs neither chart nor values.
func (w *work) beginRollback(ctx context.Context, d Decision) error {
	previous, err := w.sinceDeployed(ctx)
	if err != nil {
		return err
	}
	target, err := w.get(ctx, d.RollbackTo)
	if err != nil {
		return err
	}
	old, err := readProgress(target)
	if err != nil {
		return err
	}
	progress := w.newProgress(d)
	progress.RollbackTo, progress.AdoptFields = d.RollbackTo, previous.foreign
	progress.ChartDigest, progress.InputsDigest, progress.CRDs = old.ChartDigest, old.InputsDigest, old.CRDs
	progress.Reason, progress.Cause, progress.FinishedAt = w.progress.Reason, w.progress.Cause, w.progress.FinishedAt
	progress.ResetToken = w.progress.ResetToken
	progress.Leftovers = subtract(previous.objects, w.ids(target.Objects))
	meta := w.newMeta(d)
	meta.Labels[inputsLabel] = revisionOf(target.Meta).Inputs
	meta.Labels[rollbackOfLabel] = revisionOf(w.latest.Meta).Inputs
	record, err := target.Successor(meta, w.now())
	if err != nil {
		return err
	}
	record.Description = fmt.Sprintf("Rollback to %d", d.RollbackTo)
	return w.create(ctx, record, progress)
}

func (w *work) newProgress(d Decision) *Progress {
	return &Progress{
		AttemptID: rand.Text(), Holder: w.engine.options.Holder, Operation: d.Operation,
		ResetToken: w.request.ResetToken, StartedAt: w.now(),
	}
}

func (w *work) newMeta(d Decision) helm.Meta {
	meta := helm.Meta{Namespace: w.owner.Namespace, Name: w.owner.Release, Revision: 1, Labels: map[string]string{
		componentLabel: w.who.Component, attemptLabel: strconv.Itoa(d.Attempt),
	}}
	if len(w.metas) > 0 {
		meta.Revision = w.metas[len(w.metas)-1].Revision + 1
	}
	meta.Labels[revisionLabel] = strconv.Itoa(meta.Revision)
	if w.who.Deployment != "" {
		meta.Labels[deploymentLabel] = w.who.Deployment
	}
	meta.Status = operations[d.Operation].pending
	return meta
}

// past is what the revisions since the last deployed one brought into the cluster.
type past struct {
	objects []render.ID
	// foreign: a helm command made one of them.
	foreign bool
}

func (w *work) sinceDeployed(ctx context.Context) (past, error) {
	var p past
	for _, meta := range slices.Backward(w.metas) {
		record, err := w.get(ctx, meta.Revision)
		if err != nil {
			return past{}, err
		}
		if record.Incomplete && record.Status == helm.StatusDeployed {
			return past{}, fmt.Errorf("%w: parts of revision %d of %s are missing; restore the Secrets, or delete the record",
				helm.ErrRecordUnreadable, record.Revision, record.Name)
		}
		p.objects = append(p.objects, w.ids(record.Objects)...)
		revision := revisionOf(record.Meta)
		if revision.Ours {
			progress, err := readProgress(record)
			if err != nil {
				return past{}, err
			}
			p.objects = append(p.objects, progress.Leftovers...)
		}
		p.foreign = p.foreign || !revision.Ours
		if record.Status == helm.StatusDeployed {
			break
		}
	}
	return p, nil
}

// get reads a revision; the latest is at hand.
func (w *work) get(ctx context.Context, revision int) (*helm.Record, error) {
	if w.latest != nil && w.latest.Revision == revision {
		return w.latest, nil
	}
	for _, meta := range w.metas {
		if meta.Revision == revision {
			return w.engine.store.Get(ctx, meta)
		}
	}
	return nil, fmt.Errorf("%w: revision %d of %s is gone", helm.ErrConflict, revision, w.owner.Release)
}

// subtract returns the objects that are not among others, each once, in a stable order.
func subtract(objects, others []render.ID) []render.ID {
	skip := map[render.ID]bool{}
	for _, id := range others {
		skip[id.Unversioned()] = true
	}
	var left []render.ID
	for _, id := range objects {
		if !skip[id.Unversioned()] {
			skip[id.Unversioned()] = true
			left = append(left, id)
		}
	}
	render.SortIDs(left)
	return left
}

// ids names objects with their namespaces: those in a helm command's records may leave them out.
func (w *work) ids(objects []helm.Object) []render.ID {
	ids := make([]render.ID, 0, len(objects))
	for _, object := range objects {
		ids = append(ids, w.id(object.Object))
	}
	return ids
}

func (w *work) id(object *unstructured.Unstructured) render.ID {
	id := render.IDOf(object)
	if id.Namespace != "" {
		return id
	}
	namespaced, err := w.applier.Namespaced(id.GVK())
	if err != nil {
		namespaced = !render.IsBuiltinClusterScoped(id.GVK().GroupKind())
	}
	if namespaced {
		id.Namespace = w.owner.Namespace
	}
	return id
}

// checkOwners looks at every object that this release did not have before.
func (w *work) checkOwners(ctx context.Context, rendered *helm.Rendered, previous past) error {
	if w.request.Policy.Adoption == TakeOver {
		return nil
	}
	for _, id := range subtract(w.ids(rendered.Objects), previous.objects) {
		if err := w.applier.CheckOwner(ctx, id, w.owner); err != nil {
			return err
		}
	}
	return nil
}

// refused turns an error from before the record into an outcome, unless it is transient.
func (w *work) refused(err error) (*Outcome, error) {
	var reason Reason
	var retry time.Time
	switch {
	case errors.Is(err, helm.ErrInvalidChart), errors.Is(err, helm.ErrIncompatible), errors.Is(err, helm.ErrRecordTooLarge):
		reason = ReasonChartInvalid
	case errors.Is(err, helm.ErrInvalidValues):
		reason = ReasonValuesInvalid
	case errors.Is(err, helm.ErrRender), errors.Is(err, render.ErrPatch), errors.Is(err, render.ErrDuplicate),
		errors.Is(err, render.ErrSecretExposed), errors.Is(err, render.ErrProjection), errors.Is(err, errSecretUnused),
		errors.Is(err, render.ErrInvalidObject):
		reason = ReasonRenderFailed
	case errors.Is(err, errUnsafeCRD):
		reason = ReasonCRDUnsafe
	case errors.Is(err, apply.ErrKindMissing):
		reason, retry = ReasonKindMissing, w.now().Add(blockedRetry)
	case errors.Is(err, apply.ErrForeign):
		reason, retry = ReasonForeignObject, w.now().Add(blockedRetry)
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		reason = ReasonNamespaceTerminating
	default:
		return nil, err
	}
	outcome := w.outcome(StateBlocked, reason, err.Error())
	outcome.RetryAt = retry
	return outcome, nil
}

// render makes the objects of the wanted inputs, transformed and checked.
func (w *work) render(ctx context.Context, d Decision) (*helm.Rendered, error) {
	chart, err := w.loadChart(ctx)
	if err != nil {
		return nil, err
	}
	capabilities, err := w.engine.options.Cluster.Capabilities(ctx)
	if err != nil {
		return nil, err
	}
	operation := helm.Upgrade
	if d.Operation == OperationInstall {
		operation = helm.Install
	}
	rendered, err := chart.Render(ctx, helm.RenderRequest{
		Release: w.owner.Release, Namespace: w.owner.Namespace, Revision: w.newMeta(d).Revision, Operation: operation,
		Values: w.request.Values, KubeVersion: capabilities.KubeVersion, KubeMajor: capabilities.KubeMajor,
		KubeMinor: capabilities.KubeMinor, APIVersions: capabilities.APIVersions, Lookup: w.lookup(),
	})
	if err != nil {
		return nil, err
	}
	w.setCRDs(rendered.CRDs)
	references := placeholder.FindIn(w.request.Values)
	if err := w.conceal(ctx, rendered, references); err != nil {
		return nil, err
	}
	found, err := w.transform(rendered)
	if err != nil {
		return nil, err
	}
	return rendered, checkUsed(references, found)
}

func (w *work) loadChart(ctx context.Context) (*helm.Chart, error) {
	archive, err := w.request.Chart.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("load the chart of release %s: %w", w.owner.Release, err)
	}
	chart, err := helm.LoadChart(archive)
	if err != nil {
		return nil, err
	}
	if want := w.request.Chart.Digest; want != chart.Info().Digest {
		return nil, fmt.Errorf("%w: its digest is %s, wanted is %s", helm.ErrInvalidChart, chart.Info().Digest, want)
	}
	return chart, nil
}

// transform changes what was rendered, hooks included, and returns the secrets that it stands for.
func (w *work) transform(rendered *helm.Rendered) ([]placeholder.Reference, error) {
	all := make([]*unstructured.Unstructured, 0, len(rendered.Objects)+len(rendered.Hooks))
	for _, object := range rendered.Objects {
		all = append(all, object.Object)
	}
	for _, hook := range rendered.Hooks {
		all = append(all, hook.Object)
	}
	scopes, err := w.scopes(all, rendered.CRDs)
	if err != nil {
		return nil, err
	}
	result, err := render.Transform(all, w.options(scopes))
	if err != nil {
		return nil, err
	}
	for _, warning := range result.Warnings {
		w.event(EventWarning, "ChartNormalised", warning)
	}
	objects, hooks := rendered.Objects, rendered.Hooks
	rendered.Objects, rendered.Hooks = nil, nil
	var installed []*unstructured.Unstructured
	for i, object := range objects {
		if changed := result.Objects[i]; changed != nil {
			object.Object = changed
			rendered.Objects = append(rendered.Objects, object)
			installed = append(installed, changed)
		}
	}
	for i, hook := range hooks {
		if changed := result.Objects[len(objects)+i]; changed != nil {
			hook.Object = changed
			rendered.Hooks = append(rendered.Hooks, hook)
		}
	}
	return result.Secrets, render.CheckUnique(installed)
}

func (w *work) options(scopes map[schema.GroupKind]bool) render.Options {
	options := render.Options{
		Namespace: w.owner.Namespace, Scopes: scopes,
		PodLabels:           map[string]string{componentLabel: w.who.Component},
		ClusterObjectLabels: map[string]string{componentNamespaceLabel: w.owner.Namespace},
		Images:              w.request.Transform.Images, Patches: w.request.Transform.Patches,
		WorkloadAnnotations: w.request.Transform.WorkloadAnnotations, Projections: w.request.Transform.Projections,
	}
	if w.who.Deployment != "" {
		options.ObjectLabels = map[string]string{deploymentLabel: w.who.Deployment}
	}
	return options
}

// scopes tells which kinds are namespaced: those of the chart's own definitions from there, the others from the cluster.
func (w *work) scopes(objects, crds []*unstructured.Unstructured) (map[schema.GroupKind]bool, error) {
	scopes := map[schema.GroupKind]bool{}
	for _, object := range slices.Concat(crds, objects) {
		if object.GetKind() != "CustomResourceDefinition" {
			continue
		}
		scope, _, _ := unstructured.NestedString(object.Object, "spec", "scope")
		for _, gvk := range helm.ServedKinds(object) {
			scopes[gvk.GroupKind()] = scope != "Cluster"
		}
	}
	for _, object := range objects {
		gvk := object.GroupVersionKind()
		if _, known := scopes[gvk.GroupKind()]; known {
			continue
		}
		namespaced, err := w.applier.Namespaced(gvk)
		if w.preview && errors.Is(err, apply.ErrKindMissing) {
			// What brings the kind may not be installed yet. Most kinds are namespaced.
			namespaced, err = true, nil
		}
		if err != nil {
			return nil, err
		}
		scopes[gvk.GroupKind()] = namespaced
	}
	return scopes, nil
}
