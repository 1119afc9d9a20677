package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// StackTemplateSpec is a stack that countries share: what differs between them are facts and parameters.
// +kubebuilder:validation:XValidation:rule="self.components.all(c, !has(c.bindings) || c.bindings.all(b, !has(b.from)))",message="a template serves every country: say from in the bindings of the DPIDeployment"
type StackTemplateSpec struct {
	// version of the template, semantic.
	// +required
	// +kubebuilder:validation:Pattern=`^[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?$`
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version"`
	// displayName for people.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	DisplayName string `json:"displayName"`
	// description in one or two sentences.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Description string `json:"description,omitempty"`
	// parameters is the JSON Schema of the template's own parameters; its type is `object`. Defaults in it apply.
	// +optional
	// +kubebuilder:validation:Type=object
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`
	// components of the stack. A template serves every country, so that none of its bindings says from where: that is for the
	// deployment to say.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Components []StackComponent `json:"components"`
}

// StackComponent is one member of a stack, in a template or in a deployment.
// +kubebuilder:validation:XValidation:rule="!has(self.external) || (!has(self.values) && !has(self.patches))",message="an external component has no release, so it takes no values and no patches"
type StackComponent struct {
	// name of the component within the stack.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=30
	Name string `json:"name"`
	// good is the name of a DigitalPublicGood. May be left out where a template brings the component already.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Good string `json:"good,omitempty"`
	// version constraint, e.g. `8.x` or `>=2.16 <3`; default the newest version that is not deprecated.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Version string `json:"version,omitempty"`
	// values for the chart. They win over those of the catalogue and the template.
	// +optional
	// +kubebuilder:validation:Type=object
	Values *apiextensionsv1.JSON `json:"values,omitempty"`
	// mappings compute values from facts and parameters; values win over them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Mappings []ValueMapping `json:"mappings,omitempty"`
	// bindings name the provider of a requirement, where more than one could fill it or its parameters differ.
	// +optional
	// +listType=map
	// +listMapKey=requirement
	// +kubebuilder:validation:MaxItems=16
	Bindings []StackBinding `json:"bindings,omitempty"`
	// dependsOn lists components that must be ready first, beyond those it is bound to.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	DependsOn []ComponentName `json:"dependsOn,omitempty"`
	// needs lists objects of any kind that must be ready first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Needs []ObjectDependency `json:"needs,omitempty"`
	// patches change rendered objects, hooks included.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Patches []KustomizePatch `json:"patches,omitempty"`
	// policy of the release, where it differs from that of the deployment.
	// +optional
	Policy *ReleasePolicy `json:"policy,omitempty"`
	// external means that the good runs elsewhere: nothing is installed, its addresses and credentials are given.
	// +optional
	External *ExternalComponent `json:"external,omitempty"`
}

// ComponentName is the name of a component within a stack.
// +kubebuilder:validation:MaxLength=30
// +kubebuilder:validation:MinLength=1
type ComponentName string

// StackBinding chooses the provider of one requirement.
// +kubebuilder:validation:XValidation:rule="(has(self.component) ? 1 : 0) + (has(self.components) ? 1 : 0) + (has(self.from) ? 1 : 0) <= 1",message="name the provider once: component for one of this stack, components for several of it, from for one of another deployment"
// +kubebuilder:validation:XValidation:rule="!has(self.via) || (!has(self.from) && !has(self.given))",message="via is for providers of this stack, and makes the consumer's credentials itself: take from and given away"
// +kubebuilder:validation:XValidation:rule="!has(self.rotateAfter) || duration(self.rotateAfter) >= duration('1h')",message="rotateAfter is at least 1h"
// +kubebuilder:validation:XValidation:rule="!has(self.rotationGrace) || duration(self.rotationGrace) >= duration('0s')",message="rotationGrace is not negative"
type StackBinding struct {
	// requirement is the name of the slot in the good's entry.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=30
	Requirement string `json:"requirement"`
	// component of this stack that provides it.
	// +optional
	// +kubebuilder:validation:MaxLength=30
	Component string `json:"component,omitempty"`
	// components of this stack that provide it, for a slot that takes several.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Components []ComponentName `json:"components,omitempty"`
	// from names a component of another deployment that provides it.
	// +optional
	From *ProviderReference `json:"from,omitempty"`
	// via is a component of this stack that stands in between, such as an OpenHIM: the consumer then reaches the provider only
	// through it.
	// +optional
	// +kubebuilder:validation:MaxLength=30
	Via string `json:"via,omitempty"`
	// parameters laid over those of the good's entry.
	// +optional
	// +kubebuilder:validation:Type=object
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`
	// given is a Secret in the deployment's namespace in which somebody hands over the credentials, such as an administrator
	// of a database outside. Nothing is made at the provider; they are proved all the same.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Given string `json:"given,omitempty"`
	// rotateAfter is the age at which credentials are rotated; none means only when asked for.
	// +optional
	RotateAfter *metav1.Duration `json:"rotateAfter,omitempty"`
	// rotationGrace is how long the old credentials go on working for a consumer that is not installed here; default 1h.
	// +optional
	RotationGrace *metav1.Duration `json:"rotationGrace,omitempty"`
}

// ExternalComponent is a good that runs outside of the operator's reach.
type ExternalComponent struct {
	// endpoints by the names of the good's entry.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Endpoints []ExternalEndpoint `json:"endpoints"`
	// credentials by the names of the good's entry: Secrets in the deployment's namespace.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Credentials []ExternalCredential `json:"credentials,omitempty"`
}

// ExternalEndpoint is the address of an external good.
type ExternalEndpoint struct {
	// name of the endpoint in the good's entry.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// url of the endpoint, e.g. `https://id.example.org` or `tcp://db.example.org:5432`.
	// +required
	// +kubebuilder:validation:Pattern=`^(http|https|tcp)://[^\s]+$`
	// +kubebuilder:validation:MaxLength=512
	URL string `json:"url"`
}

// ExternalCredential is a Secret that a person left.
type ExternalCredential struct {
	// name of the credential in the good's entry.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// secretName in the deployment's namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName"`
}

// StackTemplate is a stack that can be reused from country to country.
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=stack,categories=dpi-all
// +kubebuilder:printcolumn:name="Name",type=string,JSONPath=`.spec.displayName`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.version`
// +kubebuilder:printcolumn:name="Components",type=string,JSONPath=`.spec.components[*].name`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type StackTemplate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec StackTemplateSpec `json:"spec"`
}

// StackTemplateList is a list of StackTemplates.
// +kubebuilder:object:root=true
type StackTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []StackTemplate `json:"items"`
}
