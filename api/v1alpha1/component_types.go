package v1alpha1

import (
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DefaultStartupDeadline is how long a component may take to become healthy where nothing else is said.
const DefaultStartupDeadline = 10 * time.Minute

// ComponentSpec is one resolved release with its edges. It is complete in itself: no catalogue is needed to carry it out.
// +kubebuilder:validation:XValidation:rule="has(self.chart) == has(self.releaseName)",message="chart and releaseName go together"
// +kubebuilder:validation:XValidation:rule="!has(self.releaseName) || !has(oldSelf.releaseName) || self.releaseName == oldSelf.releaseName",message="releaseName never changes: a renamed release would be a second installation"
type ComponentSpec struct {
	// good that the component runs.
	// +required
	Good GoodReference `json:"good"`
	// chart to install; none for an external component and for a consumer outside the cluster.
	// +optional
	Chart *ChartReference `json:"chart,omitempty"`
	// releaseName of the Helm release in the Component's namespace. Immutable; without it, what was installed is taken down once nobody
	// uses it.
	// +optional
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=53
	ReleaseName string `json:"releaseName,omitempty"`
	// values for the chart, without secrets: those are referred to by the names of Secrets.
	// +optional
	// +kubebuilder:validation:Type=object
	Values *apiextensionsv1.JSON `json:"values,omitempty"`
	// patches change rendered objects, hooks included.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=48
	Patches []KustomizePatch `json:"patches,omitempty"`
	// projections mount the Secrets of bindings into the workloads' containers.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Projections []ComponentProjection `json:"projections,omitempty"`
	// endpoints the component serves.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Endpoints []Endpoint `json:"endpoints,omitempty"`
	// credentials that exist before the release does.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Credentials []ComponentCredential `json:"credentials,omitempty"`
	// bindings that this component consumes, by the names of the Binding objects in its namespace.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Bindings []ComponentBinding `json:"bindings,omitempty"`
	// dependsOn lists Components in the namespace that must be ready first.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	DependsOn []ObjectName `json:"dependsOn,omitempty"`
	// health rules for kinds whose readiness is not generally known.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Health []HealthRule `json:"health,omitempty"`
	// needs lists objects of any kind that must be ready first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Needs []ObjectDependency `json:"needs,omitempty"`
	// policy says how the release is handled.
	// +optional
	Policy ReleasePolicy `json:"policy,omitzero"`
	// deletionPolicy says what happens to volumes and credentials; default RetainData.
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
	// exports say which Bindings of other namespaces it may provide for.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Exports []ExportTerms `json:"exports,omitempty"`
	// registrations say how provisioner http-upsert works here, one for each contract it serves. Bindings are carried out by what
	// is said here, and by nothing they say themselves.
	// +optional
	// +listType=map
	// +listMapKey=contract
	// +kubebuilder:validation:MaxItems=16
	Registrations []ComponentRegistration `json:"registrations,omitempty"`
	// provisioners names the images of provisioners that do not come with the operator, one for each contract they serve. It is the
	// component's own word, as registrations are.
	// +optional
	// +listType=map
	// +listMapKey=contract
	// +kubebuilder:validation:MaxItems=16
	Provisioners []ComponentProvisioner `json:"provisioners,omitempty"`
	// preparations are what is done at the component, in order, before the bindings that it provides for are made.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Preparations []ComponentPreparation `json:"preparations,omitempty"`
	// suspend stops every change; deletion still works.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// ComponentProvisioner is the image that makes what a contract promises at the component.
type ComponentProvisioner struct {
	// contract that it is for.
	// +required
	Contract ContractName `json:"contract"`
	// image that keeps the provisioner protocol.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image"`
}

// ComponentRegistration is how what a contract promises is registered at the component.
type ComponentRegistration struct {
	// contract that it is for.
	// +required
	Contract ContractName `json:"contract"`
	// http says how.
	// +required
	HTTP HTTPRegistration `json:"http"`
}

// ObjectName is the name of an object in the same namespace.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
type ObjectName string

// GoodReference names a good and its version.
type GoodReference struct {
	// name of the DigitalPublicGood.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// version of the product.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version"`
}

// ComponentCredential is a Secret the component is started with.
type ComponentCredential struct {
	// name of the credential in the good's entry.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// secretName of the Secret in the Component's namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName"`
	// keys to generate. None means that a person leaves the Secret.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Keys []CredentialKey `json:"keys,omitempty"`
}

// ComponentProjection is the Secret of a binding in the file system of containers.
type ComponentProjection struct {
	Projection `json:",inline"`
	// name of the directory below SERVICE_BINDING_ROOT.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// secretName of the Secret in the Component's namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName"`
}

// ComponentBinding is an edge that a component consumes.
type ComponentBinding struct {
	// name of the Binding.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// gate says when this component may start; default Ready.
	// +optional
	Gate Gate `json:"gate,omitempty"`
}

// ComponentStatus says what runs.
type ComponentStatus struct {
	// conditions: Ready, Released, Healthy, Drifted; Reconciling and Stalled while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// observedGeneration is the generation that was dealt with.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// release that is deployed or being deployed.
	// +optional
	Release *ReleaseStatus `json:"release,omitempty"`
	// objects is `ready/total` of the live objects, for people.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Objects string `json:"objects,omitempty"`
	// startedAt is when the current release began to be waited for.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// retryAt is when a failed release will be tried again.
	// +optional
	RetryAt *metav1.Time `json:"retryAt,omitempty"`
	// credentials lists, by binding, the rotated credentials that the deployed release was rolled out with.
	// +optional
	// +listType=map
	// +listMapKey=binding
	// +kubebuilder:validation:MaxItems=16
	Credentials []CredentialsVersion `json:"credentials,omitempty"`
	// inferred is what the render tells of what the component brings and uses.
	// +optional
	Inferred *InferredStatus `json:"inferred,omitempty"`
	// inferredDependencies are components that bring what this one uses, without being declared as dependencies.
	// +optional
	// +listType=map
	// +listMapKey=component
	// +kubebuilder:validation:MaxItems=32
	InferredDependencies []InferredDependency `json:"inferredDependencies,omitempty"`
	// retained lists what was kept at deletion.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Retained []RetainedObject `json:"retained,omitempty"`
}

// MaxInferredDependencies bounds status.inferredDependencies.
const MaxInferredDependencies = 32

// InferredStatus is what a render tells. Things are `Kind/name`, or `Kind/namespace/name` in another namespace; a custom
// kind is `Kind/<Kind>.<group>`.
type InferredStatus struct {
	// generation of the specification that was rendered.
	// +required
	Generation int64 `json:"generation"`
	// incomplete says that it could not be rendered yet.
	// +optional
	Incomplete bool `json:"incomplete,omitempty"`
	// brings lists what other components may use.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=512
	Brings []string `json:"brings,omitempty"`
	// uses lists what the component does not bring itself.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=512
	Uses []string `json:"uses,omitempty"`
}

// InferredDependency is a component that brings what this one uses.
type InferredDependency struct {
	// component that brings it.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Component string `json:"component"`
	// because of this thing, e.g. `StorageClass fast`.
	// +required
	// +kubebuilder:validation:MaxLength=512
	Because string `json:"because"`
	// enforcement says whether it is waited for.
	// +required
	Enforcement Enforcement `json:"enforcement"`
}

// Enforcement says whether an inferred dependency is waited for.
// +kubebuilder:validation:Enum=Enforced;Waived;Cycle
type Enforcement string

// Enforcements.
const (
	// DependencyEnforced is waited for, and holds up the deletion of the component that it leads to.
	DependencyEnforced Enforcement = "Enforced"
	// DependencyWaived is not, as spec.policy.waive says.
	DependencyWaived Enforcement = "Waived"
	// DependencyCyclic is not, because components would wait for each other.
	DependencyCyclic Enforcement = "Cycle"
)

// ReleaseStatus is a Helm release in short.
type ReleaseStatus struct {
	// name of the release.
	// +optional
	// +kubebuilder:validation:MaxLength=53
	Name string `json:"name,omitempty"`
	// revision of the release, as `helm history` shows it.
	// +required
	Revision int64 `json:"revision"`
	// chartVersion of the release.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	ChartVersion string `json:"chartVersion,omitempty"`
	// chartDigest is the digest of the chart archive.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	ChartDigest string `json:"chartDigest,omitempty"`
	// inputsDigest covers chart, values and patches: equal digests need no new release.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	InputsDigest string `json:"inputsDigest,omitempty"`
	// tested says that the chart's tests passed on this revision, where the policy runs them.
	// +optional
	Tested bool `json:"tested,omitempty"`
	// attempts at the current inputs.
	// +optional
	Attempts int32 `json:"attempts,omitempty"`
}

// CredentialsVersion is how often the credentials of a binding were rotated.
type CredentialsVersion struct {
	// binding by the name of its object.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Binding string `json:"binding"`
	// version of the credentials.
	// +required
	// +kubebuilder:validation:Minimum=1
	Version int64 `json:"version"`
}

// RetainedObject is an object kept on purpose.
type RetainedObject struct {
	// kind of the object.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`
	// name of the object.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// Component is one good installed by one Helm release.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=dpic,categories=dpi-all
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Good",type=string,JSONPath=`.spec.good.name`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.good.version`
// +kubebuilder:printcolumn:name="Objects",type=string,JSONPath=`.status.objects`
// +kubebuilder:printcolumn:name="Release",type=integer,JSONPath=`.status.release.revision`,priority=1
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="the name must have at most 63 characters: it is a label value"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.releaseName) || !has(self.status) || !has(self.status.release) || !has(self.status.release.name) || self.status.release.name == self.spec.releaseName",message="an earlier release still stands; keep its name, or wait until it is gone"
type Component struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ComponentSpec   `json:"spec"`
	Status ComponentStatus `json:"status,omitempty"`
}

// ComponentList is a list of Components.
// +kubebuilder:object:root=true
type ComponentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Component `json:"items"`
}

// GetConditions returns the conditions for reading and writing.
func (c *Component) GetConditions() *[]metav1.Condition { return &c.Status.Conditions }

// InstalledRelease names the release that is, or may be, installed for the component; empty where there is none.
func (c *Component) InstalledRelease() string {
	if c.Spec.ReleaseName == "" && c.Status.Release != nil {
		return c.Status.Release.Name
	}
	return c.Spec.ReleaseName
}

// GetStartupDeadline returns the deadline in force.
func (c *Component) GetStartupDeadline() time.Duration {
	if c.Spec.Policy.StartupDeadline == nil {
		return DefaultStartupDeadline
	}
	return c.Spec.Policy.StartupDeadline.Duration
}

// GetDeletionPolicy returns the policy in force: RetainData unless another was chosen.
func (c *Component) GetDeletionPolicy() DeletionPolicy {
	if c.Spec.DeletionPolicy == "" {
		return RetainData
	}
	return c.Spec.DeletionPolicy
}

// GetGate returns the gate in force: Ready unless another was chosen.
func (b ComponentBinding) GetGate() Gate {
	if b.Gate == "" {
		return GateReady
	}
	return b.Gate
}
