package outcome_test

import (
	"errors"
	"testing"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/dpi-operator/dpi-operator/internal/outcome"
)

func TestResult(t *testing.T) {
	broken := errors.New("broken")
	cases := map[string]struct {
		in          outcome.Outcome
		want        ctrl.Result
		wantErr     error
		wantSettled bool
	}{
		"done rests":                {outcome.Done(0), ctrl.Result{}, nil, true},
		"done looks again":          {outcome.Done(time.Hour), ctrl.Result{RequeueAfter: time.Hour}, nil, true},
		"waiting is not an error":   {outcome.Wait(0), ctrl.Result{RequeueAfter: outcome.SafetyInterval}, nil, false},
		"retrying backs off":        {outcome.Retry(broken), ctrl.Result{}, broken, false},
		"terminal waits for people": {outcome.Terminal(broken), ctrl.Result{}, nil, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := tc.in.Result()
			if got != tc.want || !errors.Is(err, tc.wantErr) || tc.in.IsSettled() != tc.wantSettled {
				t.Errorf("got %v, %v, settled %v", got, err, tc.in.IsSettled())
			}
		})
	}
}
