package report

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

const (
	firstDelay   = 5 * time.Second
	longestDelay = 30 * time.Minute
	// rejectedDelay is how long a refused payload rests unless it changes.
	rejectedDelay = 24 * time.Hour
)

// Allocate gives the snapshot with that digest a sequence of its own, unless the newest one has it already, and reports
// whether it did. The slot must be stored before anything is sent: that makes a re-delivery the same event.
func Allocate(slot *v1alpha1.ReportStatus, digest string, now time.Time) bool {
	if slot.Digest == digest && slot.Sequence > 0 {
		return false
	}
	observed := metav1.NewTime(now.UTC().Truncate(time.Second))
	slot.Sequence, slot.Digest, slot.ObservedAt = slot.Sequence+1, digest, &observed
	slot.NextAttemptTime, slot.Failures = nil, 0
	return true
}

// Due reports whether the newest snapshot is to be sent now, and otherwise when; zero means that it was acknowledged.
func Due(slot v1alpha1.ReportStatus, now time.Time) (due bool, in time.Duration) {
	if slot.AcknowledgedSequence >= slot.Sequence {
		return false, 0
	}
	if slot.NextAttemptTime == nil || !now.Before(slot.NextAttemptTime.Time) {
		return true, 0
	}
	return false, slot.NextAttemptTime.Sub(now)
}

// Answer is what came back from a registry.
type Answer struct {
	// Status of HTTP; 0 means that no answer came.
	Status int
	// AcceptedSequence is given with a conflict.
	AcceptedSequence int64
	// RetryAfter is the registry's wish, if it has one.
	RetryAfter time.Duration
	// ProblemType is the type of an RFC 9457 answer.
	ProblemType string
}

// Settle draws the consequences of an answer: what is acknowledged, and when to try again. Jitter in [0,1) spreads
// attempts. The outcome is a reason of the Reported condition.
func Settle(slot *v1alpha1.ReportStatus, answer Answer, now time.Time, jitter float64) {
	attempted := metav1.NewTime(now)
	slot.LastAttemptTime, slot.NextAttemptTime = &attempted, nil
	reason, retry := judge(answer)
	slot.Outcome = string(reason)
	switch retry {
	case retryNever:
		slot.Failures = 0
		slot.AcknowledgedSequence, slot.AcknowledgedDigest = slot.Sequence, slot.Digest
		return
	case retryForward:
		// The registry knows a newer one: a status was restored, or the deployment was made again. Go beyond it.
		slot.Sequence = max(slot.Sequence, answer.AcceptedSequence) + 1
	case retryBackoff, retrySeldom:
	}
	slot.Failures++
	next := metav1.NewTime(now.Add(delay(retry, answer, slot.Failures, jitter)))
	slot.NextAttemptTime = &next
}

type retryClass int

const (
	retryNever retryClass = iota
	retryBackoff
	retryForward
	retrySeldom
)

// judge follows the table of status codes in the protocol.
func judge(answer Answer) (v1alpha1.ConditionReason, retryClass) {
	switch status := answer.Status; {
	case status >= 200 && status < 300:
		return v1alpha1.ReasonAcknowledged, retryNever
	case status >= 300 && status < 400:
		return v1alpha1.ReasonRedirectRefused, retrySeldom
	case status == 401:
		return v1alpha1.ReasonUnauthenticated, retryBackoff
	case status == 403:
		return v1alpha1.ReasonOutOfScope, retrySeldom
	case status == 409:
		return v1alpha1.ReasonResynchronising, retryForward
	case status == 410:
		return v1alpha1.ReasonGone, retrySeldom
	case status == 429:
		return v1alpha1.ReasonThrottled, retryBackoff
	case status == 408, status == 0, status >= 500:
		return v1alpha1.ReasonRegistryUnavailable, retryBackoff
	default:
		return v1alpha1.ReasonRejected, retrySeldom
	}
}

func delay(class retryClass, answer Answer, failures int32, jitter float64) time.Duration {
	if answer.RetryAfter > 0 {
		return min(answer.RetryAfter, longestDelay)
	}
	switch {
	case class == retrySeldom:
		return rejectedDelay
	case class == retryForward && failures <= 1:
		return 0
	}
	ceiling := firstDelay
	for range min(failures-1, 20) {
		if ceiling *= 2; ceiling >= longestDelay {
			ceiling = longestDelay
			break
		}
	}
	return time.Duration(float64(ceiling) * jitter)
}
