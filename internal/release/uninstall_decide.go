package release

import (
	"fmt"
	"slices"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/helm"
)

// Steps of DecideUninstall besides StepNothing, StepWait, StepTakeOver and StepHook.
const (
	// StepMark: mark the latest revision as being uninstalled.
	StepMark Step = "Mark"
	// StepRemove: remove the objects.
	StepRemove Step = "Remove"
	// StepRetryHook: run a failed delete hook once more.
	StepRetryHook Step = "RetryHook"
	// StepForget: remove what hooks left, and the records.
	StepForget Step = "Forget"
)

// UninstallInput is everything DecideUninstall looks at.
type UninstallInput struct {
	Now       time.Time
	Component string
	Holder    string
	Hooks     HookPolicy
	Revisions []Revision
	// Progress and ChartHooks of the latest revision.
	Progress   *Progress
	ChartHooks []helm.Hook
	// Removed: the objects were found gone in this very call.
	Removed bool
}

// DecideUninstall returns the next step of a removal:
//
//  1. no revision, or none of ours: nothing
//  2. not marked, or marked by somebody else: mark it; from then on nobody installs
//  3. pre-delete hooks, the objects, post-delete hooks, in this order
//  4. what hooks left, and the records, the latest last
func DecideUninstall(in UninstallInput) Decision {
	ours := slices.ContainsFunc(in.Revisions, func(r Revision) bool { return r.Component == in.Component })
	if !ours {
		return Decision{Step: StepNothing, Why: "there is no release of ours"}
	}
	latest := in.Revisions[len(in.Revisions)-1]
	if latest.Status != helm.StatusUninstalling || !latest.Ours || in.Progress.Operation != OperationUninstall {
		return Decision{Step: StepMark, Why: "the release is to be removed"}
	}
	if in.Progress.Holder != in.Holder {
		return Decision{Step: StepTakeOver, Why: fmt.Sprintf("revision %d was left %s by another process", latest.Number, latest.Status)}
	}
	removed := in.Progress.Removed || in.Removed
	if !removed {
		if step := deleteHook(in, helm.PreDelete); step != nil {
			return *step
		}
		return Decision{Step: StepRemove, Why: "the objects are to be removed"}
	}
	if step := deleteHook(in, helm.PostDelete); step != nil {
		return *step
	}
	return Decision{Step: StepForget, Why: "all objects are gone"}
}

func deleteHook(in UninstallInput, event helm.HookEvent) *Decision {
	if in.Hooks == SkipHooks || in.Progress.HooksSkipped {
		return nil
	}
	step := nextHook(Input{Hooks: in.ChartHooks, Progress: in.Progress}, event)
	if step == nil || step.Step != StepFail {
		return step
	}
	var policy Policy
	wait := &Decision{Step: StepWait, State: StateFailed, Reason: ReasonHookFailed, Attempt: in.Progress.HookAttempts, Why: in.Progress.Cause}
	if in.Progress.HookAttempts >= policy.maxAttempts() {
		return wait
	}
	if due := in.Progress.FinishedAt.Add(policy.retryDelay(in.Progress.HookAttempts)); in.Now.Before(due) {
		wait.RetryAt = due
		return wait
	}
	return &Decision{Step: StepRetryHook, Hook: step.Hook, Event: event, Why: "the failed hook is repeated"}
}
