package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DPIDeploymentSpec declares a stack.
// +kubebuilder:validation:XValidation:rule="has(self.template) || (has(self.components) && size(self.components) > 0)",message="name a template, write out components, or both"
// +kubebuilder:validation:XValidation:rule="has(self.template) || !has(self.parameters)",message="parameters belong to a template; without one, write values on the components"
type DPIDeploymentSpec struct {
	// template the stack starts from.
	// +optional
	Template *TemplateReference `json:"template,omitempty"`
	// facts of the country, stated once for every component.
	// +optional
	Facts Facts `json:"facts,omitempty"`
	// parameters of the template, checked against its schema.
	// +optional
	// +kubebuilder:validation:Type=object
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`
	// components add to those of the template, or override them by name.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Components []StackComponent `json:"components,omitempty"`
	// environment the stack serves. It chooses how strict the defaults are.
	// +required
	Environment Environment `json:"environment"`
	// policy of every release, unless a component has its own.
	// +optional
	Policy *ReleasePolicy `json:"policy,omitempty"`
	// approval says who puts a new revision of the stack in force; default Automatic. A revision is approved by the
	// annotation `dpi-operator.io/approve` with its name, which `kubectl dpi approve` sets.
	// +optional
	Approval Approval `json:"approval,omitempty"`
	// revision holds the stack at that revision, whatever else is declared: a rollback of the whole stack. Take it out to
	// go forward again.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Revision int64 `json:"revision,omitempty"`
	// deletionPolicy says what happens to data when the deployment is deleted; default RetainData.
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
	// exports offer components of the stack to other namespaces. They are rules of access and no part of the stack: they hold
	// at once, whatever revision is in force.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Exports []Export `json:"exports,omitempty"`
	// reporting says to which registries the deployment is reported, and as whose.
	// +optional
	Reporting *Reporting `json:"reporting,omitempty"`
	// suspend stops every change; deletion still works.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// Environment is the class of a deployment.
// +kubebuilder:validation:Enum=demo;staging;production
type Environment string

// Environments.
const (
	// EnvironmentDemo is for trying out; nothing in it is of value.
	EnvironmentDemo Environment = "demo"
	// EnvironmentStaging is production without its people.
	EnvironmentStaging Environment = "staging"
	// EnvironmentProduction serves people.
	EnvironmentProduction Environment = "production"
)

// TemplateReference names a StackTemplate in the catalogue namespace.
type TemplateReference struct {
	// name of the template.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// version constraint; default any.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Version string `json:"version,omitempty"`
}

// Facts of the country or institution, typed so that each good can map them once in its entry.
type Facts struct {
	// country is the ISO 3166-1 alpha-2 code.
	// +optional
	// +kubebuilder:validation:Pattern=`^[A-Z]{2}$`
	Country string `json:"country,omitempty"`
	// currency is the ISO 4217 code.
	// +optional
	// +kubebuilder:validation:Pattern=`^[A-Z]{3}$`
	Currency string `json:"currency,omitempty"`
	// timezone is an IANA name, e.g. `Africa/Nairobi`.
	// +optional
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$`
	// +kubebuilder:validation:MaxLength=64
	Timezone string `json:"timezone,omitempty"`
	// locales are BCP 47 tags, the default one first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Locales []Locale `json:"locales,omitempty"`
	// tier of sizing, as the catalogue entries name them; default `small`.
	// +optional
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=32
	Tier string `json:"tier,omitempty"`
}

// Locale is a BCP 47 language tag.
// +kubebuilder:validation:Pattern=`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$`
// +kubebuilder:validation:MaxLength=35
type Locale string

// Reporting is who reports what to whom. Nothing leaves the cluster unless it is given.
type Reporting struct {
	// registries are names of CoordinationRegistries in the operator's namespace.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	Registries []RegistryName `json:"registries"`
	// organisation that runs the deployment.
	// +required
	Organisation Organisation `json:"organisation"`
	// jurisdictions the deployment serves, as `scheme:code`, e.g. `iso3166:KE`.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Jurisdictions []Jurisdiction `json:"jurisdictions"`
	// stage declared by the owner.
	// +required
	Stage Stage `json:"stage"`
	// reach declared by the owner.
	// +optional
	Reach Reach `json:"reach,omitempty"`
	// deploymentID is a UUID chosen by the owner; default one derived from the cluster and the object's name.
	// +optional
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`
	DeploymentID string `json:"deploymentID,omitempty"`
	// versionDisclosure says how exactly versions are reported; default `minor`.
	// +optional
	// +kubebuilder:validation:Enum=exact;minor;none
	VersionDisclosure string `json:"versionDisclosure,omitempty"`
}

// RegistryName names a CoordinationRegistry.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
type RegistryName string

// Jurisdiction is `scheme:code`.
// +kubebuilder:validation:Pattern=`^[a-z0-9]{2,16}:[A-Za-z0-9-]{1,32}$`
// +kubebuilder:validation:MaxLength=49
type Jurisdiction string

// Stage is the stage of a deployment in the words of its owner.
// +kubebuilder:validation:Enum=planned;pilot;rollout;operational;retiring;retired
type Stage string

// Reach is how far a deployment reaches.
// +kubebuilder:validation:Enum=national;subnational;sectoral;institutional;cross-border
type Reach string

// Organisation names who runs a deployment.
type Organisation struct {
	// uri identifies the organisation.
	// +required
	// +kubebuilder:validation:Pattern=`^https://[^\s]+$`
	// +kubebuilder:validation:MaxLength=512
	URI string `json:"uri"`
	// name for people.
	// +optional
	// +kubebuilder:validation:MaxLength=200
	Name string `json:"name,omitempty"`
}

// DPIDeploymentStatus says whether the stack works and, if not, what it waits for.
type DPIDeploymentStatus struct {
	// conditions: Ready, ComponentsReady, BindingsReady, Reported; Reconciling and Stalled while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// observedGeneration is the generation that was dealt with.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// revision is the StackRevision that is in force.
	// +optional
	Revision *RevisionReference `json:"revision,omitempty"`
	// pending is the StackRevision that waits for approval.
	// +optional
	Pending *RevisionReference `json:"pending,omitempty"`
	// progress is `ready/total` components, for people.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Progress string `json:"progress,omitempty"`
	// components in the order they start, one line each.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Components []ComponentSummary `json:"components,omitempty"`
	// firstReadyAt is when the deployment was first Ready.
	// +optional
	FirstReadyAt *metav1.Time `json:"firstReadyAt,omitempty"`
	// rotationRequested is the value of the rotate-at annotation that was handed on last.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	RotationRequested string `json:"rotationRequested,omitempty"`
	// reports is the outbox, one slot per registry.
	// +optional
	// +listType=map
	// +listMapKey=registry
	// +kubebuilder:validation:MaxItems=4
	Reports []ReportStatus `json:"reports,omitempty"`
}

// RevisionReference names a StackRevision.
type RevisionReference struct {
	// name of the StackRevision.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// number of the revision, counting from 1.
	// +required
	Number int64 `json:"number"`
	// digest of what it was made from.
	// +required
	// +kubebuilder:validation:MaxLength=128
	Digest string `json:"digest"`
}

// ComponentSummary is one component in one line.
type ComponentSummary struct {
	// name of the component within the stack.
	// +required
	// +kubebuilder:validation:MaxLength=30
	Name string `json:"name"`
	// good it runs.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Good string `json:"good,omitempty"`
	// version of the good.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`
	// ready is the status of the component's Ready condition.
	// +optional
	Ready metav1.ConditionStatus `json:"ready,omitempty"`
	// reason of the component's Ready condition.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`
	// message of the component's Ready condition.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`
	// since when the Ready condition has its status.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
}

// ReportStatus is the outbox slot for one registry: a newer snapshot replaces the unsent one, so its size never grows.
type ReportStatus struct {
	// registry is the name of the CoordinationRegistry.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Registry string `json:"registry"`
	// deploymentID under which the registry knows the deployment.
	// +optional
	// +kubebuilder:validation:MaxLength=36
	DeploymentID string `json:"deploymentID,omitempty"`
	// sequence allocated to the newest snapshot, written before it is sent.
	// +optional
	Sequence int64 `json:"sequence,omitempty"`
	// digest of the newest snapshot.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Digest string `json:"digest,omitempty"`
	// observedAt is the moment the newest snapshot was allocated; re-deliveries carry the same.
	// +optional
	ObservedAt *metav1.Time `json:"observedAt,omitempty"`
	// acknowledgedSequence is the newest sequence the registry accepted.
	// +optional
	AcknowledgedSequence int64 `json:"acknowledgedSequence,omitempty"`
	// acknowledgedDigest is the digest the registry accepted.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	AcknowledgedDigest string `json:"acknowledgedDigest,omitempty"`
	// lastAttemptTime is when delivery was last tried.
	// +optional
	LastAttemptTime *metav1.Time `json:"lastAttemptTime,omitempty"`
	// nextAttemptTime is when delivery will be tried again.
	// +optional
	NextAttemptTime *metav1.Time `json:"nextAttemptTime,omitempty"`
	// failures since the last success.
	// +optional
	Failures int32 `json:"failures,omitempty"`
	// outcome of the last attempt, as a reason of the Reported condition.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Outcome string `json:"outcome,omitempty"`
}

// DPIDeployment is digital public infrastructure assembled from digital public goods.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=dpi,categories=dpi-all
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Components",type=string,JSONPath=`.status.progress`
// +kubebuilder:printcolumn:name="Revision",type=integer,JSONPath=`.status.revision.number`
// +kubebuilder:printcolumn:name="Environment",type=string,JSONPath=`.spec.environment`,priority=1
// +kubebuilder:printcolumn:name="Reported",type=string,JSONPath=`.status.conditions[?(@.type=="Reported")].status`,priority=1
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 40",message="the name must be a DNS label that starts with a letter and has at most 40 characters: it is part of release names"
type DPIDeployment struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   DPIDeploymentSpec   `json:"spec"`
	Status DPIDeploymentStatus `json:"status,omitempty"`
}

// DPIDeploymentList is a list of DPIDeployments.
// +kubebuilder:object:root=true
type DPIDeploymentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DPIDeployment `json:"items"`
}

// GetConditions returns the conditions for reading and writing.
func (d *DPIDeployment) GetConditions() *[]metav1.Condition { return &d.Status.Conditions }

// GetDeletionPolicy returns the policy in force: RetainData unless another was chosen.
func (d *DPIDeployment) GetDeletionPolicy() DeletionPolicy {
	if d.Spec.DeletionPolicy == "" {
		return RetainData
	}
	return d.Spec.DeletionPolicy
}

// GetTier returns the sizing tier in force: `small` unless another was chosen.
func (f Facts) GetTier() string {
	if f.Tier == "" {
		return "small"
	}
	return f.Tier
}
