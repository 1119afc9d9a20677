package v1alpha1

import apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

// Provision is a contract the good fulfils for others.
// +kubebuilder:validation:XValidation:rule="!has(self.person) || !has(self.provisioner)",message="a provision is made by a provisioner or by a person, not by both"
// +kubebuilder:validation:XValidation:rule="has(self.http) == (has(self.provisioner) && self.provisioner == 'http-upsert')",message="provisioner http-upsert needs http, and no other one has it"
// +kubebuilder:validation:XValidation:rule="!has(self.imageExpr) || (has(self.provisioner) && !(self.provisioner in ['postgresql', 'keycloak', 'key-pair', 'kafka', 'http-upsert']))",message="imageExpr is for a provisioner of your own: give it a name that the built-in ones do not have"
type Provision struct {
	// contract is the name of an InterfaceContract.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Contract string `json:"contract"`
	// endpoint that serves the contract.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Endpoint string `json:"endpoint,omitempty"`
	// outputs are what this provider states, beyond host, port and url of its endpoint.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Outputs []OutputExpression `json:"outputs,omitempty"`
	// provisioner that makes what a consumer asks for; empty means there is nothing to make.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Provisioner string `json:"provisioner,omitempty"`
	// imageExpr gives the image of a provisioner that does not come with the operator, over `facts` and `component`. It keeps the
	// provisioner protocol.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	ImageExpr string `json:"imageExpr,omitempty"`
	// adminCredential is the credential of the good that the provisioner works with.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	AdminCredential string `json:"adminCredential,omitempty"`
	// http says how provisioner http-upsert registers what a consumer asks for.
	// +optional
	HTTP *HTTPRegistration `json:"http,omitempty"`
	// person makes what a consumer asks for where no interface does: an authority that signs, a partner's desk.
	// +optional
	Person *PersonStep `json:"person,omitempty"`
}

// PersonStep is what a person does, and leaves in a Secret.
type PersonStep struct {
	// who acts, e.g. `the MOSIP partner desk`.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Who string `json:"who"`
	// instruction in one sentence, for somebody who does not know the operator.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Instruction string `json:"instruction"`
}

// OutputExpression states one output of a contract.
type OutputExpression struct {
	// name of the output in the contract.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// expr is a CEL expression over `endpoint`, `parameters`, `component` and `facts`.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Expr string `json:"expr"`
}

// Requirement is a slot that one provider fills, or as many as max says.
// +kubebuilder:validation:XValidation:rule="(has(self.min) ? self.min : 1) <= (has(self.max) ? self.max : 1)",message="min is not greater than max"
// +kubebuilder:validation:XValidation:rule="!has(self.optional) || !self.optional || !has(self.min) || self.min == 0",message="an optional slot has no min"
type Requirement struct {
	// name of the slot, e.g. `database`.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=30
	Name string `json:"name"`
	// contract the provider must fulfil.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Contract string `json:"contract"`
	// optional slots are bound only when a deployment names their provider.
	// +optional
	Optional bool `json:"optional,omitempty"`
	// min is how many providers there must be; default 1, and 0 for an optional slot.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=16
	Min *int32 `json:"min,omitempty"`
	// max is how many providers there may be; default 1. A slot that takes several is a list for mappings:
	// `bindings.<slot>.map(b, b.url)`; each entry has the outputs, `component` and `secretName`.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=16
	Max *int32 `json:"max,omitempty"`
	// gate says when the consumer may start; default Ready.
	// +optional
	Gate Gate `json:"gate,omitempty"`
	// parameters the consumer asks the provider for, as the contract's schema has it.
	// +optional
	// +kubebuilder:validation:Type=object
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`
	// inputs are parameters that follow from where the consumer is, such as the addresses people are sent back to after they
	// logged in. A deployment's own parameters go over them.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Inputs []InputExpression `json:"inputs,omitempty"`
	// secrets beside the one of the binding, for charts that insist on names, keys or forms of their own.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Secrets []RequirementSecret `json:"secrets,omitempty"`
	// project mounts the binding's Secret into the workloads' containers, as servicebinding.io has it.
	// +optional
	Project *Projection `json:"project,omitempty"`
}

// InputExpression computes a parameter of a contract.
type InputExpression struct {
	// name of the parameter.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// expr is a CEL expression over `facts`, `parameters`, `component` and `endpoints`, as in values; its result is any value that
	// the parameter can have.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Expr string `json:"expr"`
}

// RequirementSecret is a Secret in the form that a consumer insists on, filled from the binding's Secret and kept in step
// with it.
type RequirementSecret struct {
	// name within the slot; mappings refer to it as `binding:<slot>/<name>`.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=30
	Name string `json:"name"`
	// secretName is the exact name, for charts that know only that one; default a name of the binding's own. Two that
	// clash in a stack are refused.
	// +optional
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName,omitempty"`
	// keys of the Secret.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Keys []SecretKey `json:"keys"`
}

// SecretKey is one key of a Secret that is filled from a binding's.
// +kubebuilder:validation:XValidation:rule="has(self.output) != has(self.expr)",message="give either output or expr"
type SecretKey struct {
	// name of the key.
	// +required
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name"`
	// output is the key of the binding's Secret to copy.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Output string `json:"output,omitempty"`
	// expr is a CEL expression over `outputs`, the keys of the binding's Secret; its result is text, e.g. a connection
	// address. It may see secrets, because its result goes nowhere else.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Expr string `json:"expr,omitempty"`
}

// Projection mounts a Secret below the directory that SERVICE_BINDING_ROOT names.
type Projection struct {
	// workload whose containers get it, as a regular expression anchored at both ends; default every Deployment,
	// StatefulSet and DaemonSet of the chart.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Workload string `json:"workload,omitempty"`
	// containers that get it; default all of the workload.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	Containers []ContainerName `json:"containers,omitempty"`
}

// ContainerName is the name of a container.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
type ContainerName string

// GetMin returns how many providers there must be.
func (r Requirement) GetMin() int {
	switch {
	case r.Min != nil:
		return int(*r.Min)
	case r.Optional:
		return 0
	}
	return 1
}

// GetMax returns how many providers there may be.
func (r Requirement) GetMax() int {
	if r.Max == nil {
		return 1
	}
	return int(*r.Max)
}

// TakesSeveral reports whether more than one provider may fill the slot.
func (r Requirement) TakesSeveral() bool { return r.GetMax() > 1 }

// GetGate returns the gate in force: Ready unless another was chosen.
func (r Requirement) GetGate() Gate {
	if r.Gate == "" {
		return GateReady
	}
	return r.Gate
}
