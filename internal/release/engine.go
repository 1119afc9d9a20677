package release

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/apply"
)

// Options of an Engine.
type Options struct {
	// Cluster gives shared discovery and the operator's own client, which must not cache.
	Cluster *apply.Cluster
	// Holder identifies this process in records: unique per process start.
	Holder string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logs returns the last lines of a Job's or Pod's log for a failed hook; nil means none are shown.
	Logs LogReader
	// Fence is asked before each write: an error abandons the call. A process that lost its lease must not write. Optional.
	Fence func(context.Context) error
}

// LogReader reads the end of the log of a hook.
type LogReader interface {
	// Tail returns at most lines lines of the newest pod that belongs to the object, or nothing when there are none.
	Tail(ctx context.Context, object client.Object, lines int) (string, error)
}

// Engine carries out releases. It is safe for concurrent use by different releases; one release must have one call at a
// time in a process. Two processes are kept apart by the records.
type Engine struct {
	options Options
}

// New returns an engine, or an error that names the missing option.
func New(options Options) (*Engine, error) {
	return &Engine{options: options}, nil
}

// Reconcile brings the release nearer to what is wanted, as far as it goes without waiting. An error is transient: call
// again with growing delay. Everything that is not transient is in the Outcome.
func (e *Engine) Reconcile(ctx context.Context, request Request) (Outcome, error) {
	panic("under construction")
}

// Uninstall removes the release as far as it goes without waiting. It needs neither chart nor values.
func (e *Engine) Uninstall(ctx context.Context, request UninstallRequest) (Outcome, error) {
	panic("under construction")
}
