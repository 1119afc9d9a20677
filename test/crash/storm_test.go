package crash

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

const rollingBack = "pending-rollback"

// storm is a world whose operator is killed again and again.
type storm struct {
	*world
	chance   *rand.Rand
	operator *operator
	landed   map[string]int
	kills    int
	number   int
}

// TestStorm kills the operator at random moments of installs, upgrades, rollbacks and removals, several at once, and after
// each time of unrest holds the world to what was asked for.
func TestStorm(t *testing.T) {
	s := &storm{world: newWorld(t), chance: chance(t), landed: map[string]int{}}
	for i, chart := range []string{"app", "hooked", "late", "hooked"} {
		s.add(fmt.Sprintf("c%d", i), chart)
	}
	s.operator = newOperator(t, s.namespace, "operator", "--leader-elect=false")
	s.operator.start()
	s.install(s.members[0], s.inputs())
	s.settle()
	began := time.Now()
	for wanted := numberFrom(t, "DPI_CRASH_KILLS", 110); s.kills < wanted; {
		s.round()
	}
	t.Logf("%d kills in %s; they landed on releases that were:\n%s", s.kills, time.Since(began).Round(time.Second), s.summary())
}

// round disturbs the world, kills the operator meanwhile, and looks at what becomes of it.
func (s *storm) round() {
	s.t.Helper()
	armed := s.trap()
	s.operator.arm(armed)
	busy := s.disturb(armed.from)
	told := []string{s.strike(armed, busy)}
	if s.chance.IntN(3) == 0 {
		s.changeDuringOutage()
		told = append(told, "changes during the outage")
	}
	if s.chance.IntN(4) == 0 {
		s.operator.start()
		again := s.trap()
		s.operator.arm(again)
		told = append(told, s.strike(again, busy))
	}
	s.operator.start()
	s.t.Logf("%d kills: %s", s.kills, strings.Join(told, "; "))
	s.settle()
}

// trap chooses the write to strike at: one of all, or one soon after a release began something.
func (s *storm) trap() *trap {
	chosen := &trap{left: 1 + s.chance.IntN(30), fate: []fate{before, after}[s.chance.IntN(2)]}
	if s.chance.IntN(2) == 0 {
		chosen.from = []string{"pending-install", "pending-upgrade", rollingBack, rollingBack, "uninstalling", "superseded"}[s.chance.IntN(6)]
		chosen.left = 1 + s.chance.IntN(8)
	}
	return chosen
}

// strike kills, and notes what the releases were doing that were to change.
func (s *storm) strike(armed *trap, busy []*member) string {
	s.t.Helper()
	patience := time.Duration(s.chance.IntN(1500)) * time.Millisecond
	if armed.from != "" {
		patience += time.Second
	}
	what := s.operator.await(armed, patience)
	s.kills++
	mode, _, _ := strings.Cut(what, " ")
	var states []string
	for _, m := range busy {
		state := s.state(m)
		states = append(states, m.name+" "+state)
		s.landed[fmt.Sprintf("%-17s %s", state, map[string]string{
			"before": "before a write", "after": "after a write, its answer lost", "between": "at some moment",
		}[mode])]++
	}
	return fmt.Sprintf("killed %s: %s", what, strings.Join(states, ", "))
}

// state is the status of a release's latest revision.
func (s *storm) state(m *member) string {
	history := s.history(m)
	if len(history) == 0 {
		return "absent"
	}
	return history[len(history)-1].Status
}

// disturb asks for changes of some components, and returns those. It makes sure that there is something to aim at.
func (s *storm) disturb(aim string) []*member {
	s.t.Helper()
	var busy []*member
	for _, m := range s.members {
		if !m.retries && s.chance.IntN(4) == 0 {
			continue
		}
		busy = append(busy, m)
		switch dice := s.chance.IntN(10); {
		case m.wanted == nil:
			s.install(m, s.inputs())
		case m.chart == "hooked" && (dice < 3 || aim == rollingBack):
			failing := s.inputs()
			failing.Fails = []string{"pre", "post"}[s.chance.IntN(2)]
			s.change(m, failing)
		case dice < 6:
			s.remove(m)
		default:
			s.change(m, s.inputs())
		}
	}
	return busy
}

// changeDuringOutage asks for something else while nobody listens.
func (s *storm) changeDuringOutage() {
	s.t.Helper()
	for _, m := range s.members {
		err := cluster.Get(s.t.Context(), s.key(m.name), &v1alpha1.Component{})
		switch dice := s.chance.IntN(4); {
		case m.wanted == nil && apierrors.IsNotFound(err):
			if dice == 0 {
				s.install(m, s.inputs())
			}
		case m.wanted == nil:
		case dice == 0:
			s.remove(m)
		case dice < 3:
			s.change(m, s.inputs())
		}
	}
}

// inputs are new ones: another message, and some of the parts.
func (s *storm) inputs() inputs {
	s.number++
	parts := []string{}
	for _, part := range []string{"a", "b", "c"} {
		if s.chance.IntN(2) == 0 {
			parts = append(parts, part)
		}
	}
	return inputs{Message: fmt.Sprintf("message %d", s.number), Parts: parts}
}

func (s *storm) summary() string {
	lines := make([]string, 0, len(s.landed))
	for _, where := range slices.SortedFunc(maps.Keys(s.landed), cmp.Compare[string]) {
		lines = append(lines, fmt.Sprintf("%5d  %s", s.landed[where], where))
	}
	return strings.Join(lines, "\n")
}
