package health

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dpi-operator/dpi-operator/internal/render"
)

// State of an object or of a component.
type State string

const (
	// Current means that the generation last asked for was observed and works.
	Current State = "Current"
	// InProgress means that it is on its way and reports no error.
	InProgress State = "InProgress"
	// Failed means that something reports an error now. It may heal by itself: what follows from it is the caller's
	// decision, usually once the assessment is overdue.
	Failed State = "Failed"
	// Missing means that an object does not exist although it was released.
	Missing State = "Missing"
	// Unknown means that it could not be told.
	Unknown State = "Unknown"
)

// Reason is a stable word for what stands in the way.
type Reason string

// Reasons of a blocker. Their order is the order in which they are blamed.
const (
	// ReasonUnreadable: the operator may not read an object.
	ReasonUnreadable Reason = "Unreadable"
	// ReasonMissing: an object does not exist.
	ReasonMissing Reason = "Missing"
	// ReasonPodsRefused: the cluster refuses to create pods: a quota, Pod Security, or a webhook.
	ReasonPodsRefused Reason = "PodsRefused"
	// ReasonImagePullBackOff: an image cannot be pulled.
	ReasonImagePullBackOff Reason = "ImagePullBackOff"
	// ReasonConfigError: a container refers to a Secret, ConfigMap or key that does not exist.
	ReasonConfigError Reason = "ConfigError"
	// ReasonMountFailed: a volume cannot be mounted.
	ReasonMountFailed Reason = "MountFailed"
	// ReasonPVCLost: the volume behind a claim is gone.
	ReasonPVCLost Reason = "PVCLost"
	// ReasonPVCPending: a claim that a pod needs has no volume.
	ReasonPVCPending Reason = "PVCPending"
	// ReasonUnschedulable: no node can take a pod.
	ReasonUnschedulable Reason = "Unschedulable"
	// ReasonCannotStart: the runtime cannot start a container's command.
	ReasonCannotStart Reason = "CannotStart"
	// ReasonOOMKilled: a container needs more memory than its limit.
	ReasonOOMKilled Reason = "OOMKilled"
	// ReasonCrashLoopBackOff: a container ends again and again.
	ReasonCrashLoopBackOff Reason = "CrashLoopBackOff"
	// ReasonJobFailed: a Job gave up.
	ReasonJobFailed Reason = "JobFailed"
	// ReasonPodFailed: a pod without a controller failed.
	ReasonPodFailed Reason = "PodFailed"
	// ReasonFailed: an object says of itself, or its health rule says, that it failed.
	ReasonFailed Reason = "Failed"
	// ReasonRuleBroken: a health rule cannot be evaluated.
	ReasonRuleBroken Reason = "RuleBroken"
	// ReasonProgressDeadlineExceeded: a Deployment made no progress in its own time, for no reason its pods tell.
	ReasonProgressDeadlineExceeded Reason = "ProgressDeadlineExceeded"
	// ReasonNotReady: a container runs and its readiness probe does not succeed, or an object is not ready yet.
	ReasonNotReady Reason = "NotReady"
	// ReasonTerminating: an object is being deleted.
	ReasonTerminating Reason = "Terminating"
	// ReasonInitRunning: an init container has not finished.
	ReasonInitRunning Reason = "InitRunning"
	// ReasonJobRunning: a Job has not finished.
	ReasonJobRunning Reason = "JobRunning"
	// ReasonRolloutInProgress: pods are being made or replaced.
	ReasonRolloutInProgress Reason = "RolloutInProgress"
	// ReasonSettling: everything works, and has for less than the settle time.
	ReasonSettling Reason = "Settling"
)

// Input is all an assessment depends on.
type Input struct {
	// Inventory lists the objects that are expected, in the order they were applied.
	Inventory []render.ID
	// Objects are the live objects: those of the inventory that exist, and the ReplicaSets, Jobs, Pods and
	// PersistentVolumeClaims that came of them, in any order. Nothing in them is changed.
	Objects []unstructured.Unstructured
	// Unreadable names expected objects that could not be read, with the reason in words.
	Unreadable map[render.ID]string
	// MayVanish names expected objects that remove themselves once they are done: Jobs with a time to live.
	MayVanish []render.ID
	// Warnings are recent warning Events about the objects and their pods; optional, see Assessment.NeedsWarnings.
	Warnings []Warning
	// Rules judge kinds that are not generally known; optional.
	Rules *Rules
	// Settle is how long everything must have worked before it counts. A component with a container that was restarted
	// must have worked for at least 10 seconds: between two crashes a pod is ready, too.
	Settle time.Duration
	// DeadlineStart and Deadline bound how long it may take to work; a zero Deadline means for ever.
	DeadlineStart time.Time
	Deadline      time.Duration
	// Now is the time of the observation.
	Now time.Time
}

// Warning is what an Event says about an object.
type Warning struct {
	// Kind, Namespace and Name of the object it is about.
	Kind, Namespace, Name string
	// Reason such as FailedMount.
	Reason  string
	Message string
}

// Assessment says whether a component works.
type Assessment struct {
	State State
	// Ready of Total expected objects work.
	Ready, Total int
	// Blocker is the most telling obstacle; nil if and only if the state is Current.
	Blocker *Blocker
	// Objects has one entry for each object of the inventory, in its order.
	Objects []ObjectState
	// StableSince is since when everything works, as the objects themselves tell; zero if they do not tell, or if the
	// state is neither Current nor settling.
	StableSince time.Time
	// Overdue reports that the deadline passed and the state is not Current.
	Overdue bool
	// NeedsWarnings reports that Events would tell more, and none were given.
	NeedsWarnings bool
	// NextCheckAfter is when to assess again even if no object is seen to change; 0 means no need.
	NextCheckAfter time.Duration
}

// ObjectState says whether one object works.
type ObjectState struct {
	ID    render.ID
	State State
	// Reason and Message are empty for objects that work.
	Reason  Reason
	Message string
}

// Blocker is what keeps a component from working.
type Blocker struct {
	// Object of the inventory that does not work.
	Object render.ID
	// Cause is the object at fault, for example a claim or a pod; the same as Object if there is none below it.
	Cause  render.ID
	Reason Reason
	// Message is one sentence that names object and cause, the same bytes as long as the situation is the same.
	Message string
	// NeedsLogsOf names the container whose last lines would tell more; nil if none would. WithLog adds them.
	NeedsLogsOf *LogSource
}

// LogSource names the log of a container.
type LogSource struct {
	Namespace, Pod, Container string
	// Previous asks for the log of the run before this one.
	Previous bool
}

// Rule tells with CEL when a kind works. Expressions see the object as `self` and its status as `status`, and give true
// or false. Failed is asked first, then InProgress, then Current; where none holds the object is in progress.
type Rule struct {
	APIVersion, Kind string
	// Current is required; the others may be empty.
	Current, InProgress, Failed string
}
