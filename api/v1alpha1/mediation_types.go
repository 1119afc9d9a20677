package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// Mediation says that a good stands between consumers and providers: it passes requests on, and knows who may send them.
//
// A deployment asks for it with `via` under bindings. Then a channel is registered at the mediator, once per provider and
// contract, and a client, once per consumer. The consumer's binding has the outputs of the contract it asks for, at the mediator's
// address, and those of its client; it is proved through the channel.
//
// Expressions are CEL. All of them see `upstream`: what the provider states under the contract, with `name`, which is its own
// in the cluster, `component`, `deployment`, `namespace` and `contract`.
type Mediation struct {
	// contracts that can be passed on.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Contracts []ContractName `json:"contracts"`
	// channel leads to one provider. The provider is its consumer: it is who is published.
	// +required
	Channel MediationEdge `json:"channel"`
	// client is who the consumer is to the mediator. Its parametersExpr sees `channel` as well, the channel's outputs.
	// +required
	Client MediationEdge `json:"client"`
	// outputs of the contract that are others than the provider's, over `channel` as well; `url` at least, as a rule.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Outputs []OutputExpression `json:"outputs"`
}

// MediationEdge is what is registered at a mediator.
type MediationEdge struct {
	// contract under which the good provides it; it has to be among those under provides.
	// +required
	Contract ContractName `json:"contract"`
	// parametersExpr gives the parameters as a map; default none.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	ParametersExpr string `json:"parametersExpr,omitempty"`
}

// BindingVia is the way of an edge through a mediator.
type BindingVia struct {
	// component behind the mediator: who provides in the end.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Component string `json:"component"`
	// channel is the Binding, in the same namespace, that leads there.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Channel string `json:"channel"`
}

// BindingRegistration is as what a provider registers a consumer.
type BindingRegistration struct {
	// contract of the registration.
	// +required
	Contract ContractName `json:"contract"`
	// parameters of that contract.
	// +optional
	// +kubebuilder:validation:Type=object
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`
}
