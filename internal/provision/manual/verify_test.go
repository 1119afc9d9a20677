package manual_test

import (
	"testing"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/manual"
)

func TestVerify(t *testing.T) {
	for reference, want := range map[string]provision.Phase{"letter 17 of 2026": provision.PhaseDone, " ": provision.PhaseFailed, "": provision.PhaseFailed} {
		report, err := manual.Verify(t.Context(), provision.Task{Credentials: provision.Secrets{"reference": reference}})
		if result := provision.Conclude(provision.Request{Action: provision.ActionVerify}, report, err); result.Phase != want {
			t.Errorf("%q: ended %s, want %s", reference, result.Phase, want)
		}
	}
}
