package release

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/helm"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

// Uninstall removes the release as far as it goes without waiting. It needs neither chart nor values. An error is transient.
func (e *Engine) Uninstall(ctx context.Context, request UninstallRequest) (Outcome, error) {
	w := e.work(request.Namespace, request.Name, request.Owner, request.Client)
	w.removal, w.kept = &request, map[render.ID]bool{}
	w.request.Policy.HookDeadline = request.HookDeadline
	if err := w.observe(ctx); err != nil {
		return Outcome{}, err
	}
	if err := w.load(ctx); err != nil {
		return Outcome{}, err
	}
	e.forget(w.key())
	for range maxSteps {
		outcome, err := w.removeStep(ctx, DecideUninstall(w.uninstallInput()))
		if err != nil {
			return Outcome{Events: w.events}, err
		}
		if outcome != nil {
			outcome.Events, outcome.Kept = w.events, w.keptList()
			return *outcome, nil
		}
	}
	return Outcome{Events: w.events}, fmt.Errorf("uninstalling release %s/%s does not settle", request.Namespace, request.Name)
}

func (w *work) uninstallInput() UninstallInput {
	in := w.input()
	return UninstallInput{
		Now: in.Now, Component: in.Component, Holder: in.Holder, Hooks: w.removal.Hooks, Revisions: in.Revisions,
		Progress: in.Progress, ChartHooks: in.Hooks, Removed: w.applied,
	}
}

func (w *work) removeStep(ctx context.Context, d Decision) (*Outcome, error) {
	switch d.Step {
	case StepNothing:
		return w.sweep(ctx)
	case StepWait:
		return w.wait(d), nil
	case StepMark:
		return nil, w.mark(ctx)
	case StepTakeOver:
		return nil, w.takeOver(ctx, d)
	case StepHook:
		outcome, err := w.runHook(ctx, d.Hook, d.Event)
		if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
			return nil, w.skipHooks(ctx)
		}
		return outcome, err
	case StepRetryHook:
		return nil, w.retryHook(ctx, d)
	case StepRemove:
		return w.removeObjects(ctx)
	case StepForget:
		return w.forgetAll(ctx)
	case StepBegin, StepAbandon, StepCRDs, StepApply, StepDeploy, StepFail, StepTidy:
		// Those belong to an installation.
	}
	return nil, fmt.Errorf("release %s/%s: step %q is unknown", w.owner.Namespace, w.owner.Release, d.Step)
}

func (w *work) gone() *Outcome {
	return &Outcome{State: StateGone, Reason: ReasonUninstalled, Message: fmt.Sprintf("Release %s is gone", w.owner.Release)}
}

// mark claims the latest revision for the removal, whatever it was doing.
func (w *work) mark(ctx context.Context) error {
	if revisionOf(w.latest.Meta).Ours {
		if err := w.leaveHooks(ctx); err != nil {
			return err
		}
	} else {
		w.progress = &Progress{}
	}
	past, err := w.sinceDeployed(ctx)
	if err != nil {
		return err
	}
	w.progress = &Progress{
		AttemptID: rand.Text(), Holder: w.engine.options.Holder, Operation: OperationUninstall, StartedAt: w.now(),
		ChartDigest: w.progress.ChartDigest, InputsDigest: w.progress.InputsDigest, CRDs: w.progress.CRDs,
		Leftovers: subtract(past.objects, w.ids(w.latest.Objects)),
	}
	labels := maps.Clone(w.latest.Labels)
	maps.Copy(labels, map[string]string{componentLabel: w.who.Component, revisionLabel: strconv.Itoa(w.latest.Revision)})
	w.latest.Labels = labels
	w.latest.Status, w.latest.Deleted, w.latest.Description = helm.StatusUninstalling, w.now(), "Deletion in progress"
	return w.save(ctx)
}

func (w *work) skipHooks(ctx context.Context) error {
	w.progress.HooksSkipped = true
	if err := w.save(ctx); err != nil {
		return err
	}
	w.event(EventWarning, "HooksSkipped", "Delete hooks were skipped: the namespace is being deleted and takes no new objects")
	return nil
}

func (w *work) retryHook(ctx context.Context, d Decision) error {
	w.progress.Hooks = slices.DeleteFunc(w.progress.Hooks, func(p HookProgress) bool { return p.Index == d.Hook && p.Event == d.Event })
	w.progress.AttemptID = rand.Text()
	w.progress.HookAttempts++
	return w.save(ctx)
}

// failRemoval tells what holds a removal up; the release stays marked.
func (w *work) failRemoval(_ context.Context, err error) (*Outcome, error) {
	var object *apply.ObjectError
	if !errors.As(err, &object) {
		return nil, err
	}
	if errors.Is(object, apply.ErrTerminating) {
		return w.waitFor(ReasonTerminating, "Waiting for "+err.Error(), terminatingRetry, object.ID), nil
	}
	outcome := w.outcome(StateFailed, ReasonHookFailed, err.Error())
	outcome.RetryAt = w.now().Add(blockedRetry)
	return outcome, nil
}

// removeObjects removes the release's objects in reverse order, then the claims of its StatefulSets, and waits until they
// are gone.
func (w *work) removeObjects(ctx context.Context) (*Outcome, error) {
	if err := w.cleanHooks(ctx, helm.PreDelete); err != nil {
		return nil, err
	}
	var waiting []render.ID
	objects := w.toRemove()
	for _, id := range slices.Backward(objects) {
		removal, err := w.removeObject(ctx, id)
		if err != nil {
			return nil, err
		}
		if removal == apply.Terminating {
			waiting = append(waiting, id)
		}
	}
	claims, err := w.removeClaims(ctx, objects)
	if err != nil {
		return nil, err
	}
	if waiting = append(waiting, claims...); len(waiting) > 0 {
		render.SortIDs(waiting)
		return w.waitFor(ReasonUninstalling, "Waiting for "+list(waiting)+" to disappear", terminatingRetry, waiting...), nil
	}
	w.applied = true
	if len(HooksFor(w.latest.Hooks, helm.PostDelete)) > 0 {
		w.progress.Removed = true
		return nil, w.save(ctx)
	}
	return nil, nil
}

func (w *work) removeObject(ctx context.Context, id render.ID) (apply.Removal, error) {
	if isClaim(id) && w.removal.Volumes != DeleteVolumes {
		return apply.Kept, w.keepIfThere(ctx, id)
	}
	removal, err := w.applier.Remove(ctx, id, w.owner, propagationOf(id))
	switch removal {
	case apply.Kept:
		w.keep(id)
	case apply.NotOurs:
		w.event(EventWarning, "NotRemoved", fmt.Sprintf("Left %s alone: it belongs to somebody else by now", id))
	case apply.Gone, apply.Terminating:
	}
	return removal, err
}

// removeClaims deals with the volume claims that StatefulSets made, and returns those that are still disappearing.
func (w *work) removeClaims(ctx context.Context, objects []render.ID) ([]render.ID, error) {
	claims, err := w.statefulClaims(ctx, objects)
	if err != nil {
		return nil, err
	}
	var waiting []render.ID
	for _, id := range claims {
		if w.removal.Volumes != DeleteVolumes {
			w.keep(id)
			continue
		}
		removal, err := w.applier.RemoveDependent(ctx, id)
		if err != nil {
			return nil, err
		}
		if removal == apply.Terminating {
			waiting = append(waiting, id)
		}
	}
	return waiting, nil
}

// toRemove lists the objects of all revisions since the last deployed one, in install order, leftovers first.
func (w *work) toRemove() []render.ID {
	return slices.Concat(w.progress.Leftovers, w.ids(w.latest.Objects))
}

// propagationOf waits for the pods of a workload: a dependency must not disappear while its users still run.
func propagationOf(id render.ID) metav1.DeletionPropagation {
	switch id.Kind {
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob":
		return metav1.DeletePropagationForeground
	}
	return metav1.DeletePropagationBackground
}

func (w *work) keepIfThere(ctx context.Context, id render.ID) error {
	existing, err := w.applier.Observe(ctx, id)
	if err == nil && existing != nil {
		w.keep(id)
	}
	return err
}

// statefulClaims finds the volume claims that the StatefulSets of the release made: no manifest has them.
func (w *work) statefulClaims(ctx context.Context, objects []render.ID) ([]render.ID, error) {
	var prefixes []string
	for _, id := range objects {
		if id.Kind != "StatefulSet" || id.Group != "apps" {
			continue
		}
		templates, err := w.claimTemplates(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, template := range templates {
			prefixes = append(prefixes, template+"-"+id.Name+"-")
		}
	}
	if len(prefixes) == 0 {
		return nil, nil
	}
	found := &metav1.PartialObjectMetadataList{}
	found.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaimList"))
	if err := w.client.List(ctx, found, client.InNamespace(w.owner.Namespace)); err != nil {
		return nil, fmt.Errorf("list the volume claims of release %s: %w", w.owner.Release, err)
	}
	var claims []render.ID
	for _, claim := range found.Items {
		if belongsToSet(claim.Name, prefixes) {
			claims = append(claims, render.ID{Version: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name})
		}
	}
	return claims, nil
}

func belongsToSet(name string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool {
		ordinal, found := strings.CutPrefix(name, prefix)
		_, err := strconv.ParseUint(ordinal, 10, 31)
		return found && err == nil
	})
}

// claimTemplates reads a StatefulSet's templates from the records: the object itself may be gone already.
func (w *work) claimTemplates(ctx context.Context, id render.ID) ([]string, error) {
	for _, meta := range slices.Backward(w.metas) {
		record, err := w.get(ctx, meta.Revision)
		if err != nil {
			return nil, err
		}
		for _, object := range record.Objects {
			if w.id(object.Object).Unversioned() == id.Unversioned() {
				return templateNames(object.Object), nil
			}
		}
	}
	return nil, nil
}

func templateNames(object *unstructured.Unstructured) []string {
	set := &appsv1.StatefulSet{}
	// What does not convert was refused by the API server, so it has no claims.
	if runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, set) != nil {
		return nil
	}
	names := make([]string, 0, len(set.Spec.VolumeClaimTemplates))
	for _, template := range set.Spec.VolumeClaimTemplates {
		names = append(names, template.Name)
	}
	return names
}

func (w *work) keep(id render.ID) { w.kept[id] = true }

func (w *work) keptList() []render.ID {
	kept := slices.Collect(maps.Keys(w.kept))
	render.SortIDs(kept)
	return kept
}

// forgetAll removes what hooks left and then the records, the latest last: as long as it exists, the removal is continued.
func (w *work) forgetAll(ctx context.Context) (*Outcome, error) {
	if !w.applied {
		// Continued after the objects were gone: look again at what was kept, while the records still tell.
		if err := w.recollectKept(ctx); err != nil {
			return nil, err
		}
	}
	for _, meta := range w.metas {
		record, err := w.get(ctx, meta.Revision)
		if err != nil {
			return nil, err
		}
		for _, hook := range record.Hooks {
			if err := w.removeLeftHook(ctx, w.id(hook.Object)); err != nil {
				return nil, err
			}
		}
	}
	for _, meta := range slices.Clone(w.metas) {
		if err := w.forget(ctx, meta.Revision); err != nil {
			return nil, err
		}
	}
	message := "Uninstalled release " + w.owner.Release
	if len(w.kept) > 0 {
		message += "; kept " + list(w.keptList())
	}
	w.event(EventNormal, "Uninstalled", message)
	outcome := w.gone()
	outcome.Message = message
	return outcome, nil
}

func (w *work) removeLeftHook(ctx context.Context, id render.ID) error {
	existing, err := w.applier.Observe(ctx, id)
	if err != nil || existing == nil {
		return err
	}
	if existing.GetAnnotations()[apply.HookAnnotation] == "" {
		return nil
	}
	if apply.IsKept(existing) || isDefinition(id) || isClaim(id) && w.removal.Volumes != DeleteVolumes {
		w.keep(id)
		return nil
	}
	_, err = w.applier.RemoveHook(ctx, id, w.owner)
	return err
}

func (w *work) recollectKept(ctx context.Context) error {
	objects := w.toRemove()
	claims, err := w.statefulClaims(ctx, objects)
	if err != nil {
		return err
	}
	for _, id := range slices.Concat(objects, claims) {
		existing, err := w.applier.Observe(ctx, id)
		if err != nil {
			return err
		}
		if existing != nil && (isClaim(id) || apply.IsKept(existing)) {
			w.keep(id)
		}
	}
	return nil
}

// list names objects for a sentence, the first few of them.
func list(ids []render.ID) string {
	const few = 3
	names := make([]string, 0, few)
	for _, id := range ids[:min(few, len(ids))] {
		names = append(names, id.String())
	}
	text := strings.Join(names, ", ")
	if more := len(ids) - few; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return cmp.Or(text, "nothing")
}
