package request_test

import (
	"testing"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/request"
)

func TestWorkloadAnnotations_changeWithEveryRotationAndWithNothingElse(t *testing.T) {
	if got := request.WorkloadAnnotations(nil); got != nil {
		t.Errorf("first credentials are marked: %v", got)
	}
	seen := map[string]bool{}
	for _, versions := range [][]v1alpha1.CredentialsVersion{
		{{Binding: "a", Version: 1}}, {{Binding: "a", Version: 2}}, {{Binding: "b", Version: 2}}, {{Binding: "a", Version: 2}, {Binding: "b", Version: 1}},
	} {
		got := request.WorkloadAnnotations(versions)[v1alpha1.CredentialsAnnotation]
		if again := request.WorkloadAnnotations(versions)[v1alpha1.CredentialsAnnotation]; got == "" || got != again || seen[got] {
			t.Errorf("%v: got %q, then %q", versions, got, again)
		}
		seen[got] = true
	}
}
