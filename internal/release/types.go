package release

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/render"
)

// State of a release after a call.
type State string

const (
	// StateDeployed means that the release's objects are applied as wanted. Whether they are healthy is observed elsewhere.
	StateDeployed State = "Deployed"
	// StateProgressing means that something is under way: call again when an object of WaitingFor changes, or at RetryAt.
	StateProgressing State = "Progressing"
	// StateFailed means that the attempt failed. RetryAt says when the next one is due; none means that a person must act.
	StateFailed State = "Failed"
	// StateBlocked means that nothing was done, because something outside of this release must change first.
	StateBlocked State = "Blocked"
	// StateGone means that nothing of the release is left but what was kept on purpose.
	StateGone State = "Gone"
)

// Reason is a stable word for conditions and events.
type Reason string

// Reasons of an Outcome.
const (
	// ReasonDeployed: the wanted inputs are deployed.
	ReasonDeployed Reason = "Deployed"
	// ReasonUninstalled: the release is gone.
	ReasonUninstalled Reason = "Uninstalled"
	// ReasonHookRunning: a hook's Job or Pod has not finished.
	ReasonHookRunning Reason = "HookRunning"
	// ReasonTerminating: an object must disappear before the next step.
	ReasonTerminating Reason = "ObjectTerminating"
	// ReasonCRDNotEstablished: a CustomResourceDefinition is not served yet.
	ReasonCRDNotEstablished Reason = "CRDNotEstablished"
	// ReasonOtherOperation: a person's helm command holds the release; it is waited for.
	ReasonOtherOperation Reason = "OtherOperationInProgress"
	// ReasonForeignRelease: a release of that name exists that is not ours.
	ReasonForeignRelease Reason = "ForeignRelease"
	// ReasonForeignObject: an object exists that belongs to somebody else.
	ReasonForeignObject Reason = "ForeignObject"
	// ReasonCRDUnsafe: an update of a CustomResourceDefinition would harm objects that exist.
	ReasonCRDUnsafe Reason = "CRDUnsafe"
	// ReasonKindMissing: the cluster does not serve a kind the chart renders.
	ReasonKindMissing Reason = "KindMissing"
	// ReasonChartInvalid: the chart cannot be read, or does not fit this cluster.
	ReasonChartInvalid Reason = "ChartInvalid"
	// ReasonValuesInvalid: the chart's schema refuses the values.
	ReasonValuesInvalid Reason = "ValuesInvalid"
	// ReasonRenderFailed: a template or a patch failed.
	ReasonRenderFailed Reason = "RenderFailed"
	// ReasonApplyFailed: the cluster refused an object.
	ReasonApplyFailed Reason = "ApplyFailed"
	// ReasonImmutableField: an object would have to be deleted and made again.
	ReasonImmutableField Reason = "ImmutableField"
	// ReasonHookFailed: a hook failed or exceeded its deadline.
	ReasonHookFailed Reason = "HookFailed"
	// ReasonRolledBack: the upgrade failed and the last good revision was restored.
	ReasonRolledBack Reason = "RolledBack"
	// ReasonUninstalling: objects are being removed.
	ReasonUninstalling Reason = "Uninstalling"
	// ReasonNamespaceTerminating: the namespace is being deleted.
	ReasonNamespaceTerminating Reason = "NamespaceTerminating"
	// ReasonTestsPassed: the chart's tests passed on this revision, or it has none.
	ReasonTestsPassed Reason = "TestsPassed"
	// ReasonTestsFailed: a test failed; the release is deployed all the same.
	ReasonTestsFailed Reason = "TestsFailed"
	// ReasonInterrupted: the attempt was given up because the wanted inputs changed.
	ReasonInterrupted Reason = "Interrupted"
)

// Owner is whom a release belongs to; it ends up in labels.
type Owner struct {
	// Component names the Component, which lives in the release's namespace.
	Component string `json:"component"`
	// Deployment names the DPIDeployment; optional.
	Deployment string `json:"deployment,omitempty"`
}

// Chart is the archive to install.
type Chart struct {
	// Digest of the archive, `sha256:<hex>`. It stands for the content: equal digests are not loaded again.
	Digest string
	// Load returns the archive; it is called only when there is something to render.
	Load func(context.Context) ([]byte, error)
}

// Transform is what happens to rendered objects besides labels and namespaces.
type Transform struct {
	Images  []render.ImageRule `json:"images,omitempty"`
	Patches []render.Patch     `json:"patches,omitempty"`
	// WorkloadAnnotations are set on the pod templates of workloads, so that a change replaces their pods.
	WorkloadAnnotations map[string]string `json:"workloadAnnotations,omitempty"`
	// Projections mount Secrets into workloads.
	Projections []render.Projection `json:"projections,omitempty"`
}

// Request says what is wanted of one release.
type Request struct {
	Namespace, Name string
	Owner           Owner
	Chart           Chart
	// Values are free of secrets: Helm keeps them in the record. Text of package placeholder may stand for them.
	Values    map[string]any
	Transform Transform
	Policy    Policy
	// ResetToken clears counted failures whenever it changes: the caller puts in what may cure a failure without being an
	// input (a reset annotation, the versions of dependencies and bound Secrets).
	ResetToken string
	// Client applies and deletes the release's objects, for example as the tenant's service account; nil means the
	// engine's own. Records are always written by the engine's own.
	Client client.Client
}

// FailurePolicy says what follows a failed upgrade.
type FailurePolicy string

const (
	// Leave leaves a failed upgrade as it is until the next attempt; the default.
	Leave FailurePolicy = "Leave"
	// Rollback restores the last deployed revision at once, as a revision of its own.
	Rollback FailurePolicy = "Rollback"
)

// Adoption says what to do with what exists already and is not ours.
type Adoption string

const (
	// Refuse foreign objects and releases; the default.
	Refuse Adoption = "Refuse"
	// AdoptRelease takes over a release of the same name made by Helm, and its objects.
	AdoptRelease Adoption = "AdoptRelease"
	// TakeOver takes over foreign objects, too.
	TakeOver Adoption = "TakeOver"
)

// CRDPolicy says what to do with the definitions in a chart's crds directory. They are never deleted.
type CRDPolicy string

const (
	// CRDApply creates and updates, and refuses an update that would harm objects that exist; the default.
	CRDApply CRDPolicy = "Apply"
	// CRDForce creates and updates whatever becomes of existing objects.
	CRDForce CRDPolicy = "Force"
	// CRDCreate only creates what is missing, as Helm does.
	CRDCreate CRDPolicy = "Create"
	// CRDSkip leaves them out.
	CRDSkip CRDPolicy = "Skip"
)

// RecreatePolicy says which objects may be deleted and made again when a change touches an immutable field.
type RecreatePolicy string

const (
	// RecreateNone reports the object instead; the default.
	RecreateNone RecreatePolicy = "None"
	// RecreateJobs replaces Jobs.
	RecreateJobs RecreatePolicy = "Jobs"
)

// Policy of a release. The zero value is usable: it never destroys and never takes over.
type Policy struct {
	OnUpgradeFailure FailurePolicy
	Adoption         Adoption
	CRDs             CRDPolicy
	Recreate         RecreatePolicy
	// HookDeadline bounds one hook; 0 means 5 minutes.
	HookDeadline time.Duration
	// ForeignPendingDeadline is how long a person's unfinished helm command is respected; 0 means 10 minutes.
	ForeignPendingDeadline time.Duration
	// MaxAttempts at the same inputs; 0 means 5.
	MaxAttempts int
	// RetryDelay before the second attempt, doubled for each further one up to 16 times; 0 means 15 seconds.
	RetryDelay time.Duration
	// MaxHistory of revisions kept; 0 means 10. The last deployed one is always kept.
	MaxHistory int
}

// UninstallRequest names a release to remove. Nothing else is needed: all is in the records.
type UninstallRequest struct {
	Namespace, Name string
	Owner           Owner
	// Volumes says what happens to persistent volume claims.
	Volumes VolumePolicy
	// HookDeadline bounds one hook; 0 means 5 minutes.
	HookDeadline time.Duration
	// Hooks says whether pre- and post-delete hooks run.
	Hooks HookPolicy
	// Client deletes the release's objects; nil means the engine's own.
	Client client.Client
}

// VolumePolicy says what happens to persistent volume claims at deletion.
type VolumePolicy string

const (
	// KeepVolumes leaves the claims of the release, and those of its StatefulSets, and reports them; the default.
	KeepVolumes VolumePolicy = "Keep"
	// DeleteVolumes deletes them.
	DeleteVolumes VolumePolicy = "Delete"
)

// HookPolicy says whether delete hooks run.
type HookPolicy string

const (
	// RunHooks runs them; the default.
	RunHooks HookPolicy = "Run"
	// SkipHooks leaves them out.
	SkipHooks HookPolicy = "Skip"
)

// Outcome of one call.
type Outcome struct {
	State  State
	Reason Reason
	// Message is one sentence for people, without secrets, the same bytes as long as the situation is the same.
	Message string
	// Revision of the release that the outcome is about, 0 if there is none.
	Revision int
	// ChartName, ChartVersion, ChartDigest and InputsDigest of that revision, where known.
	ChartName, ChartVersion, ChartDigest, InputsDigest string
	// Attempts at the wanted inputs, the one under way included.
	Attempts int
	// RetryAt is when to call again even if nothing is seen to change; zero means no need.
	RetryAt time.Time
	// WaitingFor names the objects that hold things up.
	WaitingFor []render.ID
	// Inventory lists the release's objects and its CRDs, in apply order. Hooks are not part of it.
	Inventory []render.ID
	// Passing lists the objects of the inventory that the cluster removes once they are done: Jobs with a time to live.
	Passing []render.ID
	// Owned says of each object of the inventory which fields were ours right after it was applied, as apply.OwnedDigest;
	// empty where that is not known, as of definitions.
	Owned []string
	// Kept lists what an uninstall left on purpose.
	Kept []render.ID
	// Events worth telling, in order; each is told once, when it happens.
	Events []Event
}

// EventType is Normal or Warning.
type EventType string

// Types of events, as Kubernetes names them.
const (
	EventNormal  EventType = "Normal"
	EventWarning EventType = "Warning"
)

// Event is something worth telling, in the past tense.
type Event struct {
	Type    EventType
	Reason  string
	Message string
}
