package health

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/dpi-operator/dpi-operator/internal/render"
)

const (
	// settleAfterRestart is how long a component with a restarted container must work before it counts.
	settleAfterRestart = 10 * time.Second
	// patience is how long a rollout is left alone before Events are asked for.
	patience = 10 * time.Second
	// recheck is how often to look again at what no watch may tell: objects that are missing or cannot be judged.
	recheck = 30 * time.Second
)

// finding is what was found out about one object of the inventory.
type finding struct {
	id      render.ID
	reason  Reason // empty means that the object works
	message string
	cause   render.ID
	logs    *LogSource
	// since is when what is found began, or when the object was made; zero if unknown.
	since time.Time
}

func (f finding) state() State {
	if f.reason == "" {
		return Current
	}
	return stateOf(f.reason)
}

// Assess says whether a component works. The same input gives the same assessment.
func Assess(in Input) Assessment {
	s := newScene(in)
	out := Assessment{State: Current, Total: len(in.Inventory)}
	findings := make([]finding, 0, len(in.Inventory))
	for _, id := range in.Inventory {
		found := s.look(id)
		findings = append(findings, found)
		out.Objects = append(out.Objects, ObjectState{ID: id, State: found.state(), Reason: found.reason, Message: found.message})
		if found.state() == Current {
			out.Ready++
		}
		if severity(found.state()) > severity(out.State) {
			out.State = found.state()
		}
	}
	if out.State == Current {
		s.settle(&out)
	} else {
		s.name(&out, worst(findings))
	}
	s.schedule(&out)
	return out
}

// worst returns the finding to blame. Where two are alike, StatefulSets come first: what keeps state is what others wait
// for. After that the order of the inventory decides.
func worst(findings []finding) finding {
	return slices.MinFunc(findings, func(a, b finding) int {
		return blameOrder(a) - blameOrder(b)
	})
}

func blameOrder(f finding) int {
	if f.reason == "" {
		return 2 * len(blame)
	}
	order := 2*rank[f.reason] + 1
	if f.id.GVK().GroupKind() == statefulSetKind {
		order--
	}
	return order
}

func (s *scene) name(out *Assessment, blamed finding) {
	out.Blocker = &Blocker{
		Object: blamed.id, Cause: blamed.cause, Reason: blamed.reason, Message: blamed.message, NeedsLogsOf: blamed.logs,
	}
	if out.Blocker.Cause == (render.ID{}) {
		out.Blocker.Cause = blamed.id
	}
	if s.Warnings != nil {
		return
	}
	if blamed.eventsTell() {
		waited := s.Now.Sub(blamed.since)
		if blamed.since.IsZero() || waited >= patience {
			out.NeedsWarnings = true
		} else {
			out.checkWithin(patience - waited)
		}
	}
}

// eventsTell reports whether Events may explain it. What a custom kind waits for, it says itself.
func (f finding) eventsTell() bool {
	if f.reason == ReasonNotReady {
		return f.cause.Kind == podKind.Kind
	}
	return slices.Contains([]Reason{ReasonPVCPending, ReasonRolloutInProgress, ReasonProgressDeadlineExceeded}, f.reason)
}

// settle holds a component back that has not worked for long enough.
func (s *scene) settle(out *Assessment) {
	since, restarted, id := s.stableSince()
	out.StableSince = since
	wait := s.Settle
	if restarted {
		wait = max(wait, settleAfterRestart)
	}
	// Clocks of nodes differ from ours: what lies in the future is now.
	worked := max(s.Now.Sub(since), 0)
	if since.IsZero() || worked >= wait {
		return
	}
	out.State = InProgress
	out.Blocker = &Blocker{
		Object: id, Cause: id, Reason: ReasonSettling,
		Message: describe(id) + " works since a moment ago and must keep working for " + wait.String(),
	}
	out.checkWithin(wait - worked)
}

// stableSince returns since when the pods of the inventory's workloads are ready, whether one of them had to restart a
// container, and the workload whose pod was the last.
func (s *scene) stableSince() (since time.Time, restarted bool, last render.ID) {
	for _, id := range s.Inventory {
		object := s.byID[id.Unversioned()]
		if object == nil {
			continue
		}
		pods := s.podsOf(object)
		if id.GVK().GroupKind() == podKind {
			pods = s.podsNamed(id)
		}
		for _, pod := range pods {
			if pod.DeletionTimestamp != nil || pod.Status.Phase != corev1.PodRunning {
				continue
			}
			if ready := condition(pod, corev1.PodReady); ready != nil && ready.LastTransitionTime.After(since) {
				since, last = ready.LastTransitionTime.Time, id
			}
			restarted = restarted || hasRestarted(pod)
		}
	}
	return since, restarted, last
}

func (s *scene) podsNamed(id render.ID) []*corev1.Pod {
	for _, pod := range s.pods {
		if pod.Name == id.Name && pod.Namespace == id.Namespace {
			return []*corev1.Pod{pod}
		}
	}
	return nil
}

func hasRestarted(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool { return c.RestartCount > 0 })
}

// schedule notes the deadline and when to look again.
func (s *scene) schedule(out *Assessment) {
	if out.State == Current {
		return
	}
	if s.Deadline > 0 && !s.DeadlineStart.IsZero() {
		left := s.DeadlineStart.Add(s.Deadline).Sub(s.Now)
		out.Overdue = left <= 0
		if left > 0 {
			out.checkWithin(left)
		}
	}
	if out.State == Missing || out.State == Unknown {
		out.checkWithin(recheck)
	}
}

func (a *Assessment) checkWithin(wait time.Duration) {
	if a.NextCheckAfter == 0 || wait < a.NextCheckAfter {
		a.NextCheckAfter = wait
	}
}

// describe names an object as people do: the namespace is the component's.
func describe(id render.ID) string { return id.Kind + " " + id.Name }
