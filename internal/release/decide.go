package release

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/helm"
)

// otherOperationRetry is how often a person's helm command is looked after: no watch tells when it is done.
const otherOperationRetry = 5 * time.Second

// Step is what to do next.
type Step string

// Steps of Decide, each bounded and repeatable.
const (
	// StepNothing: what is wanted is deployed.
	StepNothing Step = "Nothing"
	// StepWait: nothing can be done now.
	StepWait Step = "Wait"
	// StepBegin: render and create the next revision as pending.
	StepBegin Step = "Begin"
	// StepTakeOver: write our holder into the pending revision of a process that is gone.
	StepTakeOver Step = "TakeOver"
	// StepAbandon: fail a pending revision that nobody wants any more, or that nobody will finish.
	StepAbandon Step = "Abandon"
	// StepCRDs: apply the chart's definitions.
	StepCRDs Step = "CRDs"
	// StepHook: carry a hook further.
	StepHook Step = "Hook"
	// StepApply: apply the objects and prune.
	StepApply Step = "Apply"
	// StepDeploy: mark the revision deployed.
	StepDeploy Step = "Deploy"
	// StepFail: mark the revision failed, because a hook did.
	StepFail Step = "Fail"
	// StepTidy: supersede, and bound the history.
	StepTidy Step = "Tidy"
)

// Revision is what a record's labels say.
type Revision struct {
	Number int
	Status helm.Status
	// Ours is false for a revision that a person's helm command made.
	Ours bool
	// Component that the release belongs to; a person's helm command copies it.
	Component string
	// Inputs and RollbackOf are shortened digests.
	Inputs, RollbackOf string
	// Attempt at the same inputs, from 1.
	Attempt    int
	ModifiedAt time.Time
}

// Input is everything Decide looks at.
type Input struct {
	Now       time.Time
	Component string
	Holder    string
	// Wanted is the shortened digest of the wanted inputs.
	Wanted     string
	ResetToken string
	Policy     Policy
	// Revisions, oldest first.
	Revisions []Revision
	// Incomplete: the latest revision was not written to its end.
	Incomplete bool
	// Progress and Hooks of the latest revision; nil where it is not ours or deployed as wanted.
	Progress *Progress
	Hooks    []helm.Hook
	// CRDsApplied and Applied: done in this very call.
	CRDsApplied, Applied bool
}

// Decision is the next step and why.
type Decision struct {
	Step Step
	// Why in words, for logs and events.
	Why string
	// Operation, Attempt and RollbackTo of a StepBegin.
	Operation  Operation
	Attempt    int
	RollbackTo int
	// Hook and Event of a StepHook.
	Hook  int
	Event helm.HookEvent
	// Supersede and Forget are the revisions a StepTidy deals with.
	Supersede, Forget []int
	// State, Reason and RetryAt of a StepWait. Attempt is set, too.
	State   State
	Reason  Reason
	RetryAt time.Time
}

// Decide returns the next step. It is a function of its input alone:
//
//  1. no revision: install
//  2. a release of somebody else: refuse, unless it may be adopted
//  3. pending, or being uninstalled, by a person: wait until it is old, then fail it
//  4. pending by us: take it over from another process; give it up if other inputs are wanted; else continue
//  5. deployed as wanted: nothing, once older revisions are tidied
//  6. failed or rolled back with the wanted inputs: roll back, wait, or try again
//  7. anything else: a new revision
func Decide(in Input) Decision {
	if len(in.Revisions) == 0 {
		return Decision{Step: StepBegin, Operation: OperationInstall, Attempt: 1, Why: "nothing is installed"}
	}
	latest := in.Revisions[len(in.Revisions)-1]
	if refused := refuseForeign(in, latest); refused != nil {
		return *refused
	}
	switch {
	case latest.Status.IsPending() && !latest.Ours, isRemovedByHand(in, latest):
		return decideForeignPending(in, latest)
	case latest.Status.IsPending():
		return decidePending(in, latest)
	case !latest.Ours:
		return begin(in, fmt.Sprintf("revision %d was made by somebody else's helm command", latest.Number))
	}
	if tidy := decideTidy(in, latest); tidy != nil {
		return *tidy
	}
	switch {
	case latest.Status == helm.StatusDeployed && latest.Inputs == in.Wanted:
		return Decision{Step: StepNothing, Attempt: latest.Attempt, Why: "the wanted inputs are deployed"}
	case latest.Status == helm.StatusDeployed && latest.RollbackOf == in.Wanted, latest.Status == helm.StatusFailed:
		return decideFailed(in, latest)
	case latest.Status == helm.StatusDeployed:
		return begin(in, "the wanted inputs changed")
	}
	return begin(in, fmt.Sprintf("revision %d is %s", latest.Number, latest.Status))
}

func refuseForeign(in Input, latest Revision) *Decision {
	if latest.Component != "" && latest.Component != in.Component {
		return &Decision{Step: StepWait, State: StateBlocked, Reason: ReasonForeignRelease,
			Why: fmt.Sprintf("the release belongs to component %s; give one of the two another release name", latest.Component)}
	}
	known := slices.ContainsFunc(in.Revisions, func(r Revision) bool { return r.Component == in.Component })
	if known || in.Policy.Adoption == AdoptRelease || in.Policy.Adoption == TakeOver {
		return nil
	}
	return &Decision{Step: StepWait, State: StateBlocked, Reason: ReasonForeignRelease,
		Why: "a Helm release of that name exists and is not ours; uninstall it, or allow it to be adopted"}
}

// isRemovedByHand tells `helm uninstall` from our own removal by what it cannot keep: our progress. To install while it
// removes would have it take away what was just made.
func isRemovedByHand(in Input, latest Revision) bool {
	return latest.Status == helm.StatusUninstalling && (in.Progress == nil || in.Progress.Operation != OperationUninstall)
}

func decideForeignPending(in Input, latest Revision) Decision {
	until := latest.ModifiedAt.Add(in.Policy.foreignPendingDeadline())
	if in.Now.Before(until) {
		soon := in.Now.Add(otherOperationRetry)
		if until.Before(soon) {
			soon = until
		}
		return Decision{Step: StepWait, State: StateProgressing, Reason: ReasonOtherOperation, RetryAt: soon,
			Why: fmt.Sprintf("a helm command holds the release: revision %d is %s", latest.Number, latest.Status)}
	}
	return Decision{Step: StepAbandon, Why: fmt.Sprintf("revision %d has been %s for too long: whoever made it is gone", latest.Number, latest.Status)}
}

func decidePending(in Input, latest Revision) Decision {
	progress := in.Progress
	switch {
	case progress.Holder != in.Holder:
		return Decision{Step: StepTakeOver, Why: fmt.Sprintf("revision %d was left %s by another process", latest.Number, latest.Status)}
	case in.Incomplete:
		return Decision{Step: StepAbandon, Why: fmt.Sprintf("revision %d was not written to its end, and nothing was applied", latest.Number)}
	case latest.Inputs != in.Wanted && latest.RollbackOf != in.Wanted:
		return Decision{Step: StepAbandon, Why: fmt.Sprintf("revision %d is no longer wanted: the inputs changed", latest.Number)}
	}
	facts := operations[progress.Operation]
	if len(progress.CRDs) > 0 && !in.CRDsApplied && !progress.Applied && len(progress.Hooks) == 0 && progress.Operation != OperationRollback {
		return Decision{Step: StepCRDs, Why: "the chart brings definitions"}
	}
	if !progress.Applied && !in.Applied {
		if step := nextHook(in, facts.before); step != nil {
			return *step
		}
		return Decision{Step: StepApply, Why: "the objects are to be applied"}
	}
	if step := nextHook(in, facts.after); step != nil {
		return *step
	}
	return Decision{Step: StepDeploy, Why: "everything is applied"}
}

// nextHook returns the step for the first hook of an event that has not succeeded, or nil.
func nextHook(in Input, event helm.HookEvent) *Decision {
	for _, index := range HooksFor(in.Hooks, event) {
		known := in.Progress.hook(index, event)
		switch {
		case known != nil && known.Phase == HookSucceeded:
			continue
		case known != nil && known.Phase == HookFailed:
			return &Decision{Step: StepFail, Hook: index, Event: event, Why: fmt.Sprintf("%s hook %s failed", event, in.Hooks[index].Object.GetName())}
		}
		return &Decision{Step: StepHook, Hook: index, Event: event, Why: fmt.Sprintf("%s hook %s", event, in.Hooks[index].Object.GetName())}
	}
	return nil
}

// HooksFor returns the indexes of the hooks of an event in the order they run, which is Helm's: by weight, then by name,
// then as Helm keeps them.
func HooksFor(hooks []helm.Hook, event helm.HookEvent) []int {
	var indexes []int
	for i, hook := range hooks {
		if slices.Contains(hook.Events, event) {
			indexes = append(indexes, i)
		}
	}
	slices.SortStableFunc(indexes, func(a, b int) int {
		return cmp.Or(cmp.Compare(hooks[a].Weight, hooks[b].Weight), cmp.Compare(hooks[a].Object.GetName(), hooks[b].Object.GetName()))
	})
	return indexes
}

// decideTidy looks after the revisions before a latest one that is at rest; nil if all is well. The last deployed one is
// always kept. What a forgotten failed revision left in the cluster is known to the revisions after it.
func decideTidy(in Input, latest Revision) *Decision {
	tidy := &Decision{Step: StepTidy, Why: "older revisions are to be tidied"}
	older := in.Revisions[:len(in.Revisions)-1]
	surplus := len(in.Revisions) - in.Policy.maxHistory()
	good := lastDeployed(in.Revisions)
	for _, r := range older {
		if latest.Status == helm.StatusDeployed && (r.Status == helm.StatusDeployed || r.Status.IsPending()) {
			tidy.Supersede = append(tidy.Supersede, r.Number)
		}
		if surplus > 0 && r.Number != good {
			tidy.Forget = append(tidy.Forget, r.Number)
			surplus--
		}
	}
	if len(tidy.Supersede)+len(tidy.Forget) == 0 {
		return nil
	}
	return tidy
}

// decideFailed deals with a latest revision that failed, or is the rollback of one that did.
func decideFailed(in Input, latest Revision) Decision {
	progress := in.Progress
	if latest.Inputs != in.Wanted && latest.RollbackOf != in.Wanted {
		return begin(in, "the wanted inputs changed since the failure")
	}
	if progress.Reason == ReasonInterrupted {
		return begin(in, "the interrupted inputs are wanted again")
	}
	if progress.ResetToken != in.ResetToken {
		return begin(in, "what may have caused the failure changed")
	}
	good := lastDeployed(in.Revisions)
	if latest.Status == helm.StatusFailed && progress.Operation == OperationUpgrade && in.Policy.OnUpgradeFailure == Rollback && good > 0 {
		return Decision{Step: StepBegin, Operation: OperationRollback, RollbackTo: good, Attempt: latest.Attempt,
			Why: fmt.Sprintf("the upgrade failed: revision %d is restored", good)}
	}
	wait := Decision{Step: StepWait, State: StateFailed, Reason: progress.Reason, Attempt: latest.Attempt, Why: progress.Cause}
	if latest.Status == helm.StatusDeployed {
		wait.Reason, wait.Why = ReasonRolledBack, fmt.Sprintf("rolled back to revision %d: %s", progress.RollbackTo, progress.Cause)
	}
	if latest.Attempt >= in.Policy.maxAttempts() {
		return wait
	}
	if due := progress.FinishedAt.Add(in.Policy.retryDelay(latest.Attempt)); in.Now.Before(due) {
		wait.RetryAt = due
		return wait
	}
	again := begin(in, "the failed attempt is repeated")
	again.Attempt = latest.Attempt + 1
	return again
}

// begin makes a first attempt at the wanted inputs: an install until something was ever deployed, an upgrade from then on.
func begin(in Input, why string) Decision {
	operation := OperationInstall
	for _, r := range in.Revisions {
		if r.Status == helm.StatusDeployed || r.Status == helm.StatusSuperseded {
			operation = OperationUpgrade
		}
	}
	if in.Revisions[len(in.Revisions)-1].Status == helm.StatusUninstalled {
		operation = OperationInstall
	}
	return Decision{Step: StepBegin, Operation: operation, Attempt: 1, Why: why}
}

// lastDeployed returns the newest deployed revision, 0 if there is none.
func lastDeployed(revisions []Revision) int {
	for _, r := range slices.Backward(revisions) {
		if r.Status == helm.StatusDeployed {
			return r.Number
		}
	}
	return 0
}
