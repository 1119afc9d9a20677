package plan

import (
	"sort"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/naming"
	"github.com/dpi-operator/dpi-operator/internal/values"
)

// member is one component of the stack with everything that was resolved for it so far.
type member struct {
	stackComponent
	entry     *v1alpha1.DigitalPublicGood
	version   v1alpha1.GoodVersion
	object    string
	release   string
	endpoints []endpoint
	slots     []slot
	// preparations are in the order of the entry.
	preparations []preparation
	// home and given are set on a member of another deployment: that deployment, and the credentials in force there.
	home  *v1alpha1.DPIDeployment
	given []v1alpha1.ComponentCredential
}

// members is the stack while it is being resolved, sorted by name.
type members struct {
	in         Input
	parameters values.Tree
	list       []*member
	byName     map[string]*member
}

func resolve(in Input, s stack) (*members, error) {
	out := &members{in: in, parameters: s.parameters, byName: map[string]*member{}}
	deployment := in.Deployment.Name
	for _, component := range s.components {
		m := &member{stackComponent: component, object: ObjectName(deployment, component.name)}
		if err := m.choose(in); err != nil {
			return nil, err
		}
		if m.installs() {
			m.release = naming.Join(naming.ReleaseMax, deployment, component.name)
		}
		out.list = append(out.list, m)
		out.byName[m.name] = m
	}
	for _, m := range out.list {
		if err := m.resolveEndpoints(in); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// installs reports whether the member has a release in the cluster.
func (m *member) installs() bool { return m.version.Chart != nil && m.external == nil }

func (m *member) choose(in Input) error {
	if m.good == "" {
		return problem(v1alpha1.ReasonInvalid, "component %s names no good, and no template brings it; add good: <name>", m.name)
	}
	entry, ok := in.Catalog.Goods[m.good]
	if !ok {
		return problem(v1alpha1.ReasonUnknownGood, "component %s: good %q is unknown; the catalogue has %s", m.name, m.good, names(in.Catalog.Goods))
	}
	m.entry = entry
	for requirement := range m.bindings {
		if !hasRequirement(entry, requirement) {
			return problem(v1alpha1.ReasonUnknownRequirement, "component %s: good %s has no requirement %q; it has %s",
				m.name, m.good, requirement, requirementNames(entry))
		}
	}
	version, err := chooseVersion(entry, m.stackComponent.version, currentVersion(in.Current, m))
	if err != nil {
		err.Message = "component " + m.name + ": " + err.Message
		return err
	}
	m.version = version
	return nil
}

// currentVersion is the version in force of the same good, or nothing.
func currentVersion(current *v1alpha1.StackRevisionSpec, m *member) string {
	if current == nil {
		return ""
	}
	for _, component := range current.Components {
		if component.Name == m.name && component.Spec.Good.Name == m.good {
			return component.Spec.Good.Version
		}
	}
	return ""
}

// chooseVersion keeps the version in force while it satisfies the constraint, and otherwise takes the newest one that
// may be moved to. Deprecated versions are taken only where nothing else fits.
func chooseVersion(entry *v1alpha1.DigitalPublicGood, constraint, current string) (v1alpha1.GoodVersion, *Problem) {
	accepts, err := parseConstraint(constraint)
	if err != nil {
		return v1alpha1.GoodVersion{}, problem(v1alpha1.ReasonInvalid, "version %q is not a constraint such as \"8.x\" or \">=2.16 <3\"", constraint)
	}
	var fitting []v1alpha1.GoodVersion
	var unreachable []string
	for _, candidate := range newestFirst(entry.Spec.Versions) {
		version, err := semver.NewVersion(candidate.Version)
		if err != nil || !accepts(version) {
			continue
		}
		if candidate.Version == current {
			return candidate, nil
		}
		if !mayMove(current, candidate) {
			unreachable = append(unreachable, candidate.Version)
			continue
		}
		fitting = append(fitting, candidate)
	}
	for _, candidate := range fitting {
		if candidate.Deprecated == "" {
			return candidate, nil
		}
	}
	if len(fitting) > 0 {
		return fitting[0], nil
	}
	if len(unreachable) > 0 {
		return v1alpha1.GoodVersion{}, problem(v1alpha1.ReasonNoMatchingVersion,
			"good %s cannot move from %s to %s in one step; the catalogue declares no such upgrade", entry.Name, current, strings.Join(unreachable, " or "))
	}
	return v1alpha1.GoodVersion{}, problem(v1alpha1.ReasonNoMatchingVersion,
		"no version of good %s satisfies %q; the catalogue has %s", entry.Name, constraint, versionList(entry))
}

func parseConstraint(constraint string) (func(*semver.Version) bool, error) {
	if constraint == "" {
		return func(*semver.Version) bool { return true }, nil
	}
	parsed, err := semver.NewConstraint(constraint)
	if err != nil {
		return nil, err
	}
	return parsed.Check, nil
}

// mayMove follows the upgrade edges of the entry: without any, an older version of the same major may move.
func mayMove(current string, to v1alpha1.GoodVersion) bool {
	if current == "" {
		return true
	}
	from, err := semver.NewVersion(current)
	if err != nil {
		return false
	}
	if to.UpgradesFrom != "" {
		edges, err := semver.NewConstraint(to.UpgradesFrom)
		return err == nil && edges.Check(from)
	}
	target, err := semver.NewVersion(to.Version)
	return err == nil && from.Major() == target.Major() && from.LessThan(target)
}

func newestFirst(versions []v1alpha1.GoodVersion) []v1alpha1.GoodVersion {
	sorted := append([]v1alpha1.GoodVersion(nil), versions...)
	sort.SliceStable(sorted, func(i, j int) bool {
		a, errA := semver.NewVersion(sorted[i].Version)
		b, errB := semver.NewVersion(sorted[j].Version)
		if errA != nil || errB != nil {
			return errA == nil
		}
		return a.GreaterThan(b)
	})
	return sorted
}

func versionList(entry *v1alpha1.DigitalPublicGood) string {
	var list []string
	for _, version := range newestFirst(entry.Spec.Versions) {
		list = append(list, version.Version)
	}
	return strings.Join(list, ", ")
}

func hasRequirement(entry *v1alpha1.DigitalPublicGood, name string) bool {
	for _, requirement := range entry.Spec.Requires {
		if requirement.Name == name {
			return true
		}
	}
	return false
}

func requirementNames(entry *v1alpha1.DigitalPublicGood) string {
	byName := map[string]bool{}
	for _, requirement := range entry.Spec.Requires {
		byName[requirement.Name] = true
	}
	return names(byName)
}
