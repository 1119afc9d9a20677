package plan

import (
	"fmt"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// Problem says why a stack cannot be planned, in one line.
type Problem struct { //nolint:errname // it is data first: reason and message of a condition
	// Reason is what a condition carries.
	Reason v1alpha1.ConditionReason
	// Message names what is wrong and what to do.
	Message string
}

// Error returns the message.
func (p *Problem) Error() string { return p.Message }

func problem(reason v1alpha1.ConditionReason, format string, args ...any) *Problem {
	return &Problem{Reason: reason, Message: fmt.Sprintf(format, args...)}
}
