package provision

import (
	"context"
	"errors"
	"fmt"
)

// Reasons that any handler may give.
const (
	// ReasonProvisioned is given with done after provision.
	ReasonProvisioned = "Provisioned"
	// ReasonVerified is given with done after verify.
	ReasonVerified = "Verified"
	// ReasonRetired is given with done after retire.
	ReasonRetired = "Retired"
	// ReasonRevoked is given with done after revoke.
	ReasonRevoked = "Revoked"
	// ReasonRetained is given with done after a revoke that ended access and kept data.
	ReasonRetained = "Retained"
	// ReasonInvalidRequest is given when the request breaks the protocol or the contract.
	ReasonInvalidRequest = "InvalidRequest"
	// ReasonProviderUnavailable is given when the provider does not answer or is not ready to.
	ReasonProviderUnavailable = "ProviderUnavailable"
	// ReasonAdminCredentialRejected is given when the provider refuses its own admin credential.
	ReasonAdminCredentialRejected = "AdminCredentialRejected" //nolint:gosec // the name of a reason
	// ReasonCredentialsRejected is given when the provider refuses the consumer's credentials.
	ReasonCredentialsRejected = "CredentialsRejected"
	// ReasonForeignObject is given when something of that name exists and belongs to another binding or to no one we know.
	ReasonForeignObject = "ForeignObject"
	// ReasonCheckFailed is given when a postcondition does not hold; the message names the first.
	ReasonCheckFailed = "CheckFailed"
	// ReasonTimedOut is given when the work did not end in the time given.
	ReasonTimedOut = "TimedOut"
	// ReasonProviderError is given when the provider answered with an error that no other reason covers.
	ReasonProviderError = "ProviderError"
)

// Secrets are the keys of one mounted Secret.
type Secrets map[string]string

// Task is a request with its secrets.
type Task struct {
	Request Request
	// Admin is the provider's admin credential; empty for verify.
	Admin Secrets
	// Credentials is the binding's Secret; revoke has it only while it exists.
	Credentials Secrets
}

// Value returns an output of the binding: from the request where it is known there, else from the binding's Secret.
func (t Task) Value(name string) string {
	if value, ok := t.Request.Outputs[name]; ok {
		return value
	}
	return t.Credentials[name]
}

// Handler does the work of one action. It returns the postconditions it looked at and what was minted; an error of type
// *Problem says how the request ended otherwise, any other error means retry.
type Handler interface {
	Handle(ctx context.Context, task Task) (Report, error)
}

// HandlerFunc is a Handler made of a function.
type HandlerFunc func(ctx context.Context, task Task) (Report, error)

// Handle calls the function.
func (f HandlerFunc) Handle(ctx context.Context, task Task) (Report, error) { return f(ctx, task) }

// Report is what a handler found and made.
type Report struct {
	// Reason of a done result; empty means the action's usual one.
	Reason string
	// Message for people; empty is allowed.
	Message string
	// Outputs minted by the provider.
	Outputs map[string]string
	// Checks in the order they were made.
	Checks []Check
}

// Check records a postcondition: a nil error holds.
func (r *Report) Check(name string, err error) {
	check := Check{Name: name, OK: err == nil}
	if err != nil {
		check.Message = oneLine(err.Error())
	}
	r.Checks = append(r.Checks, check)
}

// Holds reports whether every postcondition looked at so far holds.
func (r *Report) Holds() bool {
	for _, check := range r.Checks {
		if !check.OK {
			return false
		}
	}
	return true
}

// Problem is an error that knows how the request ends.
type Problem struct { //nolint:errname // a way for a request to end, which travels as an error
	// Phase is waiting, retry or failed.
	Phase Phase
	// Reason is a CamelCase constant.
	Reason string
	// Err is what people read; it holds no secret.
	Err error
}

// Error returns the message.
func (p *Problem) Error() string { return p.Err.Error() }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

// Failed returns a problem that the same request will meet again.
func Failed(reason, format string, args ...any) *Problem {
	return &Problem{Phase: PhaseFailed, Reason: reason, Err: fmt.Errorf(format, args...)}
}

// Retry returns a problem that may pass by itself.
func Retry(reason, format string, args ...any) *Problem {
	return &Problem{Phase: PhaseRetry, Reason: reason, Err: fmt.Errorf(format, args...)}
}

// Conclude makes the result of a request from what its handler returned. Done is only said when every check is ok.
func Conclude(request Request, report Report, err error) Result {
	result := Result{APIVersion: APIVersion, ID: request.ID, Outputs: report.Outputs, Checks: report.Checks}
	var problem *Problem
	switch {
	case errors.As(err, &problem):
		result.Phase, result.Reason, result.Message = problem.Phase, problem.Reason, oneLine(err.Error())
		return result
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		result.Phase, result.Reason, result.Message = PhaseRetry, ReasonTimedOut, oneLine(err.Error())
		return result
	case err != nil:
		result.Phase, result.Reason, result.Message = PhaseRetry, ReasonProviderError, oneLine(err.Error())
		return result
	}
	for _, check := range report.Checks {
		if !check.OK {
			result.Phase, result.Reason = PhaseFailed, ReasonCheckFailed
			result.Message = oneLine(check.Name + ": " + check.Message)
			return result
		}
	}
	result.Phase, result.Reason, result.Message = PhaseDone, report.Reason, oneLine(report.Message)
	if result.Reason == "" {
		result.Reason = usualReason(request.Action)
	}
	return result
}

func usualReason(action Action) string {
	switch action {
	case ActionProvision:
		return ReasonProvisioned
	case ActionRetire:
		return ReasonRetired
	case ActionRevoke:
		return ReasonRevoked
	case ActionVerify:
		return ReasonVerified
	}
	return ReasonVerified
}
