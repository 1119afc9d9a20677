package helm

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/release"
	helmtime "helm.sh/helm/v3/pkg/time"
	"k8s.io/apimachinery/pkg/types"
)

// Status of a release record, as Helm names it.
type Status string

// Statuses of a record.
const (
	StatusDeployed        Status = "deployed"
	StatusSuperseded      Status = "superseded"
	StatusFailed          Status = "failed"
	StatusPendingInstall  Status = "pending-install"
	StatusPendingUpgrade  Status = "pending-upgrade"
	StatusPendingRollback Status = "pending-rollback"
	StatusUninstalling    Status = "uninstalling"
	StatusUninstalled     Status = "uninstalled"
	StatusUnknown         Status = "unknown"
)

// IsPending tells whether an install, upgrade or rollback is under way.
func (s Status) IsPending() bool {
	return s == StatusPendingInstall || s == StatusPendingUpgrade || s == StatusPendingRollback
}

// Meta is what is known of a record without reading its content.
type Meta struct {
	Namespace, Name string
	Revision        int
	Status          Status
	// Labels besides Helm's own. `helm upgrade` and `helm rollback` copy them to the next revision.
	Labels map[string]string
	// ModifiedAt is when the record was last written, to the second; zero if unknown.
	ModifiedAt time.Time

	secretName      string
	uid             types.UID
	resourceVersion string
}

// Fingerprint changes with each write of the record.
func (m Meta) Fingerprint() string { return string(m.uid) + "/" + m.resourceVersion }

// Record is one revision of a release. Status, Description, Labels, State and the hooks' runs may change; the rest is fixed
// when it is created.
type Record struct {
	Meta
	Description                          string
	FirstDeployed, LastDeployed, Deleted time.Time
	ChartName, ChartVersion, AppVersion  string
	// Values are the user's.
	Values map[string]any
	// Objects in install order, as they were applied.
	Objects []Object
	Hooks   []Hook
	// State is the operator's own JSON. It is kept inside of the record in a place that Helm's own writes preserve, and it
	// is copied to the next revision by `helm rollback`.
	State []byte
	// Incomplete tells that the record was not written to its end, so that Objects are not known. Nothing was applied.
	Incomplete bool

	release *release.Release
	// parts hold the manifest where it is too large for the record itself.
	parts [][]byte
}

// stateFile is the chart file that holds Record.State: Helm keeps files as they are and drops everything it does not know.
const stateFile = "dpi-operator.json"

// NewRecord makes the record of a rendered chart. Objects and hooks are taken as they are now, after all transforms.
func NewRecord(meta Meta, rendered *Rendered, now time.Time) (*Record, error) {
	manifest, err := marshalManifest(rendered.Objects)
	if err != nil {
		return nil, err
	}
	rel := &release.Release{
		Name: meta.Name, Namespace: meta.Namespace, Version: meta.Revision, Manifest: manifest, Config: rendered.user,
		Info: &release.Info{FirstDeployed: helmtime.Time{Time: now}, LastDeployed: helmtime.Time{Time: now}},
		// Templates, files, the schema and subcharts stay in the archive: no command of Helm needs them on a release.
		Chart: &chart.Chart{Metadata: rendered.chart.Metadata, Values: rendered.chart.Values},
	}
	for _, hook := range rendered.Hooks {
		converted, err := hookTo(hook)
		if err != nil {
			return nil, err
		}
		rel.Hooks = append(rel.Hooks, converted)
	}
	record, err := recordFrom(rel, meta)
	if err != nil {
		return nil, err
	}
	record.Status = meta.Status
	return record, nil
}

// Successor makes the record of a further revision with the content of this one, for a rollback to it.
func (r *Record) Successor(meta Meta, now time.Time) (*Record, error) {
	manifest := r.release.Manifest
	if len(r.parts) > 0 {
		var err error
		if manifest, err = marshalManifest(r.Objects); err != nil {
			return nil, err
		}
	}
	rel := &release.Release{
		Name: r.Name, Namespace: r.Namespace, Version: meta.Revision, Manifest: manifest, Config: r.release.Config,
		Info:  &release.Info{FirstDeployed: r.release.Info.FirstDeployed, LastDeployed: helmtime.Time{Time: now}},
		Chart: &chart.Chart{Metadata: r.release.Chart.Metadata, Values: r.release.Chart.Values},
	}
	for _, hook := range r.release.Hooks {
		fresh := *hook
		fresh.LastRun = release.HookExecution{}
		rel.Hooks = append(rel.Hooks, &fresh)
	}
	next, err := recordFrom(rel, meta)
	if err != nil {
		return nil, err
	}
	next.Status = meta.Status
	return next, nil
}

// HookRun is the last run of a hook, for `helm status`.
type HookRun struct {
	StartedAt, CompletedAt time.Time
	Succeeded, Failed      bool
}

// SetHookRun notes the last run of the hook with that index. The notes are for people: what was run is in State.
func (r *Record) SetHookRun(index int, run HookRun) {
	phase := release.HookPhaseRunning
	switch {
	case run.Succeeded:
		phase = release.HookPhaseSucceeded
	case run.Failed:
		phase = release.HookPhaseFailed
	}
	r.release.Hooks[index].LastRun = release.HookExecution{
		StartedAt: helmtime.Time{Time: run.StartedAt}, CompletedAt: helmtime.Time{Time: run.CompletedAt}, Phase: phase,
	}
}

// SetFirstDeployed carries the date of the first revision over to this one.
func (r *Record) SetFirstDeployed(at time.Time) {
	r.FirstDeployed = at
	r.release.Info.FirstDeployed = helmtime.Time{Time: at}
}

func marshalManifest(objects []Object) (string, error) {
	var b strings.Builder
	for _, object := range objects {
		text, err := marshalObject(object.Object)
		if err != nil {
			return "", err
		}
		if strings.HasSuffix(text, "\n\n") {
			// Empty lines before a separator are lost to whoever reads the manifest.
			text += "# The lines above are part of the text.\n"
		}
		fmt.Fprintf(&b, "---\n%s%s\n%s", sourcePrefix, object.Path, text)
	}
	return b.String(), nil
}

func hookTo(hook Hook) (*release.Hook, error) {
	text, err := marshalObject(hook.Object)
	if err != nil {
		return nil, err
	}
	converted := &release.Hook{
		Name: hook.Object.GetName(), Kind: hook.Object.GetKind(), Path: hook.Path, Manifest: text, Weight: hook.Weight,
	}
	for _, event := range hook.Events {
		converted.Events = append(converted.Events, release.HookEvent(event))
	}
	for _, policy := range hook.DeletePolicies {
		converted.DeletePolicies = append(converted.DeletePolicies, release.HookDeletePolicy(policy))
	}
	return converted, nil
}

// recordFrom reads a release into our form.
func recordFrom(rel *release.Release, meta Meta) (*Record, error) {
	if rel.Info == nil {
		rel.Info = &release.Info{}
	}
	if rel.Chart == nil {
		rel.Chart = &chart.Chart{}
	}
	if rel.Chart.Metadata == nil {
		rel.Chart.Metadata = &chart.Metadata{}
	}
	objects, err := parseManifest("", rel.Manifest)
	if err != nil {
		return nil, err
	}
	record := &Record{
		Meta: meta, Description: rel.Info.Description, FirstDeployed: rel.Info.FirstDeployed.Time,
		LastDeployed: rel.Info.LastDeployed.Time, Deleted: rel.Info.Deleted.Time,
		ChartName: rel.Chart.Metadata.Name, ChartVersion: rel.Chart.Metadata.Version, AppVersion: rel.Chart.Metadata.AppVersion,
		Values: rel.Config, Objects: objects, release: rel,
	}
	for _, h := range rel.Hooks {
		hook, err := hookFrom(h)
		if err != nil {
			return nil, err
		}
		record.Hooks = append(record.Hooks, hook)
	}
	for _, file := range rel.Chart.Files {
		if file.Name == stateFile {
			record.State = file.Data
		}
	}
	return record, nil
}

// toRelease writes what may have changed back into Helm's form.
func (r *Record) toRelease() *release.Release {
	rel := r.release
	rel.Info.Status = release.Status(r.Status)
	rel.Info.Description = r.Description
	rel.Info.Deleted = helmtime.Time{Time: r.Deleted}
	rel.Info.Notes = ""
	rel.Labels = maps.Clone(r.Labels)
	files := []*chart.File{}
	for _, file := range rel.Chart.Files {
		if file.Name != stateFile {
			files = append(files, file)
		}
	}
	if len(r.State) > 0 {
		files = append(files, &chart.File{Name: stateFile, Data: r.State})
	}
	rel.Chart.Files = files
	return rel
}
