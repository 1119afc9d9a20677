package outcome

import (
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
)

// SafetyInterval is how long a pass that waits for a watch sleeps at most.
const SafetyInterval = 5 * time.Minute

// CatchUp is when to look again after a conflict: a cache is some milliseconds behind the operator's own writes, and no
// watch tells of those.
const CatchUp = 50 * time.Millisecond

type kind int

const (
	done kind = iota
	wait
	retry
	terminal
)

// Outcome is how a pass ended. The zero value is Done.
type Outcome struct {
	kind  kind
	after time.Duration
	err   error
}

// Done means that the specification is realised. A positive duration asks for another look after it.
func Done(again time.Duration) Outcome { return Outcome{kind: done, after: again} }

// Wait means that something expected is not there yet. A watch will end the wait; after bounds it, zero means
// SafetyInterval.
func Wait(after time.Duration) Outcome {
	if after <= 0 {
		after = SafetyInterval
	}
	return Outcome{kind: wait, after: after}
}

// Retry means that something failed that may pass; the queue backs off.
func Retry(err error) Outcome { return Outcome{kind: retry, err: err} }

// Terminal means that a person must change something that is watched. The error is for the status, not for the queue.
func Terminal(err error) Outcome { return Outcome{kind: terminal, err: err} }

// IsSettled reports whether the generation was dealt with: realised, or refused until someone changes it.
func (o Outcome) IsSettled() bool { return o.kind == done || o.kind == terminal }

// Err returns what Retry or Terminal carried.
func (o Outcome) Err() error { return o.err }

// Result maps the outcome to what controller-runtime expects.
func (o Outcome) Result() (ctrl.Result, error) {
	switch o.kind {
	case done, wait:
		return ctrl.Result{RequeueAfter: o.after}, nil
	case retry:
		return ctrl.Result{}, o.err
	default:
		return ctrl.Result{}, nil
	}
}
