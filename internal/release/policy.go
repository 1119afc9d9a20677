package release

import (
	"cmp"
	"time"
)

const (
	defaultHookDeadline           = 5 * time.Minute
	defaultForeignPendingDeadline = 10 * time.Minute
	defaultMaxAttempts            = 5
	defaultRetryDelay             = 15 * time.Second
	defaultMaxHistory             = 10
	maxDoublings                  = 4
)

func (p Policy) hookDeadline() time.Duration { return cmp.Or(p.HookDeadline, defaultHookDeadline) }

func (p Policy) foreignPendingDeadline() time.Duration {
	return cmp.Or(p.ForeignPendingDeadline, defaultForeignPendingDeadline)
}

func (p Policy) maxAttempts() int { return cmp.Or(p.MaxAttempts, defaultMaxAttempts) }

func (p Policy) maxHistory() int { return cmp.Or(p.MaxHistory, defaultMaxHistory) }

// retryDelay returns how long to wait after the failed attempt of that number.
func (p Policy) retryDelay(attempt int) time.Duration {
	return cmp.Or(p.RetryDelay, defaultRetryDelay) << min(max(attempt-1, 0), maxDoublings)
}
