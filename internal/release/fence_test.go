package release_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/helm"
	"github.com/dpi-operator/dpi-operator/internal/release"
)

// TestFence_stoppedLeaderIsNotObeyed: a process works on a hook, is stopped, another takes over and finishes, and the
// first wakes up with what it knew.
func TestFence_stoppedLeaderIsNotObeyed(t *testing.T) {
	w := newWorld(t)
	request := w.request("hooks", nil)
	k := &killer{left: -1, made: map[string]int{}}
	asleep, awake := make(chan struct{}), make(chan struct{})
	// The first process falls asleep between noting the hook and making its Job.
	first := must(release.New(release.Options{
		Cluster: must(apply.NewCluster(k.wrap(config)))(t), Holder: "first", Fence: sleepAt(3, asleep, awake),
	}))(t)
	var group sync.WaitGroup
	var woken error
	group.Go(func() { _, woken = first.Reconcile(t.Context(), request) })
	<-asleep

	second := w.newEngine(k.wrap(config), "second")
	outcome := w.until(func() (release.Outcome, error) { return second.Reconcile(t.Context(), request) })
	w.wantState(outcome, release.StateDeployed, 1)
	before := w.versions()
	close(awake)
	group.Wait()
	if !errors.Is(woken, helm.ErrConflict) && !errors.Is(woken, errLeaseLost) {
		t.Errorf("the stopped process went on: %v", woken)
	}
	for what, times := range k.made {
		if times > 1 {
			t.Errorf("hook %s ran %d times", what, times)
		}
	}
	if again := must(second.Reconcile(t.Context(), request))(t); again.State != release.StateDeployed || again.Revision != 1 {
		t.Errorf("got %s at %d", again.State, again.Revision)
	}
	if after := w.versions(); len(before) != len(after) {
		t.Errorf("the world changed from %v to %v", before, after)
	}
}

var errLeaseLost = errors.New("lease lost")

// sleepAt lets so many writes through, sleeps before the next until woken, and knows then that the lease is lost.
func sleepAt(writes int, asleep, awake chan struct{}) func(context.Context) error {
	var once sync.Once
	return func(context.Context) error {
		if writes--; writes >= 0 {
			return nil
		}
		once.Do(func() { close(asleep) })
		<-awake
		return errLeaseLost
	}
}

// TestFence_twoAtOnce lets two processes, each sure to be the leader, work on one release at the same time.
func TestFence_twoAtOnce(t *testing.T) {
	for range 10 {
		w := newWorld(t)
		request := w.request("hooks", nil)
		k := &killer{left: -1, made: map[string]int{}}
		engines := []*release.Engine{w.newEngine(k.wrap(config), "first"), w.newEngine(k.wrap(config), "second")}
		for done := 0; done < 2; {
			var group sync.WaitGroup
			states := make([]release.State, len(engines))
			for i, engine := range engines {
				group.Go(func() {
					outcome, err := engine.Reconcile(t.Context(), request)
					if err != nil && !errors.Is(err, helm.ErrConflict) {
						t.Error(err)
					}
					states[i] = outcome.State
				})
			}
			group.Wait()
			w.finishJobs(batchv1.JobComplete)
			done = 0
			for _, state := range states {
				if state == release.StateDeployed {
					done++
				}
			}
			if t.Failed() {
				return
			}
		}
		var records corev1.SecretList
		w.check(w.client.List(t.Context(), &records, client.InNamespace(w.namespace), client.MatchingLabels{"owner": "helm"}))
		if len(records.Items) != 1 || records.Items[0].Labels["status"] != "deployed" {
			t.Errorf("%d records are left", len(records.Items))
		}
		for what, times := range k.made {
			if times > 1 {
				t.Errorf("hook %s ran %d times", what, times)
			}
		}
	}
}
