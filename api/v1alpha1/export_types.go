package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ProviderReference names a component of another deployment.
type ProviderReference struct {
	// namespace of that deployment; default the one at hand. Another one needs an export there that grants it.
	// +optional
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// deployment is the name of the DPIDeployment.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=40
	Deployment string `json:"deployment"`
	// component within that deployment.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=30
	Component string `json:"component"`
}

// Export offers a component of a stack to other namespaces.
type Export struct {
	// component within the stack.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=30
	Component string `json:"component"`

	ExportTerms `json:",inline"`
}

// ExportTerms say under which contracts a component is offered, to whom and on what terms.
type ExportTerms struct {
	// contracts under which it is offered.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Contracts []ContractName `json:"contracts"`
	// to grants it. Nobody else may use it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	To []Grant `json:"to,omitempty"`
	// parameters that consumers cannot choose: laid over what they ask for.
	// +optional
	// +kubebuilder:validation:Type=object
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`
}

// ContractName names an InterfaceContract.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
type ContractName string

// Grant lets the deployments of a namespace use what is exported, or ends that.
type Grant struct {
	// namespace of the consumers.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// deployment there; default all of them. It keeps things in order and is no border: whoever may write Bindings in the
	// namespace can name any deployment.
	// +optional
	// +kubebuilder:validation:MaxLength=40
	Deployment string `json:"deployment,omitempty"`
	// access they have; default Allowed. To take an entry out ends nothing that is in use: nothing new is made or renewed.
	// Revoked ends at the provider what is in use, and keeps its data.
	// +optional
	Access Access `json:"access,omitempty"`
}

// Access is what a grant says.
// +kubebuilder:validation:Enum=Allowed;Revoked
type Access string

// Accesses.
const (
	// AccessAllowed lets consumers be bound.
	AccessAllowed Access = "Allowed"
	// AccessRevoked ends the access of those that are.
	AccessRevoked Access = "Revoked"
)

// ProviderKey is where the component that provides is.
func (b *Binding) ProviderKey() types.NamespacedName {
	return b.Spec.Provider.Key(b.Namespace)
}

// Key names the provider's Component, for a binding in the namespace.
func (p BindingProvider) Key(namespace string) types.NamespacedName {
	if p.Namespace != "" {
		namespace = p.Namespace
	}
	return types.NamespacedName{Namespace: namespace, Name: p.Component}
}

// IsForeign reports whether the provider is in another namespace.
func (b *Binding) IsForeign() bool { return b.ProviderKey().Namespace != b.Namespace }

// ProviderName names the provider for people: with its namespace where it is another one.
func (b *Binding) ProviderName() string {
	if b.IsForeign() {
		return b.ProviderKey().String()
	}
	return b.Spec.Provider.Component
}

// Name names the provider of a planned binding for people: with its namespace where it is another one.
func (p BindingProvider) Name() string {
	if p.Namespace == "" {
		return p.Component
	}
	return p.Namespace + "/" + p.Component
}
