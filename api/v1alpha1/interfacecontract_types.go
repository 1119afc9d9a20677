package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OutputOrigin says who makes an output.
// +kubebuilder:validation:Enum=Provider;Derived;Generated;Minted
type OutputOrigin string

// Origins of outputs.
const (
	// OriginProvider is a fact stated by the provider's entry or by its endpoint.
	OriginProvider OutputOrigin = "Provider"
	// OriginDerived is computed by the contract from the edge itself, e.g. a database name.
	OriginDerived OutputOrigin = "Derived"
	// OriginGenerated is random, made by the operator and stored before it is used: text, or one half of a key pair.
	OriginGenerated OutputOrigin = "Generated"
	// OriginMinted is made by the provider and handed back by the provisioner.
	OriginMinted OutputOrigin = "Minted"
)

// OutputType is how the text of an output is to be read.
// +kubebuilder:validation:Enum=string;integer;boolean
type OutputType string

// Types of outputs.
const (
	// TypeString is text.
	TypeString OutputType = "string"
	// TypeInteger is a whole number in decimal digits.
	TypeInteger OutputType = "integer"
	// TypeBoolean is true or false.
	TypeBoolean OutputType = "boolean"
)

// OutputFormat narrows what the text of an output looks like.
// +kubebuilder:validation:Enum=hostname;port;uri;email;sha256;pem;jwk;csr;certificate
type OutputFormat string

// Formats of outputs.
const (
	// FormatHostname is the name or the address of a host.
	FormatHostname OutputFormat = "hostname"
	// FormatPort is a TCP port.
	FormatPort OutputFormat = "port"
	// FormatURI is an absolute address with a scheme.
	FormatURI OutputFormat = "uri"
	// FormatEmail is an address for mail.
	FormatEmail OutputFormat = "email"
	// FormatSHA256 is a digest as `sha256:` and 64 hexadecimal digits.
	FormatSHA256 OutputFormat = "sha256"
	// FormatPEM is one or more PEM blocks.
	FormatPEM OutputFormat = "pem"
	// FormatJWK is a JSON Web Key.
	FormatJWK OutputFormat = "jwk"
	// FormatCSR is a request for a certificate (PKCS 10) in PEM.
	FormatCSR OutputFormat = "csr"
	// FormatCertificate is an X.509 certificate in PEM, with those of its issuers after it.
	FormatCertificate OutputFormat = "certificate"
)

// EndpointScheme is the scheme of an endpoint.
// +kubebuilder:validation:Enum=http;https;tcp
type EndpointScheme string

// InterfaceContractSpec is a typed interface between two components. Its major version is part of its name.
type InterfaceContractSpec struct {
	// description of what the contract is for.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Description string `json:"description"`
	// type is the `type` entry of the Secret, as servicebinding.io has it, e.g. `postgresql`.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	Type string `json:"type"`
	// outputs the consumer receives.
	// +required
	// +listType=map
	// +listMapKey=name
	// +listMapKey=forEach
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Outputs []ContractOutput `json:"outputs"`
	// provider says what an entry has to state that provides the contract, beside the outputs of origin Provider.
	// +optional
	Provider *ContractProvider `json:"provider,omitempty"`
	// parameters is the JSON Schema of what a consumer may ask for; empty means nothing.
	// +optional
	// +kubebuilder:validation:Type=object
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`
	// scope names the parameters that say where at the provider the consumer is registered, e.g. the realm: with another value it is
	// registered there anew, and what was registered before is taken away once the consumer works with the new.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Scope []string `json:"scope,omitempty"`
	// verification is how the edge is proved with the consumer's credentials.
	// +required
	Verification ContractVerification `json:"verification"`
}

// ContractProvider is what the entry of a provider states. Where outputs are generated or minted it also names a provisioner
// or a person: nobody else could make the provider know them.
type ContractProvider struct {
	// schemes that the endpoint may have which serves the contract; none means that there is no endpoint.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=3
	Schemes []EndpointScheme `json:"schemes,omitempty"`
	// adminCredential says that a provisioner needs the credential of an administrator.
	// +optional
	AdminCredential bool `json:"adminCredential,omitempty"`
}

// ContractOutput is one value a consumer receives.
// +kubebuilder:validation:XValidation:rule="self.origin == 'Minted' || !has(self.provisional)",message="only a Minted output has a provisional value: the others are known from the start"
// +kubebuilder:validation:XValidation:rule="self.origin != 'Derived' || has(self.expr)",message="a Derived output needs expr"
// +kubebuilder:validation:XValidation:rule="self.origin == 'Derived' || !has(self.expr)",message="only a Derived output has expr"
// +kubebuilder:validation:XValidation:rule="self.origin == 'Derived' || !has(self.alternateExpr)",message="only a Derived output has alternateExpr"
// +kubebuilder:validation:XValidation:rule="self.origin != 'Generated' || has(self.publicOf) || (has(self.secret) && self.secret)",message="a Generated output is secret"
// +kubebuilder:validation:XValidation:rule="!has(self.publicOf) || (self.origin == 'Generated' && !has(self.keyPair) && (!has(self.secret) || !self.secret))",message="the public half of a key pair is Generated and not secret"
// +kubebuilder:validation:XValidation:rule="!has(self.keyPair) || self.origin == 'Generated'",message="keyPair is for origin Generated"
// +kubebuilder:validation:XValidation:rule="(!has(self.keyPair) && !has(self.publicOf)) || (has(self.format) && self.format in ['jwk', 'pem', 'csr'] && (!has(self.keyPair) || self.format != 'csr') && (!has(self.forEach) || size(self.forEach) == 0))",message="a key has format jwk or pem, its public half csr as well, and no forEach"
// +kubebuilder:validation:XValidation:rule="has(self.request) == (has(self.format) && self.format == 'csr')",message="format csr needs request, and no other one has it"
// +kubebuilder:validation:XValidation:rule="!has(self.certificateOf) || (self.origin == 'Minted' && has(self.format) && self.format == 'certificate')",message="what is certificateOf a key is Minted and of format certificate"
// +kubebuilder:validation:XValidation:rule="!has(self.secret) || !self.secret || self.origin in ['Generated', 'Minted']",message="only Generated and Minted outputs can be secret"
// +kubebuilder:validation:XValidation:rule="!has(self.format) || (self.format == 'port') == (has(self.type) && self.type == 'integer')",message="format port is for type integer, the others are for type string"
type ContractOutput struct {
	// name is the key in the Secret.
	// +required
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// description of the value.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Description string `json:"description,omitempty"`
	// type says how the value is to be read; default string. Every value is text in the Secret.
	// +optional
	Type OutputType `json:"type,omitempty"`
	// format narrows the value; default any text.
	// +optional
	Format OutputFormat `json:"format,omitempty"`
	// secret outputs are passed by reference only.
	// +optional
	Secret bool `json:"secret,omitempty"`
	// origin says who makes the value.
	// +required
	Origin OutputOrigin `json:"origin"`
	// expr computes a Derived output over `binding`, `parameters`, `endpoint` and, with forEach, `item`.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Expr string `json:"expr,omitempty"`
	// alternateExpr computes the other value of a Derived output, over the same variables. A rotation puts the one in force
	// that is not: a provider that knows both at once lets the old credential work until its consumer has the new one.
	// Consumers refer to such an output by the Secret, never by value.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	AlternateExpr string `json:"alternateExpr,omitempty"`
	// provisional is a placeholder that software can start with until the provider has made the value, for slots with gate
	// Provisional. It opens nothing.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Provisional *string `json:"provisional,omitempty"`
	// keyPair makes the value the private half of a new key pair. It never leaves the consumer's namespace: provisioners get the
	// public half.
	// +optional
	KeyPair *KeyPair `json:"keyPair,omitempty"`
	// publicOf names the output with the private half; the value is the public half of that pair. Provisioners find it among the
	// request's outputs.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	PublicOf string `json:"publicOf,omitempty"`
	// request says what is asked for in a certificate request, for format csr.
	// +optional
	Request *CertificateRequestTemplate `json:"request,omitempty"`
	// certificateOf names the output with the private key that the certificate is for. One of another key is not taken.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	CertificateOf string `json:"certificateOf,omitempty"`
	// when is a CEL condition over `parameters`; the output exists only where it holds.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	When string `json:"when,omitempty"`
	// forEach names a list parameter whose items have a `name`: the output exists once per item, as `<item name>-<name>`.
	// +optional
	// +kubebuilder:default=""
	// +kubebuilder:validation:MaxLength=63
	ForEach string `json:"forEach,omitempty"`
}

// KeyAlgorithm is a kind of key.
// +kubebuilder:validation:Enum=EC-P256;EC-P384;RSA-2048;RSA-3072;RSA-4096;Ed25519
type KeyAlgorithm string

// KeyPair is a key pair that the operator makes.
type KeyPair struct {
	// algorithm of the keys.
	// +required
	Algorithm KeyAlgorithm `json:"algorithm"`
}

// ContractVerification names the proof of a contract.
// +kubebuilder:validation:XValidation:rule="!has(self.interval) || duration(self.interval) >= duration('1m')",message="interval is at least 1m: each proof is a Job"
type ContractVerification struct {
	// method of the read-back: the contract's own name means the built-in one.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Method string `json:"method"`
	// imageExpr gives the image that carries out a method of your own, over `facts`. It keeps the provisioner protocol.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	ImageExpr string `json:"imageExpr,omitempty"`
	// proves says in a sentence or two what holds once the method succeeded.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Proves string `json:"proves,omitempty"`
	// interval between repeated proofs; at least 1m, default 10m. They come up to a tenth sooner, each binding's at its own pace.
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`
}

// InterfaceContract is a typed contract between a provider and a consumer.
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=contract,categories=dpi-all
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Outputs",type=string,JSONPath=`.spec.outputs[*].name`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type InterfaceContract struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec InterfaceContractSpec `json:"spec"`
}

// InterfaceContractList is a list of InterfaceContracts.
// +kubebuilder:object:root=true
type InterfaceContractList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []InterfaceContract `json:"items"`
}

// GetType returns the type in force.
func (o ContractOutput) GetType() OutputType {
	if o.Type == "" {
		return TypeString
	}
	return o.Type
}

// IsMade reports whether somebody has to make outputs known to the provider, or at the provider.
func (s InterfaceContractSpec) IsMade() bool {
	for _, output := range s.Outputs {
		if output.Origin == OriginGenerated || output.Origin == OriginMinted {
			return true
		}
	}
	return false
}
