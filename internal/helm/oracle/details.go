package oracle

import (
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/release"
)

// hookTimeout is the command's own default for hooks; without one the SDK does not wait for them at all.
const hookTimeout = 5 * time.Minute

// Hook is what Helm says of a hook of a release.
type Hook struct {
	Name, Kind, Path, Manifest string
	Weight                     int
	Events, DeletePolicies     []string
	// Phase of its last run; empty if it never ran.
	Phase string
}

// Details is everything that Helm keeps of a revision, but its chart's templates and files, of which it keeps the number.
type Details struct {
	Release
	AppVersion, Notes                    string
	Values, Defaults                     map[string]any
	Labels                               map[string]string
	HookDetails                          []Hook
	Templates, Files                     int
	FirstDeployed, LastDeployed, Deleted time.Time
}

// Details is `helm get all` of the latest revision, in parts.
func (h *Helm) Details(name string) (*Details, error) {
	rel, err := action.NewGet(h.configuration).Run(name)
	if err != nil {
		return nil, err
	}
	details := &Details{
		Release: *from(rel), AppVersion: rel.Chart.AppVersion(), Notes: rel.Info.Notes, Values: rel.Config, Defaults: rel.Chart.Values,
		Labels: rel.Labels, Templates: len(rel.Chart.Templates), Files: len(rel.Chart.Files),
		FirstDeployed: rel.Info.FirstDeployed.Time, LastDeployed: rel.Info.LastDeployed.Time, Deleted: rel.Info.Deleted.Time,
	}
	for _, hook := range rel.Hooks {
		details.HookDetails = append(details.HookDetails, hookOf(hook))
	}
	return details, nil
}

func hookOf(hook *release.Hook) Hook {
	converted := Hook{
		Name: hook.Name, Kind: hook.Kind, Path: hook.Path, Manifest: hook.Manifest, Weight: hook.Weight, Phase: string(hook.LastRun.Phase),
	}
	for _, event := range hook.Events {
		converted.Events = append(converted.Events, string(event))
	}
	for _, policy := range hook.DeletePolicies {
		converted.DeletePolicies = append(converted.DeletePolicies, string(policy))
	}
	return converted
}

// Status is `helm status`.
func (h *Helm) Status(name string) (*Release, error) {
	rel, err := action.NewStatus(h.configuration).Run(name)
	return from(rel), err
}

// Test is `helm test`.
func (h *Helm) Test(name string) error {
	test := action.NewReleaseTesting(h.configuration)
	test.Namespace, test.Timeout = h.namespace, hookTimeout
	_, err := test.Run(name)
	return err
}
