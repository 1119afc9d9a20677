package plan

import (
	"slices"
	"sort"
	"strings"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// Action is what happens to a component.
type Action string

// Actions of a plan.
const (
	// ActionInstall makes a new release.
	ActionInstall Action = "install"
	// ActionUpgrade changes a release.
	ActionUpgrade Action = "upgrade"
	// ActionKeep changes nothing.
	ActionKeep Action = "keep"
	// ActionUse takes a good that runs elsewhere as it is.
	ActionUse Action = "use"
	// ActionWire gives a consumer outside the cluster its credentials.
	ActionWire Action = "wire"
	// ActionRemove takes a release away.
	ActionRemove Action = "remove"
)

// Step is one component's part of the plan, with its reason in words.
type Step struct {
	Component string `json:"component"`
	Action    Action `json:"action"`
	Good      string `json:"good"`
	Version   string `json:"version"`
	// From is the version in force before an upgrade to another one.
	From string `json:"from,omitempty"`
	// After lists the components that must be ready first.
	After []string `json:"after,omitempty"`
	// Reason says why it happens and why here.
	Reason string `json:"reason"`
}

func (ms *members) steps(order []string) []Step {
	out := make([]Step, 0, len(order))
	for _, name := range order {
		m := ms.byName[name]
		out = append(out, Step{
			Component: m.name, Good: m.good, Version: m.version.Version,
			Action: ms.action(m), From: ms.from(m), After: m.after(), Reason: m.reason(),
		})
	}
	return append(out, ms.removals()...)
}

func (ms *members) action(m *member) Action {
	switch {
	case m.external != nil:
		return ActionUse
	case !m.installs():
		return ActionWire
	case currentVersion(ms.in.Current, m) == "":
		return ActionInstall
	case ms.unchanged(m):
		return ActionKeep
	default:
		return ActionUpgrade
	}
}

func (ms *members) unchanged(m *member) bool {
	spec, err := ms.componentSpec(m)
	if err != nil {
		return false
	}
	for _, current := range ms.in.Current.Components {
		if current.Name != m.name {
			continue
		}
		before, errBefore := digest(current.Spec)
		after, errAfter := digest(spec)
		return errBefore == nil && errAfter == nil && before == after
	}
	return false
}

func (ms *members) from(m *member) string {
	if current := currentVersion(ms.in.Current, m); current != m.version.Version {
		return current
	}
	return ""
}

func (m *member) after() []string {
	set := map[string]bool{}
	for name := range m.dependsOn {
		set[name] = true
	}
	for _, s := range m.slots {
		if s.requirement.GetGate() == v1alpha1.GateReady {
			set[s.provider.name] = true
		}
	}
	out := make([]string, 0, len(set))
	for name := range set {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

func (m *member) reason() string {
	var parts []string
	if len(m.slots) > 0 {
		parts = append(parts, "uses "+describeSlots(m.slots))
	}
	if len(m.dependsOn) > 0 {
		parts = append(parts, "depends on "+names(m.dependsOn))
	}
	if len(parts) == 0 {
		return "needs nothing else"
	}
	return strings.Join(parts, "; ")
}

// removals are the components of the revision in force that the stack no longer has, consumers first.
func (ms *members) removals() []Step {
	if ms.in.Current == nil {
		return nil
	}
	var out []Step
	for _, gone := range slices.Backward(ms.in.Current.Components) {
		if ms.byName[gone.Name] != nil {
			continue
		}
		out = append(out, Step{
			Component: gone.Name, Action: ActionRemove, Good: gone.Spec.Good.Name, Version: gone.Spec.Good.Version,
			Reason: "no longer in the stack",
		})
	}
	return out
}
