package v1alpha1

// ConditionType is the type of a condition in a status of this API.
type ConditionType string

// ConditionReason is a machine-readable cause. Each is documented with its cure in docs/reasons.md.
type ConditionReason string

// Conditions. Ready is the only summary; Reconciling and Stalled are present only while true.
const (
	// ReadyCondition says whether the object does what it was declared for.
	ReadyCondition ConditionType = "Ready"
	// ReconcilingCondition says that the operator is still working on the current generation.
	ReconcilingCondition ConditionType = "Reconciling"
	// StalledCondition says that nothing will happen until a person changes something.
	StalledCondition ConditionType = "Stalled"
	// ComponentsReadyCondition says whether every component of a deployment works.
	ComponentsReadyCondition ConditionType = "ComponentsReady"
	// BindingsReadyCondition says whether every binding of a deployment was proved.
	BindingsReadyCondition ConditionType = "BindingsReady"
	// ReportedCondition says whether the registries know the current state of a deployment.
	ReportedCondition ConditionType = "Reported"
	// ReleasedCondition says whether the wanted chart and values are the deployed release.
	ReleasedCondition ConditionType = "Released"
	// HealthyCondition says whether the live objects of a component work.
	HealthyCondition ConditionType = "Healthy"
	// DriftedCondition says whether somebody else changed what the release applied. It does not touch Ready.
	DriftedCondition ConditionType = "Drifted"
	// ProvisionedCondition says whether the provider holds what the binding asks for.
	ProvisionedCondition ConditionType = "Provisioned"
	// VerifiedCondition says whether a read-back with the consumer's credentials succeeded.
	VerifiedCondition ConditionType = "Verified"
)

// Reasons that any kind may carry.
const (
	// ReasonReady is given when the object does what it was declared for.
	ReasonReady ConditionReason = "Ready"
	// ReasonProgressing is given while the operator works and nothing is wrong.
	ReasonProgressing ConditionReason = "Progressing"
	// ReasonInvalid is given when the specification cannot be carried out as it is.
	ReasonInvalid ConditionReason = "Invalid"
	// ReasonSuspended is given while spec.suspend is set.
	ReasonSuspended ConditionReason = "Suspended"
	// ReasonDeleting is given while the object is being taken down.
	ReasonDeleting ConditionReason = "Deleting"
	// ReasonRetrying is given after a failure that may pass; the operator tries again by itself.
	ReasonRetrying ConditionReason = "Retrying"
)

// Reasons of a Catalog.
const (
	// ReasonSourceNotFound is given when the catalogue's source does not exist.
	ReasonSourceNotFound ConditionReason = "SourceNotFound"
	// ReasonEntryInvalid is given when an entry of the source cannot be accepted.
	ReasonEntryInvalid ConditionReason = "EntryInvalid"
	// ReasonEntryConflict is given when an entry's name is taken by another catalogue or by hand.
	ReasonEntryConflict ConditionReason = "EntryConflict"
)

// Reasons a plan can be refused for; the Stalled condition of a DPIDeployment and `kubectl dpi plan` carry the same ones.
const (
	// ReasonUnknownTemplate is given when no StackTemplate of that name and version exists.
	ReasonUnknownTemplate ConditionReason = "UnknownTemplate"
	// ReasonUnknownGood is given when the catalogue has no such digital public good.
	ReasonUnknownGood ConditionReason = "UnknownGood"
	// ReasonUnknownContract is given when an entry names a contract that the catalogue lacks.
	ReasonUnknownContract ConditionReason = "UnknownContract"
	// ReasonUnknownParameter is given when a parameter is not declared or breaks its schema.
	ReasonUnknownParameter ConditionReason = "UnknownParameter"
	// ReasonUnknownRequirement is given when a binding names a requirement that the good does not have.
	ReasonUnknownRequirement ConditionReason = "UnknownRequirement"
	// ReasonUnknownComponent is given when a component names another that the stack lacks.
	ReasonUnknownComponent ConditionReason = "UnknownComponent"
	// ReasonNoMatchingVersion is given when no version of a good or template satisfies the constraint.
	ReasonNoMatchingVersion ConditionReason = "NoMatchingVersion"
	// ReasonNoProvider is given when no component provides what a requirement asks for.
	ReasonNoProvider ConditionReason = "NoProvider"
	// ReasonUnknownDeployment is given when a requirement is to be filled from a deployment that does not exist.
	ReasonUnknownDeployment ConditionReason = "UnknownDeployment"
	// ReasonNotExported is given when the named component of another namespace is not exported under the contract.
	ReasonNotExported ConditionReason = "NotExported"
	// ReasonNotGranted is given when an export of another namespace does not grant its use.
	ReasonNotGranted ConditionReason = "NotGranted"
	// ReasonAmbiguousProvider is given when several components could satisfy a requirement.
	ReasonAmbiguousProvider ConditionReason = "AmbiguousProvider"
	// ReasonDependencyCycle is given when components wait for each other in a circle.
	ReasonDependencyCycle ConditionReason = "DependencyCycle"
	// ReasonMappingFailed is given when a value mapping or expression of an entry cannot be evaluated.
	ReasonMappingFailed ConditionReason = "MappingFailed"
	// ReasonNameConflict is given when two components would own the same object name.
	ReasonNameConflict ConditionReason = "NameConflict"
	// ReasonCatalogEmpty is given while the catalogue namespace has no entries yet.
	ReasonCatalogEmpty ConditionReason = "CatalogEmpty"
)

// Reasons of a StackRevision and of the deployment that has several.
const (
	// ReasonSuperseded is given on a StackRevision that is no longer in force.
	ReasonSuperseded ConditionReason = "Superseded"
	// ReasonAwaitingApproval is given while a revision waits for a person's approval.
	ReasonAwaitingApproval ConditionReason = "AwaitingApproval"
	// ReasonRevisionNotFound is given when spec.revision names a revision that is not kept.
	ReasonRevisionNotFound ConditionReason = "RevisionNotFound"
)

// Reasons of a Component and, folded, of the DPIDeployment above it.
const (
	// ReasonWaitingForDependency is given while a component that this one depends on is not ready.
	ReasonWaitingForDependency ConditionReason = "WaitingForDependency"
	// ReasonWaitingForBinding is given while a binding that this component needs is not ready.
	ReasonWaitingForBinding ConditionReason = "WaitingForBinding"
	// ReasonWaitingForConsumer is given while a binding that is made last waits for its consumer to work.
	ReasonWaitingForConsumer ConditionReason = "WaitingForConsumer"
	// ReasonWaitingForPerson is given while a person outside of the system has to act.
	ReasonWaitingForPerson ConditionReason = "WaitingForPerson"
	// ReasonWaitingForConsumers is given while a deleted component still has live consumers.
	ReasonWaitingForConsumers ConditionReason = "WaitingForConsumers"
	// ReasonChartNotFound is given when the chart does not exist where the entry says.
	ReasonChartNotFound ConditionReason = "ChartNotFound"
	// ReasonChartUnreachable is given when the chart's repository cannot be reached.
	ReasonChartUnreachable ConditionReason = "ChartUnreachable"
	// ReasonChartInvalid is given when the chart or its digest is not what the entry says.
	ReasonChartInvalid ConditionReason = "ChartInvalid"
	// ReasonRenderFailed is given when chart and values do not render.
	ReasonRenderFailed ConditionReason = "RenderFailed"
	// ReasonReleaseInProgress is given while the release is being made.
	ReasonReleaseInProgress ConditionReason = "ReleaseInProgress"
	// ReasonReleaseFailed is given when the release could not be made and retries are used up.
	ReasonReleaseFailed ConditionReason = "ReleaseFailed"
	// ReasonForeignObject is given when an object exists that belongs to someone else.
	ReasonForeignObject ConditionReason = "ForeignObject"
	// ReasonUnhealthy is given when live objects do not work; the message names the object and the cause.
	ReasonUnhealthy ConditionReason = "Unhealthy"
	// ReasonTestsRunning is given while the chart's tests run on a healthy release.
	ReasonTestsRunning ConditionReason = "TestsRunning"
	// ReasonTestsFailed is given when a test of the chart failed; the message ends with its log.
	ReasonTestsFailed ConditionReason = "TestsFailed"
	// ReasonRolloutInProgress is given while workloads start.
	ReasonRolloutInProgress ConditionReason = "RolloutInProgress"
	// ReasonNoDrift is given while all that the release applied is as it was applied.
	ReasonNoDrift ConditionReason = "NoDrift"
	// ReasonDriftFound is given when somebody else changed or deleted what the release applied.
	ReasonDriftFound ConditionReason = "DriftFound"
	// ReasonDriftCorrected is given when that was undone.
	ReasonDriftCorrected ConditionReason = "DriftCorrected"
	// ReasonDriftContested is given when somebody else keeps changing what is corrected.
	ReasonDriftContested ConditionReason = "DriftContested"
	// ReasonDriftUnknown is given when the cluster refuses to say what would change.
	ReasonDriftUnknown ConditionReason = "DriftUnknown"
	// ReasonComponentNotReady is given on a deployment of which a component does not work yet.
	ReasonComponentNotReady ConditionReason = "ComponentNotReady"
	// ReasonBindingNotReady is given on a deployment of which a binding was not proved yet.
	ReasonBindingNotReady ConditionReason = "BindingNotReady"
)

// Reasons of a Binding.
const (
	// ReasonWaitingForProvider is given while the provider's component is not healthy.
	ReasonWaitingForProvider ConditionReason = "WaitingForProvider"
	// ReasonWaitingForPreparation is given while the provider is not prepared for those who bind.
	ReasonWaitingForPreparation ConditionReason = "WaitingForPreparation"
	// ReasonWaitingForCredentials is given while the provider's admin credential does not exist.
	ReasonWaitingForCredentials ConditionReason = "WaitingForCredentials"
	// ReasonProvisioning is given while the provisioner works.
	ReasonProvisioning ConditionReason = "Provisioning"
	// ReasonProvisioningFailed is given when the provisioner refused; the message has its answer.
	ReasonProvisioningFailed ConditionReason = "ProvisioningFailed"
	// ReasonVerifying is given while the read-back runs.
	ReasonVerifying ConditionReason = "Verifying"
	// ReasonVerificationFailed is given when the read-back with the consumer's credentials failed.
	ReasonVerificationFailed ConditionReason = "VerificationFailed"
	// ReasonRotating is given while credentials are rotated; the old ones work until the consumer has the new ones.
	ReasonRotating ConditionReason = "Rotating"
	// ReasonRotationFailed is given when a step of a rotation failed; what is in force stays so.
	ReasonRotationFailed ConditionReason = "RotationFailed"
	// ReasonGrantWithdrawn is given when the provider's export no longer grants what is in use.
	ReasonGrantWithdrawn ConditionReason = "GrantWithdrawn"
	// ReasonProviderChanged is given while a provider in another namespace is not what the binding was planned with.
	ReasonProviderChanged ConditionReason = "ProviderChanged"
	// ReasonRevoking is given while the consumer's access is being taken away.
	ReasonRevoking ConditionReason = "Revoking"
)

// Reasons of the Reported condition and of a CoordinationRegistry; registry-protocol section 5.4 gives the mapping.
const (
	// ReasonAcknowledged is given when the registry accepted the current snapshot.
	ReasonAcknowledged ConditionReason = "Acknowledged"
	// ReasonPending is given while a snapshot waits to be sent.
	ReasonPending ConditionReason = "Pending"
	// ReasonRegistryNotFound is given when spec.reporting names a registry that does not exist.
	ReasonRegistryNotFound ConditionReason = "RegistryNotFound"
	// ReasonRegistryUnavailable is given while the registry cannot be reached.
	ReasonRegistryUnavailable ConditionReason = "RegistryUnavailable"
	// ReasonRejected is given when the registry refused the snapshot as malformed.
	ReasonRejected ConditionReason = "Rejected"
	// ReasonUnauthenticated is given when the registry refused the credential.
	ReasonUnauthenticated ConditionReason = "Unauthenticated"
	// ReasonOutOfScope is given when this reporter may not speak for the organisation or jurisdiction.
	ReasonOutOfScope ConditionReason = "OutOfScope"
	// ReasonUnknownGoodReported is given when the registry does not know one of the goods.
	ReasonUnknownGoodReported ConditionReason = "RegistryUnknownGood"
	// ReasonResynchronising is given while sequence numbers are being brought in line.
	ReasonResynchronising ConditionReason = "Resynchronising"
	// ReasonThrottled is given while the registry asks to slow down.
	ReasonThrottled ConditionReason = "Throttled"
	// ReasonRedirectRefused is given when the registry answers with a redirect.
	ReasonRedirectRefused ConditionReason = "RedirectRefused"
	// ReasonGone is given when the registry removed this reporter or deployment.
	ReasonGone ConditionReason = "Gone"
)
