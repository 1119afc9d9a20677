package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ReleasePolicy says how a release is handled. Every field has a default, so that none of them must be known to start.
type ReleasePolicy struct {
	// onUpgradeFailure says what follows a failed upgrade; default Rollback, in environment demo Leave. Nothing is ever
	// uninstalled for a failure.
	// +optional
	OnUpgradeFailure UpgradeFailurePolicy `json:"onUpgradeFailure,omitempty"`
	// maxAttempts at the same inputs, with growing delay between them; default 5. Then the component is Stalled until
	// something changes.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=50
	MaxAttempts int32 `json:"maxAttempts,omitempty"`
	// startupDeadline bounds how long the component may take to become healthy; default that of the good's entry, or 10m.
	// +optional
	StartupDeadline *metav1.Duration `json:"startupDeadline,omitempty"`
	// hookDeadline bounds each hook of the chart; default 5m.
	// +optional
	HookDeadline *metav1.Duration `json:"hookDeadline,omitempty"`
	// tests says whether the chart's test hooks are run, and passed, before the component is Ready; default Skip.
	// +optional
	Tests TestPolicy `json:"tests,omitempty"`
	// drift says what happens when someone else changes what the release applied; default Warn.
	// +optional
	Drift *DriftPolicy `json:"drift,omitempty"`
	// crds says what happens to the definitions in the chart's crds directory; default Apply. They are never deleted.
	// +optional
	CRDs CRDPolicy `json:"crds,omitempty"`
	// adoption says what happens to what exists already and is not the release's; default Refuse.
	// +optional
	Adoption AdoptionPolicy `json:"adoption,omitempty"`
	// recreate says which objects may be deleted and made again where a change touches an immutable field; default None.
	// +optional
	Recreate RecreatePolicy `json:"recreate,omitempty"`
	// waive lists components that this one would wait for because its chart uses what theirs brings, and that it shall not
	// wait for. `*` waives all of them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=63
	Waive []string `json:"waive,omitempty"`
}

// UpgradeFailurePolicy says what follows a failed upgrade.
// +kubebuilder:validation:Enum=Leave;Rollback
type UpgradeFailurePolicy string

// What follows a failed upgrade.
const (
	// LeaveFailed leaves a failed upgrade as it is until the next attempt.
	LeaveFailed UpgradeFailurePolicy = "Leave"
	// RollbackFailed restores the last good revision at once.
	RollbackFailed UpgradeFailurePolicy = "Rollback"
)

// TestPolicy says whether a chart's tests are a gate.
// +kubebuilder:validation:Enum=Skip;Run
type TestPolicy string

// Policies for tests.
const (
	// SkipTests leaves them out.
	SkipTests TestPolicy = "Skip"
	// RunTests runs them once per revision.
	RunTests TestPolicy = "Run"
)

// DriftMode says what happens to drift.
// +kubebuilder:validation:Enum=Off;Warn;Correct
type DriftMode string

// Modes for drift.
const (
	// DriftOff does not look.
	DriftOff DriftMode = "Off"
	// DriftWarn says what drifted, in a condition and an event.
	DriftWarn DriftMode = "Warn"
	// DriftCorrect applies it again.
	DriftCorrect DriftMode = "Correct"
)

// GetMode returns the mode in force: Warn unless another was chosen.
func (d *DriftPolicy) GetMode() DriftMode {
	if d == nil || d.Mode == "" {
		return DriftWarn
	}
	return d.Mode
}

// DriftPolicy says what drift is and what happens to it.
type DriftPolicy struct {
	// mode says what happens; default Warn.
	// +optional
	Mode DriftMode `json:"mode,omitempty"`
	// ignore lists what is no drift. Fields that the API server fills in and fields that another manager owns, such as
	// the replicas of an autoscaler or an injected sidecar, are none anyway.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Ignore []DriftIgnore `json:"ignore,omitempty"`
}

// DriftIgnore leaves fields of objects out of the comparison.
type DriftIgnore struct {
	// kind of the objects; empty means every kind.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`
	// name of the object; empty means every name.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
	// paths are JSON pointers (RFC 6901) to fields of the object as the chart renders it, e.g. `/spec/replicas`, each with
	// all below it; none means the whole object.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:Pattern=`^(/[^/]*)+$`
	// +kubebuilder:validation:items:MaxLength=256
	Paths []string `json:"paths,omitempty"`
}

// CRDPolicy says what happens to the definitions in a chart's crds directory.
// +kubebuilder:validation:Enum=Apply;Force;Create;Skip
type CRDPolicy string

// Policies for definitions.
const (
	// CRDApply creates and updates, and refuses an update that would harm objects that exist.
	CRDApply CRDPolicy = "Apply"
	// CRDForce creates and updates whatever becomes of existing objects.
	CRDForce CRDPolicy = "Force"
	// CRDCreate creates what is missing, as Helm does.
	CRDCreate CRDPolicy = "Create"
	// CRDSkip leaves them out.
	CRDSkip CRDPolicy = "Skip"
)

// AdoptionPolicy says what happens to what exists already and is not the release's.
// +kubebuilder:validation:Enum=Refuse;AdoptRelease;TakeOver
type AdoptionPolicy string

// Policies for what exists already.
const (
	// AdoptionRefuse refuses foreign releases and objects.
	AdoptionRefuse AdoptionPolicy = "Refuse"
	// AdoptionRelease takes over a release of the same name made by Helm, with its objects.
	AdoptionRelease AdoptionPolicy = "AdoptRelease"
	// AdoptionTakeOver takes over foreign objects, too.
	AdoptionTakeOver AdoptionPolicy = "TakeOver"
)

// RecreatePolicy says which objects may be deleted and made again.
// +kubebuilder:validation:Enum=None;Jobs
type RecreatePolicy string

// Policies for immutable fields.
const (
	// RecreateNone reports the object instead.
	RecreateNone RecreatePolicy = "None"
	// RecreateJobs replaces Jobs.
	RecreateJobs RecreatePolicy = "Jobs"
)

// ObjectDependency is an object that must be ready before a component starts. One that does not exist is waited for.
type ObjectDependency struct {
	// apiVersion of the object, e.g. `gateway.networking.k8s.io/v1`.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	APIVersion string `json:"apiVersion"`
	// kind of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`
	// name of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// namespace of the object; default that of the component. Objects that have none leave it out.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// ready is a CEL expression over `self` and `status` that is true once the object is ready, e.g.
	// `status.phase == 'Bound'`; default what is generally known of the kind. Of a Secret only the keys can be seen.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Ready string `json:"ready,omitempty"`
}

// Approval says who puts a new revision in force.
// +kubebuilder:validation:Enum=Automatic;Manual
type Approval string

// Approvals.
const (
	// ApprovalAutomatic puts a new revision in force at once.
	ApprovalAutomatic Approval = "Automatic"
	// ApprovalManual waits until a person approves that revision.
	ApprovalManual Approval = "Manual"
)
