package v1alpha1

import (
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// DefaultVerificationInterval is the time between repeated proofs where nothing else is said.
	DefaultVerificationInterval = 10 * time.Minute
	// DefaultRotationGrace is how long people have to fetch rotated credentials where nothing else is said.
	DefaultRotationGrace = time.Hour
)

// BindingSpec is one edge between a provider and a consumer, resolved and complete in itself.
// +kubebuilder:validation:XValidation:rule="self.contract == oldSelf.contract && self.secretName == oldSelf.secretName",message="contract and secretName never change; make a new binding"
// +kubebuilder:validation:XValidation:rule="has(self.provider.__namespace__) == has(oldSelf.provider.__namespace__) && (!has(self.provider.__namespace__) || self.provider.__namespace__ == oldSelf.provider.__namespace__)",message="the provider's namespace never changes; make a new binding"
// +kubebuilder:validation:XValidation:rule="!has(self.rotateAfter) || duration(self.rotateAfter) >= duration('1h')",message="rotateAfter is at least 1h"
// +kubebuilder:validation:XValidation:rule="!has(self.rotationGrace) || duration(self.rotationGrace) >= duration('0s')",message="rotationGrace is not negative"
// +kubebuilder:validation:XValidation:rule="has(self.consumer) != has(self.preparation)",message="a binding has either a consumer, or prepares its provider"
// +kubebuilder:validation:XValidation:rule="has(self.preparation) == (self.contract == 'preparation-v1')",message="contract preparation-v1 is that of preparations, and of nothing else"
// +kubebuilder:validation:XValidation:rule="!has(self.preparation) || (has(self.provider.provisioner) && !has(self.provider.__namespace__) && !has(self.provider.person) && !has(self.given) && !has(self.via))",message="a preparation is made by a provisioner, at a provider in its own namespace"
type BindingSpec struct {
	// contract that both sides keep.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Contract string `json:"contract"`
	// type is the `type` entry of the Secret, as servicebinding.io has it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Type string `json:"type"`
	// provider side of the edge.
	// +required
	Provider BindingProvider `json:"provider"`
	// consumer side of the edge; none where the binding prepares its provider.
	// +optional
	Consumer BindingConsumer `json:"consumer,omitzero"`
	// preparation is the step of the provider's preparation that is carried out, where nobody consumes.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=30
	Preparation string `json:"preparation,omitempty"`
	// publishes is the contract under which the provider, a mediator, leads others to the consumer. Requests go from the provider to the
	// consumer then.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Publishes string `json:"publishes,omitempty"`
	// via says that the provider is a mediator, and who is behind it.
	// +optional
	Via *BindingVia `json:"via,omitempty"`
	// parameters the consumer asks for.
	// +optional
	// +kubebuilder:validation:Type=object
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`
	// gate says when the consumer may start, and with it when the edge can be made; default Ready.
	// +optional
	Gate Gate `json:"gate,omitempty"`
	// outputs the consumer receives.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Outputs []BindingOutput `json:"outputs"`
	// secretName receives the outputs, in the consumer's namespace. Immutable.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName"`
	// secrets in the forms that the consumer insists on, filled from the one above and kept in step with it.
	// +optional
	// +listType=map
	// +listMapKey=secretName
	// +kubebuilder:validation:MaxItems=8
	Secrets []BindingForm `json:"secrets,omitempty"`
	// given is the Secret in which somebody hands over the credentials. Nothing is made at the provider then.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Given string `json:"given,omitempty"`
	// verification proves the edge.
	// +required
	Verification BindingVerification `json:"verification"`
	// rotateAfter is the age at which credentials are rotated; none means only when asked for.
	// +optional
	RotateAfter *metav1.Duration `json:"rotateAfter,omitempty"`
	// rotationGrace is how long the old credentials go on working for a consumer that is not installed here, because people
	// fetch the new ones; default 1h.
	// +optional
	RotationGrace *metav1.Duration `json:"rotationGrace,omitempty"`
	// deletionPolicy says what happens to the provider's data; access is always revoked. Default RetainData.
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
	// suspend stops every change; deletion still works.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// BindingProvider is who provides.
type BindingProvider struct {
	// namespace of the provider; default the Binding's. Another one needs an export of the provider that grants it. Immutable.
	// +optional
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// component is the name of the Component there.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Component string `json:"component"`
	// endpoint that serves the contract.
	// +optional
	Endpoint *Endpoint `json:"endpoint,omitempty"`
	// provisioner that makes what the consumer asks for; empty means there is nothing to make.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Provisioner string `json:"provisioner,omitempty"`
	// adminSecretName is the Secret the provisioner works with, in the provider's namespace.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	AdminSecretName string `json:"adminSecretName,omitempty"`
	// scope is where at the provider the consumer is registered, e.g. `realm=citizens`, as the contract says.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Scope string `json:"scope,omitempty"`
	// person makes what the consumer asks for, instead of a provisioner.
	// +optional
	Person *PersonStep `json:"person,omitempty"`
	// registers says as what the provider registers the consumer, where that is another contract than the binding's.
	// +optional
	Registers *BindingRegistration `json:"registers,omitempty"`
}

// BindingConsumer is who consumes.
type BindingConsumer struct {
	// component is the name of the Component in the Binding's namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Component string `json:"component"`
	// requirement is the slot of the consumer's good, or `via-<mediator>` for what a mediator publishes.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Requirement string `json:"requirement"`
}

// BindingOutput is one value the consumer receives. A value is given for facts; without one it is generated or minted.
// +kubebuilder:validation:XValidation:rule="(!has(self.keyPair) && !has(self.publicOf)) || (self.origin == 'Generated' && has(self.keyPair) != has(self.publicOf) && has(self.format) && self.format in ['jwk', 'pem', 'csr'])",message="a key is Generated, is either half of a pair, and has format jwk, pem or csr"
// +kubebuilder:validation:XValidation:rule="has(self.request) == (has(self.format) && self.format == 'csr')",message="format csr needs request, and no other one has it"
// +kubebuilder:validation:XValidation:rule="!has(self.alternate) || self.origin == 'Derived'",message="alternate is for origin Derived"
// +kubebuilder:validation:XValidation:rule="has(self.value) == (self.origin == 'Provider' || self.origin == 'Derived')",message="value is for origins Provider and Derived, and required there"
type BindingOutput struct {
	// name is the key in the Secret.
	// +required
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name"`
	// origin says who makes the value.
	// +required
	Origin OutputOrigin `json:"origin"`
	// value of an output that is not secret.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Value *string `json:"value,omitempty"`
	// keyPair makes the value the private half of a key pair, which stays in this namespace.
	// +optional
	KeyPair *KeyPair `json:"keyPair,omitempty"`
	// publicOf names the output with the private half, of which this is the public one.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	PublicOf string `json:"publicOf,omitempty"`
	// format of a key.
	// +optional
	Format OutputFormat `json:"format,omitempty"`
	// request is what is asked for, for format csr.
	// +optional
	Request *CertificateRequest `json:"request,omitempty"`
	// certificateOf names the output with the private key that the certificate is for.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	CertificateOf string `json:"certificateOf,omitempty"`
	// provisional is what the consumer may start with until a Minted value is there.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Provisional *string `json:"provisional,omitempty"`
	// alternate is the value that a rotation puts in force when the other one is.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Alternate *string `json:"alternate,omitempty"`
}

// IsPrivateKey reports whether the value is one that no other namespace and no provisioner gets.
func (o BindingOutput) IsPrivateKey() bool { return o.KeyPair != nil }

// BindingForm is the binding's Secret in another form.
type BindingForm struct {
	// secretName in the consumer's namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName"`
	// keys of the Secret.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Keys []SecretKey `json:"keys"`
}

// BindingVerification is how an edge is proved.
// +kubebuilder:validation:XValidation:rule="!has(self.interval) || duration(self.interval) >= duration('1m')",message="interval is at least 1m: each proof is a Job"
type BindingVerification struct {
	// method of the read-back.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Method string `json:"method"`
	// image that carries it out; default the operator's own.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`
	// interval between repeated proofs; at least 1m, default 10m. They come up to a tenth sooner, each binding's at its own pace.
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`
}

// Binding is one edge, provisioned and proved by read-back.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=dpib,categories=dpi-all
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Contract",type=string,JSONPath=`.spec.contract`
// +kubebuilder:printcolumn:name="Consumer",type=string,JSONPath=`.spec.consumer.component`
// +kubebuilder:printcolumn:name="Provider",type=string,JSONPath=`.status.provider`
// +kubebuilder:printcolumn:name="Prepares",type=string,JSONPath=`.spec.preparation`,priority=1
// +kubebuilder:printcolumn:name="Verified",type=date,JSONPath=`.status.verifiedAt`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="the name must have at most 63 characters: it is a label value"
type Binding struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   BindingSpec   `json:"spec"`
	Status BindingStatus `json:"status,omitempty"`
}

// BindingList is a list of Bindings.
// +kubebuilder:object:root=true
type BindingList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Binding `json:"items"`
}

// GetConditions returns the conditions for reading and writing.
func (b *Binding) GetConditions() *[]metav1.Condition { return &b.Status.Conditions }

// IsAt reports whether both are the same place: a consumer that goes from one to the other is registered anew, or is no longer registered
// because its credentials are handed over. A scope that is not stated may be any: a contract can come to name its scope later.
func (p BindingProvider) IsAt(other BindingProvider) bool {
	isScope := p.Scope == other.Scope || p.Scope == "" || other.Scope == ""
	return isScope && p.SharesAddress(other) && (p.Provisioner == "") == (other.Provisioner == "")
}

// SharesAddress reports whether both are the same server, whatever component stands for it.
func (p BindingProvider) SharesAddress(other BindingProvider) bool {
	if p.Endpoint == nil || other.Endpoint == nil {
		return p.Endpoint == other.Endpoint && p.Component == other.Component
	}
	return p.Endpoint.Host == other.Endpoint.Host && p.Endpoint.Port == other.Endpoint.Port
}

// GetRegistration returns under which contract the provider registers the consumer, and with which parameters.
func (s BindingSpec) GetRegistration() BindingRegistration {
	if s.Provider.Registers != nil {
		return *s.Provider.Registers
	}
	return BindingRegistration{Contract: ContractName(s.Contract), Parameters: s.Parameters}
}

// GetInterval returns the time between proofs in force.
func (v BindingVerification) GetInterval() time.Duration {
	if v.Interval == nil {
		return DefaultVerificationInterval
	}
	return v.Interval.Duration
}

// GetRotationGrace returns the grace in force.
func (s BindingSpec) GetRotationGrace() time.Duration {
	if s.RotationGrace == nil {
		return DefaultRotationGrace
	}
	return s.RotationGrace.Duration
}

// IsMade reports whether anything is made for the consumer, by whomever.
func (s BindingSpec) IsMade() bool { return s.Provider.Provisioner != "" || s.IsGiven() }

// IsGiven reports whether a person leaves the values in a Secret.
func (s BindingSpec) IsGiven() bool { return s.Provider.Person != nil || s.Given != "" }

// Rotates reports whether there is anything to rotate: something that the operator generates and sets at the provider.
func (s BindingSpec) Rotates() bool {
	if s.Provider.Provisioner == "" {
		return false
	}
	for _, output := range s.Outputs {
		if output.Origin == OriginGenerated {
			return true
		}
	}
	return false
}

// Alternates reports whether old and new credentials are valid at the same time during a rotation.
func (s BindingSpec) Alternates() bool {
	for _, output := range s.Outputs {
		if output.Alternate != nil {
			return true
		}
	}
	return false
}
