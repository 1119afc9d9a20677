package release_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dpi-operator/dpi-operator/internal/helm"
	"github.com/dpi-operator/dpi-operator/internal/release"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// ours is a revision that we made for the inputs named.
func ours(number int, status helm.Status, inputs string) release.Revision {
	return release.Revision{Number: number, Status: status, Ours: true, Component: "app", Inputs: inputs, Attempt: 1, ModifiedAt: noon}
}

// byHand is a revision that a person's helm command made of ours.
func byHand(number int, status helm.Status) release.Revision {
	return release.Revision{Number: number, Status: status, Component: "app", ModifiedAt: noon}
}

func hook(name string, weight int, events ...helm.HookEvent) helm.Hook {
	return helm.Hook{Object: job(name, nil), Weight: weight, Events: events}
}

func job(name string, annotations map[string]string, conditions ...string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "batch/v1", "kind": "Job"}}
	object.SetName(name)
	object.SetUID("uid-" + "1")
	object.SetAnnotations(annotations)
	list := make([]any, 0, len(conditions))
	for _, condition := range conditions {
		list = append(list, map[string]any{"type": condition, "status": "True", "reason": "Because"})
	}
	if len(list) > 0 {
		object.Object["status"] = map[string]any{"conditions": list}
	}
	return object
}

func TestDecide(t *testing.T) {
	failedAt := &release.Progress{Operation: release.OperationUpgrade, Reason: release.ReasonApplyFailed, Cause: "no", FinishedAt: noon}
	pending := &release.Progress{Operation: release.OperationUpgrade, Holder: "me"}
	withHooks := []helm.Hook{hook("late", 5, helm.PreUpgrade), hook("early", -1, helm.PreUpgrade), hook("post", 0, helm.PostUpgrade)}
	done := func(index int, event helm.HookEvent) release.HookProgress {
		return release.HookProgress{Index: index, Event: event, Phase: release.HookSucceeded}
	}
	for name, tc := range map[string]struct {
		revisions []release.Revision
		progress  *release.Progress
		hooks     []helm.Hook
		change    func(*release.Input)
		want      release.Decision
	}{
		"nothing is installed": {
			want: release.Decision{Step: release.StepBegin, Operation: release.OperationInstall, Attempt: 1},
		},
		"deployed as wanted": {
			revisions: []release.Revision{ours(1, helm.StatusDeployed, "new")},
			want:      release.Decision{Step: release.StepNothing, Attempt: 1},
		},
		"deployed with other inputs": {
			revisions: []release.Revision{ours(1, helm.StatusDeployed, "old")},
			want:      release.Decision{Step: release.StepBegin, Operation: release.OperationUpgrade, Attempt: 1},
		},
		"a crash before the previous revision was superseded": {
			revisions: []release.Revision{ours(1, helm.StatusDeployed, "old"), ours(2, helm.StatusDeployed, "new")},
			want:      release.Decision{Step: release.StepTidy, Supersede: []int{1}},
		},
		"more revisions than wanted, the last deployed is kept": {
			revisions: []release.Revision{
				ours(1, helm.StatusSuperseded, "a"), ours(2, helm.StatusDeployed, "b"), ours(3, helm.StatusFailed, "c"), ours(4, helm.StatusFailed, "new"),
			},
			progress: failedAt,
			change:   func(in *release.Input) { in.Policy.MaxHistory = 2 },
			want:     release.Decision{Step: release.StepTidy, Forget: []int{1, 3}},
		},
		"pending by a process that is gone": {
			revisions: []release.Revision{ours(1, helm.StatusPendingInstall, "new")},
			progress:  &release.Progress{Operation: release.OperationInstall, Holder: "other"},
			want:      release.Decision{Step: release.StepTakeOver},
		},
		"pending with inputs that nobody wants any more": {
			revisions: []release.Revision{ours(1, helm.StatusDeployed, "a"), ours(2, helm.StatusPendingUpgrade, "old")},
			progress:  pending,
			want:      release.Decision{Step: release.StepAbandon},
		},
		"pending, but not written to its end": {
			revisions: []release.Revision{ours(1, helm.StatusPendingInstall, "new")}, progress: pending,
			change: func(in *release.Input) { in.Incomplete = true },
			want:   release.Decision{Step: release.StepAbandon},
		},
		"pending with definitions to apply": {
			revisions: []release.Revision{ours(1, helm.StatusPendingInstall, "new")},
			progress:  &release.Progress{Operation: release.OperationInstall, Holder: "me", CRDs: []render.ID{{Kind: "X"}}},
			want:      release.Decision{Step: release.StepCRDs},
		},
		"pending: the lightest hook first": {
			revisions: []release.Revision{ours(2, helm.StatusPendingUpgrade, "new")}, progress: pending, hooks: withHooks,
			want: release.Decision{Step: release.StepHook, Hook: 1, Event: helm.PreUpgrade},
		},
		"pending: then the heavier": {
			revisions: []release.Revision{ours(2, helm.StatusPendingUpgrade, "new")}, hooks: withHooks,
			progress: &release.Progress{Operation: release.OperationUpgrade, Holder: "me", Hooks: []release.HookProgress{done(1, helm.PreUpgrade)}},
			want:     release.Decision{Step: release.StepHook, Hook: 0, Event: helm.PreUpgrade},
		},
		"pending: then the objects": {
			revisions: []release.Revision{ours(2, helm.StatusPendingUpgrade, "new")}, hooks: withHooks,
			progress: &release.Progress{Operation: release.OperationUpgrade, Holder: "me",
				Hooks: []release.HookProgress{done(1, helm.PreUpgrade), done(0, helm.PreUpgrade)}},
			want: release.Decision{Step: release.StepApply},
		},
		"pending: a chart with only post hooks applies first": {
			revisions: []release.Revision{ours(2, helm.StatusPendingUpgrade, "new")}, progress: pending, hooks: withHooks[2:],
			want: release.Decision{Step: release.StepApply},
		},
		"pending: then the hooks after them": {
			revisions: []release.Revision{ours(2, helm.StatusPendingUpgrade, "new")}, progress: pending, hooks: withHooks[2:],
			change: func(in *release.Input) { in.Applied = true },
			want:   release.Decision{Step: release.StepHook, Hook: 0, Event: helm.PostUpgrade},
		},
		"pending: all is done": {
			revisions: []release.Revision{ours(2, helm.StatusPendingUpgrade, "new")}, progress: pending,
			change: func(in *release.Input) { in.Applied = true },
			want:   release.Decision{Step: release.StepDeploy},
		},
		"pending: a hook failed": {
			revisions: []release.Revision{ours(2, helm.StatusPendingUpgrade, "new")}, hooks: withHooks[:1],
			progress: &release.Progress{Operation: release.OperationUpgrade, Holder: "me",
				Hooks: []release.HookProgress{{Event: helm.PreUpgrade, Phase: release.HookFailed}}},
			want: release.Decision{Step: release.StepFail, Event: helm.PreUpgrade},
		},
		"a person's command runs": {
			revisions: []release.Revision{ours(1, helm.StatusDeployed, "new"), byHand(2, helm.StatusPendingUpgrade)},
			want: release.Decision{Step: release.StepWait, State: release.StateProgressing, Reason: release.ReasonOtherOperation,
				RetryAt: noon.Add(5 * time.Second)},
		},
		"a person's command has run for nearly too long": {
			revisions: []release.Revision{ours(1, helm.StatusDeployed, "new"), byHand(2, helm.StatusPendingUpgrade)},
			change:    func(in *release.Input) { in.Now = noon.Add(10*time.Minute - time.Second) },
			want: release.Decision{Step: release.StepWait, State: release.StateProgressing, Reason: release.ReasonOtherOperation,
				RetryAt: noon.Add(10 * time.Minute)},
		},
		"a person's command died": {
			revisions: []release.Revision{ours(1, helm.StatusDeployed, "new"), byHand(2, helm.StatusPendingUpgrade)},
			change:    func(in *release.Input) { in.Now = noon.Add(time.Hour) },
			want:      release.Decision{Step: release.StepAbandon},
		},
		"a person's helm uninstall runs": {
			revisions: []release.Revision{ours(1, helm.StatusUninstalling, "new")}, progress: &release.Progress{},
			want: release.Decision{Step: release.StepWait, State: release.StateProgressing, Reason: release.ReasonOtherOperation,
				RetryAt: noon.Add(5 * time.Second)},
		},
		"a person's helm uninstall died": {
			revisions: []release.Revision{ours(1, helm.StatusUninstalling, "new")}, progress: &release.Progress{},
			change: func(in *release.Input) { in.Now = noon.Add(time.Hour) },
			want:   release.Decision{Step: release.StepAbandon},
		},
		"our own removal, and it is wanted again": {
			revisions: []release.Revision{ours(1, helm.StatusUninstalling, "new")},
			progress:  &release.Progress{Operation: release.OperationUninstall},
			want:      release.Decision{Step: release.StepBegin, Operation: release.OperationInstall, Attempt: 1},
		},
		"a person rolled back": {
			revisions: []release.Revision{ours(1, helm.StatusSuperseded, "new"), byHand(2, helm.StatusDeployed)},
			want:      release.Decision{Step: release.StepBegin, Operation: release.OperationUpgrade, Attempt: 1},
		},
		"a person uninstalled and kept the history": {
			revisions: []release.Revision{ours(1, helm.StatusUninstalled, "new")},
			want:      release.Decision{Step: release.StepBegin, Operation: release.OperationInstall, Attempt: 1},
		},
		"a release of plain Helm": {
			revisions: []release.Revision{{Number: 1, Status: helm.StatusDeployed}},
			want:      release.Decision{Step: release.StepWait, State: release.StateBlocked, Reason: release.ReasonForeignRelease},
		},
		"a release of plain Helm that may be adopted": {
			revisions: []release.Revision{{Number: 1, Status: helm.StatusDeployed}},
			change:    func(in *release.Input) { in.Policy.Adoption = release.AdoptRelease },
			want:      release.Decision{Step: release.StepBegin, Operation: release.OperationUpgrade, Attempt: 1},
		},
		"a release of another component is never adopted": {
			revisions: []release.Revision{{Number: 1, Status: helm.StatusDeployed, Ours: true, Component: "other"}},
			change:    func(in *release.Input) { in.Policy.Adoption = release.TakeOver },
			want:      release.Decision{Step: release.StepWait, State: release.StateBlocked, Reason: release.ReasonForeignRelease},
		},
		"an upgrade failed: wait": {
			revisions: []release.Revision{ours(1, helm.StatusDeployed, "old"), ours(2, helm.StatusFailed, "new")}, progress: failedAt,
			want: release.Decision{Step: release.StepWait, State: release.StateFailed, Reason: release.ReasonApplyFailed, Attempt: 1,
				RetryAt: noon.Add(15 * time.Second)},
		},
		"an upgrade failed: try again": {
			revisions: []release.Revision{ours(1, helm.StatusDeployed, "old"), ours(2, helm.StatusFailed, "new")}, progress: failedAt,
			change: func(in *release.Input) { in.Now = noon.Add(time.Minute) },
			want:   release.Decision{Step: release.StepBegin, Operation: release.OperationUpgrade, Attempt: 2},
		},
		"an upgrade failed: roll back": {
			revisions: []release.Revision{ours(1, helm.StatusDeployed, "old"), ours(2, helm.StatusFailed, "new")}, progress: failedAt,
			change: func(in *release.Input) { in.Policy.OnUpgradeFailure = release.Rollback },
			want:   release.Decision{Step: release.StepBegin, Operation: release.OperationRollback, RollbackTo: 1, Attempt: 1},
		},
		"an upgrade failed too often": {
			revisions: []release.Revision{ours(1, helm.StatusDeployed, "old"), ours(2, helm.StatusFailed, "new")}, progress: failedAt,
			change: func(in *release.Input) { in.Policy.MaxAttempts, in.Now = 1, noon.Add(time.Hour) },
			want:   release.Decision{Step: release.StepWait, State: release.StateFailed, Reason: release.ReasonApplyFailed, Attempt: 1},
		},
		"a failure whose cause may have gone": {
			revisions: []release.Revision{ours(1, helm.StatusDeployed, "old"), ours(2, helm.StatusFailed, "new")}, progress: failedAt,
			change: func(in *release.Input) { in.ResetToken, in.Policy.MaxAttempts = "other", 1 },
			want:   release.Decision{Step: release.StepBegin, Operation: release.OperationUpgrade, Attempt: 1},
		},
		"a failed first install is an install again, never an uninstall": {
			revisions: []release.Revision{ours(1, helm.StatusFailed, "new")},
			progress:  &release.Progress{Operation: release.OperationInstall, Reason: release.ReasonApplyFailed, FinishedAt: noon.Add(-time.Hour)},
			change:    func(in *release.Input) { in.Policy.OnUpgradeFailure = release.Rollback },
			want:      release.Decision{Step: release.StepBegin, Operation: release.OperationInstall, Attempt: 2},
		},
		"a failure with other inputs": {
			revisions: []release.Revision{ours(1, helm.StatusDeployed, "a"), ours(2, helm.StatusFailed, "old")}, progress: failedAt,
			want: release.Decision{Step: release.StepBegin, Operation: release.OperationUpgrade, Attempt: 1},
		},
		"rolled back from what is wanted": {
			revisions: []release.Revision{ours(2, helm.StatusFailed, "new"),
				{Number: 3, Status: helm.StatusDeployed, Ours: true, Component: "app", Inputs: "old", RollbackOf: "new", Attempt: 2}},
			progress: &release.Progress{Operation: release.OperationRollback, RollbackTo: 1, Cause: "no", FinishedAt: noon},
			want: release.Decision{Step: release.StepWait, State: release.StateFailed, Reason: release.ReasonRolledBack, Attempt: 2,
				RetryAt: noon.Add(30 * time.Second)},
		},
		"rolled back, and the old inputs are wanted again": {
			revisions: []release.Revision{
				{Number: 3, Status: helm.StatusDeployed, Ours: true, Component: "app", Inputs: "new", RollbackOf: "old", Attempt: 2}},
			progress: &release.Progress{Operation: release.OperationRollback, RollbackTo: 1, FinishedAt: noon},
			want:     release.Decision{Step: release.StepNothing, Attempt: 2},
		},
		"interrupted inputs are wanted again": {
			revisions: []release.Revision{ours(1, helm.StatusDeployed, "a"), ours(2, helm.StatusFailed, "new")},
			progress:  &release.Progress{Operation: release.OperationUpgrade, Reason: release.ReasonInterrupted, FinishedAt: noon},
			want:      release.Decision{Step: release.StepBegin, Operation: release.OperationUpgrade, Attempt: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := release.Input{Now: noon, Component: "app", Holder: "me", Wanted: "new", Revisions: tc.revisions, Progress: tc.progress, Hooks: tc.hooks}
			if tc.change != nil {
				tc.change(&in)
			}
			got := release.Decide(in)
			if got.Why == "" && got.Reason == "" {
				t.Error("the decision gives no reason")
			}
			got.Why = ""
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHooksFor_runsInHelmsOrder(t *testing.T) {
	hooks := []helm.Hook{hook("zone", 0, helm.PreInstall), hook("able", 0, helm.PreInstall), hook("late", 1, helm.PreInstall), hook("other", -9, helm.PostInstall)}
	if diff := cmp.Diff([]int{1, 0, 2}, release.HooksFor(hooks, helm.PreInstall)); diff != "" {
		t.Error(diff)
	}
}

func TestDecideHook(t *testing.T) {
	mine, other := map[string]string{"dpi-operator.io/attempt-id": "A"}, map[string]string{"dpi-operator.io/attempt-id": "B"}
	starting := &release.HookProgress{Phase: release.HookStarting, StartedAt: noon}
	running := &release.HookProgress{Phase: release.HookRunning, UID: "uid-1", StartedAt: noon}
	settings := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
	definition := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}}
	for name, tc := range map[string]struct {
		hook     helm.Hook
		progress *release.HookProgress
		live     *unstructured.Unstructured
		after    time.Duration
		want     release.HookStep
	}{
		"due":                                   {want: release.HookNote},
		"noted, nothing there":                  {progress: starting, want: release.HookMake},
		"made just before the crash":            {progress: starting, live: job("x", mine), want: release.HookAdopt},
		"an earlier run left its Job":           {progress: starting, live: job("x", other), want: release.HookRemove},
		"a ConfigMap is changed in place":       {hook: helm.Hook{Object: settings}, progress: starting, live: settings, want: release.HookMake},
		"a ConfigMap is replaced where asked":   {hook: helm.Hook{Object: settings, DeletePolicies: []helm.HookDeletePolicy{helm.BeforeHookCreation}}, progress: starting, live: settings, want: release.HookRemove},
		"a definition is never deleted":         {hook: helm.Hook{Object: definition, DeletePolicies: []helm.HookDeletePolicy{helm.BeforeHookCreation}}, progress: starting, live: definition, want: release.HookMake},
		"runs":                                  {progress: running, live: job("x", mine), want: release.HookAwait},
		"runs too long":                         {progress: running, live: job("x", mine), after: time.Hour, want: release.HookGiveUp},
		"succeeded":                             {progress: running, live: job("x", mine, "SuccessCriteriaMet", "Complete"), want: release.HookDone},
		"succeeded after its deadline":          {progress: running, live: job("x", mine, "Complete"), after: time.Hour, want: release.HookDone},
		"failed":                                {progress: running, live: job("x", mine, "FailureTarget", "Failed"), want: release.HookGiveUp},
		"vanished: it is not run a second time": {progress: running, want: release.HookGiveUp},
		"replaced by somebody":                  {progress: running, live: job("x", other), want: release.HookGiveUp},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.hook.Object == nil {
				tc.hook = hook("x", 0)
			}
			got := release.DecideHook(release.HookInput{
				Now: noon.Add(tc.after), Hook: tc.hook, AttemptID: "A", Deadline: time.Minute, Progress: tc.progress, Live: tc.live,
			})
			if got.Step != tc.want || got.Why == "" {
				t.Errorf("got %s (%s), want %s", got.Step, got.Why, tc.want)
			}
		})
	}
}

func TestDecideUninstall(t *testing.T) {
	hooks := []helm.Hook{hook("bye", 0, helm.PreDelete), hook("after", 0, helm.PostDelete)}
	marked := func(change func(*release.Progress)) *release.Progress {
		progress := &release.Progress{Operation: release.OperationUninstall, Holder: "me"}
		if change != nil {
			change(progress)
		}
		return progress
	}
	preDone := release.HookProgress{Event: helm.PreDelete, Phase: release.HookSucceeded}
	postDone := release.HookProgress{Index: 1, Event: helm.PostDelete, Phase: release.HookSucceeded}
	leaving := []release.Revision{ours(1, helm.StatusUninstalling, "x")}
	for name, tc := range map[string]struct {
		revisions []release.Revision
		progress  *release.Progress
		hooks     release.HookPolicy
		removed   bool
		want      release.Decision
	}{
		"no release":            {want: release.Decision{Step: release.StepNothing}},
		"somebody else's":       {revisions: []release.Revision{{Number: 1, Status: helm.StatusDeployed}}, want: release.Decision{Step: release.StepNothing}},
		"deployed":              {revisions: []release.Revision{ours(1, helm.StatusDeployed, "x")}, progress: &release.Progress{}, want: release.Decision{Step: release.StepMark}},
		"pending":               {revisions: []release.Revision{ours(1, helm.StatusPendingInstall, "x")}, progress: &release.Progress{}, want: release.Decision{Step: release.StepMark}},
		"marked by hand":        {revisions: []release.Revision{byHand(1, helm.StatusUninstalling)}, progress: marked(nil), want: release.Decision{Step: release.StepMark}},
		"left by another":       {revisions: leaving, progress: marked(func(p *release.Progress) { p.Holder = "other" }), want: release.Decision{Step: release.StepTakeOver}},
		"hooks first":           {revisions: leaving, progress: marked(nil), want: release.Decision{Step: release.StepHook, Event: helm.PreDelete}},
		"without hooks":         {revisions: leaving, progress: marked(nil), hooks: release.SkipHooks, want: release.Decision{Step: release.StepRemove}},
		"terminating namespace": {revisions: leaving, progress: marked(func(p *release.Progress) { p.HooksSkipped = true }), want: release.Decision{Step: release.StepRemove}},
		"then the objects":      {revisions: leaving, progress: marked(func(p *release.Progress) { p.Hooks = append(p.Hooks, preDone) }), want: release.Decision{Step: release.StepRemove}},
		"then hooks again": {revisions: leaving, removed: true, progress: marked(func(p *release.Progress) { p.Hooks = append(p.Hooks, preDone) }),
			want: release.Decision{Step: release.StepHook, Hook: 1, Event: helm.PostDelete}},
		"then the records": {revisions: leaving, progress: marked(func(p *release.Progress) { p.Removed, p.Hooks = true, []release.HookProgress{preDone, postDone} }),
			want: release.Decision{Step: release.StepForget}},
		"a failed hook waits": {revisions: leaving, progress: marked(func(p *release.Progress) {
			p.Hooks, p.FinishedAt, p.Cause = []release.HookProgress{{Event: helm.PreDelete, Phase: release.HookFailed}}, noon, "no"
		}), want: release.Decision{Step: release.StepWait, State: release.StateFailed, Reason: release.ReasonHookFailed, RetryAt: noon.Add(15 * time.Second)}},
		"a failed hook is repeated": {revisions: leaving, progress: marked(func(p *release.Progress) {
			p.Hooks, p.FinishedAt = []release.HookProgress{{Event: helm.PreDelete, Phase: release.HookFailed}}, noon.Add(-time.Hour)
		}), want: release.Decision{Step: release.StepRetryHook, Event: helm.PreDelete}},
	} {
		t.Run(name, func(t *testing.T) {
			got := release.DecideUninstall(release.UninstallInput{
				Now: noon, Component: "app", Holder: "me", Hooks: tc.hooks, Revisions: tc.revisions, Progress: tc.progress, ChartHooks: hooks, Removed: tc.removed,
			})
			got.Why = ""
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
