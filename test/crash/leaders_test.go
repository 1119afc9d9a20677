package crash

import (
	"syscall"
	"testing"
	"time"
)

// TestAStoppedLeaderWakesUp: a leader is stopped in the middle of an operation, another takes over and finishes, with other
// inputs, and the first wakes up as if nothing had happened. It must not write any more.
func TestAStoppedLeaderWakesUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	leader := newOperator(t, w.namespace, "first", "--lease-duration=5s")
	other := newOperator(t, w.namespace, "second", "--lease-duration=5s")
	app, hooked := w.add("app", "app"), w.add("hooked", "hooked")
	leader.start()
	w.install(app, inputs{Message: "first", Parts: []string{"a"}})
	w.install(hooked, inputs{Message: "first", Parts: []string{"a"}})
	w.settle()
	other.start()
	for _, each := range []struct {
		name            string
		armed           *trap
		disturb, outage func()
	}{
		{"among the objects of an upgrade", &trap{left: 3, from: "pending-upgrade"}, func() {
			w.change(app, inputs{Message: "second", Parts: []string{"a", "b", "c"}})
		}, func() { w.change(app, inputs{Message: "third", Parts: []string{"a", "b"}}) }},
		{"at a hook of an upgrade", &trap{left: 4, from: "pending-upgrade"}, func() {
			w.change(hooked, inputs{Message: "second", Parts: []string{"b"}})
		}, nothing},
		{"at a removal that is followed by a new installation", &trap{left: 2, from: "uninstalling"}, func() { w.remove(app) }, func() {
			w.settle()
			w.install(app, inputs{Message: "again", Parts: []string{"a"}})
		}},
	} {
		t.Log(each.name)
		armed := each.armed
		armed.fate = around
		armed.strike = func() { leader.signal(syscall.SIGSTOP) }
		leader.gate.set(armed)
		each.disturb()
		select {
		case <-armed.sprung:
		case <-time.After(patience):
			t.Fatal("the leader does not get as far as to be stopped")
		}
		t.Logf("stopped around %s", armed.struckAt)
		each.outage()
		w.settle()
		written := leader.gate.written()
		leader.signal(syscall.SIGCONT)
		if said := eventually(t.Context(), func() string {
			if !leader.hasExited() {
				return "the leader of before does not end"
			}
			return ""
		}); said != "" {
			t.Fatal(said)
		}
		if more := leader.gate.written() - written; more > 0 {
			t.Errorf("the leader of before wrote %d times after it woke up", more)
		}
		w.check()
		leader.start()
		leader, other = other, leader
	}
}

// TestTheOtherReplicaTakesOver: a leader is killed, and the one that waits finishes what it began.
func TestTheOtherReplicaTakesOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	leader := newOperator(t, w.namespace, "first", "--lease-duration=5s")
	other := newOperator(t, w.namespace, "second", "--lease-duration=5s")
	m := w.add("hooked", "hooked")
	leader.start()
	w.install(m, inputs{Message: "first"})
	w.settle()
	other.start()
	for _, message := range []string{"second", "third"} {
		armed := &trap{left: 3, from: "pending-upgrade", fate: after}
		leader.arm(armed)
		w.change(m, inputs{Message: message})
		t.Logf("killed %s", leader.await(armed, patience))
		w.settle()
		leader.start()
		leader, other = other, leader
	}
}
