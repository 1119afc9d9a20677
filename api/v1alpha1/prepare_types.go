package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// ContractPreparation is the contract of Bindings that carry out a PrepareStep. It is built in, because nobody consumes it: the
// catalogue has no entry for it, and provisioners know by it that they are asked for the good's own settings.
const ContractPreparation = "preparation-v1"

// PrepareStep is something that has to be at a good before others may bind: a realm, a root user, a hub's settings.
// +kubebuilder:validation:XValidation:rule="has(self.http) == (self.provisioner == 'http-upsert')",message="provisioner http-upsert needs http, and no other one has it"
// +kubebuilder:validation:XValidation:rule="!has(self.imageExpr) || !(self.provisioner in ['postgresql', 'keycloak', 'key-pair', 'kafka', 'http-upsert'])",message="imageExpr is for a provisioner of your own: give it a name that the built-in ones do not have"
type PrepareStep struct {
	// name of the step within the good, e.g. `realm`.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=30
	Name string `json:"name"`
	// endpoint of the good that the step is done at.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Endpoint string `json:"endpoint"`
	// provisioner that does it. It makes what is missing, mends what differs, and looks at the result itself: it is run again
	// at intervals, and its word is the proof.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Provisioner string `json:"provisioner"`
	// imageExpr gives the image of a provisioner that does not come with the operator, over `facts` and `component`. It keeps the
	// provisioner protocol.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	ImageExpr string `json:"imageExpr,omitempty"`
	// adminCredential is the credential of the good that the provisioner works with.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	AdminCredential string `json:"adminCredential,omitempty"`
	// credential of the good that the step puts in force, such as a first user's. The provisioner has its keys as credentials;
	// http-upsert has them as `secrets`.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Credential string `json:"credential,omitempty"`
	// parameters for the provisioner.
	// +optional
	// +kubebuilder:validation:Type=object
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`
	// http says how provisioner http-upsert does it.
	// +optional
	HTTP *HTTPRegistration `json:"http,omitempty"`
}

// ComponentPreparation is a step that has to be done at a component before others may bind.
type ComponentPreparation struct {
	// name of the step in the good's entry.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=30
	Name string `json:"name"`
	// binding that carries it out, in the Component's namespace. None where the component runs elsewhere and its owner did it.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Binding string `json:"binding,omitempty"`
	// credential of the component that the step puts in force.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Credential string `json:"credential,omitempty"`
	// http says how provisioner http-upsert does it. Bindings are carried out by what is said here.
	// +optional
	HTTP *HTTPRegistration `json:"http,omitempty"`
	// image of the provisioner, where it does not come with the operator.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`
}

// IsPreparation reports whether the binding prepares its provider, instead of serving a consumer.
func (s BindingSpec) IsPreparation() bool { return s.Preparation != "" }

// Preparation returns the step that a binding carries out, or false where the component does not ask for it.
func (s ComponentSpec) Preparation(binding string) (ComponentPreparation, bool) {
	for _, each := range s.Preparations {
		if each.Binding == binding && binding != "" {
			return each, true
		}
	}
	return ComponentPreparation{}, false
}
