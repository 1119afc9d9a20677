package release

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/helm"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

const (
	// logLines and logBytes bound what a failed hook adds to a status.
	logLines = 10
	logBytes = 1024
	// hookRetry is when to look again at a hook that runs, if no watch tells earlier.
	hookRetry = 15 * time.Second
	// minHookTTLSeconds keeps a finished hook's Job long enough for its result to be seen after an outage.
	minHookTTLSeconds = 15 * 60
)

// runHook carries a hook as far as it goes without waiting.
func (w *work) runHook(ctx context.Context, index int, event helm.HookEvent) (*Outcome, error) {
	hook := w.latest.Hooks[index]
	id := w.id(hook.Object)
	known := w.progress.hook(index, event)
	var live *unstructured.Unstructured
	if known != nil {
		var err error
		if live, err = w.applier.Read(ctx, id); err != nil {
			return nil, err
		}
	}
	decision := DecideHook(HookInput{
		Now: w.now(), Hook: hook, AttemptID: w.attemptOf(event), Deadline: w.request.Policy.hookDeadline(), Progress: known, Live: live,
	})
	switch decision.Step {
	case HookNote:
		return nil, w.noteHook(ctx, HookProgress{Index: index, Event: event, Phase: HookStarting, StartedAt: w.now()})
	case HookRemove:
		return w.removeHookObject(ctx, id)
	case HookMake:
		return w.makeHook(ctx, *known, hook, id)
	case HookAdopt:
		return nil, w.hookMade(ctx, *known, live)
	case HookDone:
		known.Phase = HookSucceeded
		return nil, w.noteHook(ctx, *known)
	case HookGiveUp:
		return nil, w.hookFailed(ctx, *known, id, live, decision.Why)
	case HookAwait:
	}
	deadline := known.StartedAt.Add(w.request.Policy.hookDeadline()).Sub(w.now())
	return w.waitFor(ReasonHookRunning, fmt.Sprintf("Waiting for %s hook %s", event, id), min(deadline, hookRetry), id), nil
}

// noteHook writes down how far a hook got.
func (w *work) noteHook(ctx context.Context, progress HookProgress) error {
	// Hooks after the objects imply that those are applied; a continued revision need not apply them again.
	w.progress.Applied = w.progress.Applied || w.applied
	w.progress.setHook(progress)
	run := helm.HookRun{StartedAt: progress.StartedAt, Succeeded: progress.Phase == HookSucceeded, Failed: progress.Phase == HookFailed}
	if run.Succeeded || run.Failed {
		run.CompletedAt = w.now()
	}
	w.latest.SetHookRun(progress.Index, run)
	return w.save(ctx)
}

func (w *work) removeHookObject(ctx context.Context, id render.ID) (*Outcome, error) {
	removal, err := w.applier.RemoveHook(ctx, id, w.owner)
	if err != nil {
		return nil, err
	}
	switch removal {
	case apply.NotOurs:
		return w.failOn(ctx, &apply.ObjectError{ID: id, Kind: apply.ErrForeign,
			Detail: "is in the way of a hook and belongs to somebody else; remove it or rename the hook"})
	case apply.Terminating:
		return w.waitFor(ReasonTerminating, fmt.Sprintf("Waiting for the %s of an earlier run to disappear", id), terminatingRetry, id), nil
	case apply.Gone, apply.Kept:
	}
	return nil, nil
}

// makeHook makes the object with the attempt's id on it.
func (w *work) makeHook(ctx context.Context, progress HookProgress, hook helm.Hook, id render.ID) (*Outcome, error) {
	if !runsToCompletion(hook.Object) {
		if err := w.checkHookOwner(ctx, id); err != nil {
			return w.failOn(ctx, err)
		}
	}
	object := hook.Object.DeepCopy()
	object.SetNamespace(id.Namespace)
	annotations := map[string]string{attemptAnnotation: w.attemptOf(progress.Event)}
	maps.Copy(annotations, hook.Object.GetAnnotations())
	object.SetAnnotations(annotations)
	keepLongEnough(object)
	live, err := w.applier.Apply(ctx, object, w.owner)
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return nil, err
	}
	if err != nil {
		var finding *apply.ObjectError
		if errors.As(err, &finding) && !errors.Is(err, apply.ErrTerminating) {
			return nil, w.hookFailed(ctx, progress, id, nil, finding.Detail)
		}
		return w.failOn(ctx, err)
	}
	return nil, w.hookMade(ctx, progress, live)
}

func (w *work) checkHookOwner(ctx context.Context, id render.ID) error {
	existing, err := w.applier.Observe(ctx, id)
	if err != nil || existing == nil || existing.GetAnnotations()[apply.HookAnnotation] != "" {
		return err
	}
	return w.applier.CheckOwner(ctx, id, w.owner)
}

// hookMade notes the UID. What does not run to completion is done with that.
func (w *work) hookMade(ctx context.Context, progress HookProgress, live *unstructured.Unstructured) error {
	progress.Phase, progress.UID = HookRunning, string(live.GetUID())
	if !runsToCompletion(live) {
		progress.Phase = HookSucceeded
	}
	return w.noteHook(ctx, progress)
}

// keepLongEnough raises a short time to live: a Job that removes itself before its result was seen looks like one that
// somebody deleted.
func keepLongEnough(object *unstructured.Unstructured) {
	ttl, found, _ := unstructured.NestedInt64(object.Object, "spec", "ttlSecondsAfterFinished")
	if found && object.GetKind() == "Job" && ttl < minHookTTLSeconds {
		_ = unstructured.SetNestedField(object.Object, int64(minHookTTLSeconds), "spec", "ttlSecondsAfterFinished")
	}
}

// hookFailed notes the failure with the end of the log, before the object that has the log is removed.
func (w *work) hookFailed(ctx context.Context, progress HookProgress, id render.ID, live *unstructured.Unstructured, why string) error {
	cause := fmt.Sprintf("%s hook %s: %s", progress.Event, id, why)
	if tail := w.tail(ctx, live); tail != "" {
		cause += "; its log ends with: " + tail
	}
	progress.Phase = HookFailed
	if progress.Event == helm.Test {
		// The revision stays deployed.
		w.progress.Tests.Cause = cause
	} else {
		w.progress.Reason, w.progress.Cause, w.progress.FinishedAt = ReasonHookFailed, cause, w.now()
	}
	return w.noteHook(ctx, progress)
}

// tail returns the end of a hook's log. A log that cannot be read is no reason to stop.
func (w *work) tail(ctx context.Context, live *unstructured.Unstructured) string {
	logs := w.engine.options.Logs
	if logs == nil || live == nil || !runsToCompletion(live) {
		return ""
	}
	text, err := logs.Tail(ctx, live, logLines)
	if err != nil {
		return ""
	}
	text = strings.TrimSpace(text)
	if len(text) > logBytes {
		text = "…" + strings.ToValidUTF8(text[len(text)-logBytes:], "")
	}
	return text
}

// failByHook removes what the failed hook's policies say, and fails the revision.
func (w *work) failByHook(ctx context.Context, d Decision) error {
	if err := w.cleanFailedHooks(ctx, d.Hook, d.Event); err != nil {
		return err
	}
	return w.fail(ctx, ReasonHookFailed, w.progress.Cause)
}

// cleanFailedHooks removes the failed hook first and then those before it that succeeded, as Helm does.
func (w *work) cleanFailedHooks(ctx context.Context, failed int, event helm.HookEvent) error {
	if err := w.removeByPolicy(ctx, failed, helm.HookFailed); err != nil {
		return err
	}
	if err := w.stopHook(ctx, failed, event); err != nil {
		return err
	}
	for _, index := range HooksFor(w.latest.Hooks, event) {
		if index == failed {
			break
		}
		if err := w.removeByPolicy(ctx, index, helm.HookSucceeded); err != nil {
			return err
		}
	}
	return nil
}

// cleanHooks removes the objects of an event's hooks that all succeeded, in reverse, as Helm does.
func (w *work) cleanHooks(ctx context.Context, event helm.HookEvent) error {
	for _, index := range slices.Backward(HooksFor(w.latest.Hooks, event)) {
		if err := w.removeByPolicy(ctx, index, helm.HookSucceeded); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) removeByPolicy(ctx context.Context, index int, policy helm.HookDeletePolicy) error {
	hook := w.latest.Hooks[index]
	if !slices.Contains(hook.DeletePolicies, policy) || isDefinition(w.id(hook.Object)) {
		return nil
	}
	_, err := w.applier.RemoveHook(ctx, w.id(hook.Object), w.owner)
	return err
}

// leaveHooks stops what an attempt that is given up has running, and removes what its hooks' policies say: no later attempt
// need run the same hooks.
func (w *work) leaveHooks(ctx context.Context) error {
	for _, progress := range w.progress.Hooks {
		var err error
		switch progress.Phase {
		case HookStarting, HookRunning:
			err = w.stopHook(ctx, progress.Index, progress.Event)
		case HookSucceeded:
			err = w.removeByPolicy(ctx, progress.Index, helm.HookSucceeded)
		case HookFailed:
			err = w.removeByPolicy(ctx, progress.Index, helm.HookFailed)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stopHook removes a Job or Pod of this attempt that has not finished: it must not run on beside the next attempt. One that
// finished unseen is removed if its policies say so.
func (w *work) stopHook(ctx context.Context, index int, event helm.HookEvent) error {
	hook := w.latest.Hooks[index]
	if !runsToCompletion(hook.Object) {
		return nil
	}
	live, err := w.applier.Read(ctx, w.id(hook.Object))
	if err != nil || live == nil || live.GetAnnotations()[attemptAnnotation] != w.attemptOf(event) {
		return err
	}
	switch finished, failure := hookResult(live); {
	case finished && failure == "":
		return w.removeByPolicy(ctx, index, helm.HookSucceeded)
	case finished:
		return w.removeByPolicy(ctx, index, helm.HookFailed)
	}
	_, err = w.applier.RemoveHook(ctx, w.id(hook.Object), w.owner)
	return err
}
