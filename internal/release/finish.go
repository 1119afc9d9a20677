package release

import (
	"context"
	"fmt"
	"slices"

	"github.com/dpi-operator/dpi-operator/internal/helm"
)

// deploy marks the latest revision deployed. Older ones are superseded by the next step, so that a crash in between leaves
// two deployed revisions rather than none.
func (w *work) deploy(ctx context.Context) error {
	if err := w.cleanHooks(ctx, operations[w.progress.Operation].after); err != nil {
		return err
	}
	w.latest.Status = helm.StatusDeployed
	w.progress.Applied = true
	what := w.latest.ChartName + " " + w.latest.ChartVersion
	told := Event{Type: EventNormal, Reason: "Upgraded", Message: "Upgraded to " + what}
	w.latest.Description = operations[w.progress.Operation].name + " complete"
	switch w.progress.Operation {
	case OperationInstall:
		told.Reason, told.Message = "Installed", "Installed "+what
	case OperationRollback:
		w.latest.Description = fmt.Sprintf("Rollback to %d", w.progress.RollbackTo)
		told = Event{Type: EventWarning, Reason: "RolledBack",
			Message: fmt.Sprintf("Rolled back to revision %d with %s: %s", w.progress.RollbackTo, what, w.progress.Cause)}
	case OperationUpgrade, OperationUninstall:
	}
	if err := w.save(ctx); err != nil {
		return err
	}
	w.events = append(w.events, told)
	return nil
}

// fail marks the latest revision failed.
func (w *work) fail(ctx context.Context, reason Reason, cause string) error {
	w.latest.Status = helm.StatusFailed
	w.latest.Description = fmt.Sprintf("%s failed: %s", operations[w.progress.Operation].name, cause)
	w.progress.FinishedAt, w.progress.Reason, w.progress.Cause = w.now(), reason, cause
	if err := w.save(ctx); err != nil {
		return err
	}
	w.event(EventWarning, operations[w.progress.Operation].name+"Failed", sentence(cause))
	return nil
}

// takeOver writes our name into a revision that another process left, before anything else is done for it.
func (w *work) takeOver(ctx context.Context, d Decision) error {
	w.progress.Holder = w.engine.options.Holder
	if err := w.save(ctx); err != nil {
		return err
	}
	w.event(EventNormal, "Resumed", sentence(d.Why)+"; it is continued")
	return nil
}

// abandon fails a pending revision that will not be finished. Its objects are pruned by the revision that follows.
func (w *work) abandon(ctx context.Context, d Decision) error {
	if revisionOf(w.latest.Meta).Ours {
		if err := w.leaveHooks(ctx); err != nil {
			return err
		}
	}
	w.latest.Status = helm.StatusFailed
	w.latest.Description = sentence(d.Why)
	w.progress.FinishedAt, w.progress.Reason, w.progress.Cause = w.now(), ReasonInterrupted, d.Why
	if err := w.save(ctx); err != nil {
		return err
	}
	w.event(EventNormal, "Interrupted", sentence(d.Why))
	return nil
}

// tidy supersedes what was deployed before and forgets the oldest revisions.
func (w *work) tidy(ctx context.Context, d Decision) error {
	for _, revision := range d.Supersede {
		if slices.Contains(d.Forget, revision) {
			continue
		}
		if err := w.supersede(ctx, revision); err != nil {
			return err
		}
	}
	for _, revision := range d.Forget {
		if err := w.forget(ctx, revision); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) supersede(ctx context.Context, revision int) error {
	record, err := w.get(ctx, revision)
	if err != nil {
		return err
	}
	if record.Status.IsPending() {
		record.Status = helm.StatusFailed
	} else {
		record.Status = helm.StatusSuperseded
	}
	if err := w.engine.options.Fence(ctx); err != nil {
		return err
	}
	if err := w.engine.store.Update(ctx, record); err != nil {
		return err
	}
	for i := range w.metas {
		if w.metas[i].Revision == revision {
			w.metas[i] = record.Meta
		}
	}
	return nil
}

func (w *work) forget(ctx context.Context, revision int) error {
	at := slices.IndexFunc(w.metas, func(m helm.Meta) bool { return m.Revision == revision })
	if at < 0 {
		return nil
	}
	if err := w.engine.options.Fence(ctx); err != nil {
		return err
	}
	if err := w.engine.store.Delete(ctx, w.metas[at]); err != nil {
		return err
	}
	w.metas = slices.Delete(w.metas, at, at+1)
	return nil
}
