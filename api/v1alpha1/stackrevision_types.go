package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// StackRevisionSpec is an expanded stack: every version, chart, address and edge resolved. It never changes, so it is
// the lock, the history and the rollback target; a catalogue change never moves a running stack.
type StackRevisionSpec struct {
	// deployment is the DPIDeployment it was expanded from.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Deployment string `json:"deployment"`
	// number counts the revisions of a deployment from 1.
	// +required
	// +kubebuilder:validation:Minimum=1
	Number int64 `json:"number"`
	// digest of components and bindings: equal digests mean equal stacks.
	// +required
	// +kubebuilder:validation:MaxLength=128
	Digest string `json:"digest"`
	// source is the digest of the parts of the DPIDeployment that decide the stack.
	// +required
	// +kubebuilder:validation:MaxLength=128
	Source string `json:"source"`
	// template and its version, where the stack came from one.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Template string `json:"template,omitempty"`
	// components in the order they start.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Components []RevisionComponent `json:"components"`
	// bindings between them.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=256
	Bindings []RevisionBinding `json:"bindings,omitempty"`
}

// RevisionComponent is a resolved component under its name within the stack.
type RevisionComponent struct {
	// name of the component within the stack.
	// +required
	// +kubebuilder:validation:MaxLength=30
	Name string `json:"name"`
	// object is the name of the Component.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Object string `json:"object"`
	// spec of the Component.
	// +required
	Spec ComponentSpec `json:"spec"`
}

// RevisionBinding is a resolved binding.
type RevisionBinding struct {
	// name of the Binding.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// spec of the Binding.
	// +required
	Spec BindingSpec `json:"spec"`
}

// StackRevisionStatus says whether the revision is in force.
type StackRevisionStatus struct {
	// conditions: Ready says whether the revision is applied.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// StackRevision is an immutable, fully resolved stack.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=revision,categories=dpi-all
// +kubebuilder:printcolumn:name="Deployment",type=string,JSONPath=`.spec.deployment`
// +kubebuilder:printcolumn:name="Number",type=integer,JSONPath=`.spec.number`
// +kubebuilder:printcolumn:name="Template",type=string,JSONPath=`.spec.template`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type StackRevision struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a revision never changes; make a new one by changing the DPIDeployment"
	Spec   StackRevisionSpec   `json:"spec"`
	Status StackRevisionStatus `json:"status,omitempty"`
}

// StackRevisionList is a list of StackRevisions.
// +kubebuilder:object:root=true
type StackRevisionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []StackRevision `json:"items"`
}

// GetConditions returns the conditions for reading and writing.
func (r *StackRevision) GetConditions() *[]metav1.Condition { return &r.Status.Conditions }
