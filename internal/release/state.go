package release

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/helm"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

// Labels of a record. Helm copies them to the revisions it makes itself, so revisionLabel tells whose a revision is.
const (
	componentLabel  = "dpi-operator.io/component"
	deploymentLabel = "dpi-operator.io/deployment"
	revisionLabel   = "dpi-operator.io/revision"
	inputsLabel     = "dpi-operator.io/inputs"
	// rollbackOfLabel holds the inputs that failed and were rolled back from.
	rollbackOfLabel = "dpi-operator.io/rollback-of"
	// attemptLabel counts the attempts at the same inputs.
	attemptLabel = "dpi-operator.io/attempt"
	// attemptAnnotation on a hook's object names the attempt that made it.
	attemptAnnotation = "dpi-operator.io/attempt-id"
	// componentNamespaceLabel leads from a cluster-scoped object to its component.
	componentNamespaceLabel = "dpi-operator.io/component-namespace"
)

// Operation of a revision.
type Operation string

// Operations.
const (
	OperationInstall  Operation = "install"
	OperationUpgrade  Operation = "upgrade"
	OperationRollback Operation = "rollback"
	// OperationUninstall is noted on the latest revision when the release is removed.
	OperationUninstall Operation = "uninstall"
)

// operations says what an operation is called, which hooks run around it, and what Helm calls it while it runs.
var operations = map[Operation]struct {
	name          string
	before, after helm.HookEvent
	pending       helm.Status
}{
	OperationInstall:  {"Install", helm.PreInstall, helm.PostInstall, helm.StatusPendingInstall},
	OperationUpgrade:  {"Upgrade", helm.PreUpgrade, helm.PostUpgrade, helm.StatusPendingUpgrade},
	OperationRollback: {"Rollback", helm.PreRollback, helm.PostRollback, helm.StatusPendingRollback},
}

// HookPhase is how far a hook got.
type HookPhase string

const (
	// HookStarting means: its object may or may not have been made.
	HookStarting HookPhase = "Starting"
	// HookRunning means: its object was made, with the UID noted.
	HookRunning HookPhase = "Running"
	// HookSucceeded means: done.
	HookSucceeded HookPhase = "Succeeded"
	// HookFailed means: it failed; the attempt will be failed next.
	HookFailed HookPhase = "Failed"
)

// HookProgress is how far one hook got at one event.
type HookProgress struct {
	// Index of the hook in the record.
	Index     int            `json:"index"`
	Event     helm.HookEvent `json:"event"`
	Phase     HookPhase      `json:"phase"`
	UID       string         `json:"uid,omitempty"`
	StartedAt time.Time      `json:"startedAt"`
}

// Progress is the operator's part of a record: all that must survive a crash.
type Progress struct {
	// AttemptID is unique per revision ever made; hooks carry it.
	AttemptID string `json:"attemptID"`
	// Holder is the process that works on it.
	Holder       string    `json:"holder,omitempty"`
	Operation    Operation `json:"operation"`
	InputsDigest string    `json:"inputsDigest,omitempty"`
	ChartDigest  string    `json:"chartDigest,omitempty"`
	// RollbackTo is the revision whose content a rollback has.
	RollbackTo int       `json:"rollbackTo,omitempty"`
	ResetToken string    `json:"resetToken,omitempty"`
	StartedAt  time.Time `json:"startedAt"`
	// AdoptFields says that fields written by Helm's client are taken over before applying.
	AdoptFields bool `json:"adoptFields,omitempty"`
	// CRDs of the chart.
	CRDs []render.ID `json:"crds,omitempty"`
	// Leftovers are objects of revisions since the last deployed one that this one does not have.
	Leftovers []render.ID `json:"leftovers,omitempty"`
	// Applied: objects are applied and leftovers pruned.
	Applied bool `json:"applied,omitempty"`
	// Owned says of each object of the record which fields were ours right after it was applied, as apply.OwnedDigest.
	Owned []string       `json:"owned,omitempty"`
	Hooks []HookProgress `json:"hooks,omitempty"`
	// Tests is set once the chart's tests began.
	Tests *TestProgress `json:"tests,omitempty"`
	// FinishedAt, Reason and Cause of a failure; a rollback has those of the failure it answers to.
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	Reason     Reason    `json:"reason,omitempty"`
	Cause      string    `json:"cause,omitempty"`
	// Removed: at an uninstall, all objects are gone.
	Removed bool `json:"removed,omitempty"`
	// HooksSkipped: at an uninstall, hooks cannot run.
	HooksSkipped bool `json:"hooksSkipped,omitempty"`
	// HookAttempts counts the failed runs of delete hooks.
	HookAttempts int `json:"hookAttempts,omitempty"`
}

func (p *Progress) hook(index int, event helm.HookEvent) *HookProgress {
	for i := range p.Hooks {
		if p.Hooks[i].Index == index && p.Hooks[i].Event == event {
			return &p.Hooks[i]
		}
	}
	return nil
}

// dropHooks forgets how far the hooks of an event got.
func (p *Progress) dropHooks(event helm.HookEvent) {
	p.Hooks = slices.DeleteFunc(p.Hooks, func(known HookProgress) bool { return known.Event == event })
}

// setHook notes how far a hook got.
func (p *Progress) setHook(progress HookProgress) {
	if known := p.hook(progress.Index, progress.Event); known != nil {
		*known = progress
		return
	}
	p.Hooks = append(p.Hooks, progress)
}

func readProgress(record *helm.Record) (*Progress, error) {
	progress := &Progress{}
	if len(record.State) == 0 {
		return progress, nil
	}
	if err := json.Unmarshal(record.State, progress); err != nil {
		return nil, fmt.Errorf("%w: revision %d of %s: %w", helm.ErrRecordUnreadable, record.Revision, record.Name, err)
	}
	return progress, nil
}

func writeProgress(record *helm.Record, progress *Progress) error {
	data, err := json.Marshal(progress)
	if err != nil {
		return fmt.Errorf("progress of revision %d of %s: %w", record.Revision, record.Name, err)
	}
	record.State = data
	return nil
}

// revisionOf reads what a record's labels say.
func revisionOf(meta helm.Meta) Revision {
	attempt, err := strconv.Atoi(meta.Labels[attemptLabel])
	if err != nil {
		attempt = 1
	}
	revision := Revision{
		Number: meta.Revision, Status: meta.Status, Component: meta.Labels[componentLabel], ModifiedAt: meta.ModifiedAt,
		Ours: meta.Labels[revisionLabel] == strconv.Itoa(meta.Revision),
	}
	if revision.Ours {
		revision.Inputs, revision.RollbackOf, revision.Attempt = meta.Labels[inputsLabel], meta.Labels[rollbackOfLabel], attempt
	}
	return revision
}
