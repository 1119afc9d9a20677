package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// GoodClass says what an entry is in a stack.
// +kubebuilder:validation:Enum=Good;BackingService;Adapter;Client
type GoodClass string

// Classes of entries.
const (
	// ClassGood is a digital public good proper.
	ClassGood GoodClass = "Good"
	// ClassBackingService is open-source software that goods stand on: a database, an identity provider.
	ClassBackingService GoodClass = "BackingService"
	// ClassAdapter connects two goods.
	ClassAdapter GoodClass = "Adapter"
	// ClassClient is a consumer outside the cluster: it has requirements and no chart.
	ClassClient GoodClass = "Client"
)

// DigitalPublicGoodSpec describes one good completely enough to install it, wire it and name it to others.
// +kubebuilder:validation:XValidation:rule="self.class == 'Client' ? self.versions.all(v, !has(v.chart)) : self.versions.all(v, has(v.chart))",message="every version needs a chart, except for class Client, which has none"
// +kubebuilder:validation:XValidation:rule="!has(self.provides) || self.provides.all(p, !has(p.endpoint) || (has(self.endpoints) && self.endpoints.exists(e, e.name == p.endpoint)))",message="provides names an endpoint that is not declared in endpoints"
// +kubebuilder:validation:XValidation:rule="!has(self.provides) || self.provides.all(p, !has(p.adminCredential) || (has(self.credentials) && self.credentials.exists(c, c.name == p.adminCredential)))",message="provides names an adminCredential that is not declared in credentials"
// +kubebuilder:validation:XValidation:rule="!has(self.provides) || self.provides.all(p, !has(p.http) || !has(p.http.endpoint) || (has(self.endpoints) && self.endpoints.exists(e, e.name == p.http.endpoint)))",message="provides names an endpoint under http that is not declared in endpoints"
// +kubebuilder:validation:XValidation:rule="!has(self.prepare) || self.class != 'Client'",message="a good of class Client runs nowhere that could be prepared"
// +kubebuilder:validation:XValidation:rule="!has(self.prepare) || self.prepare.all(p, has(self.endpoints) && self.endpoints.exists(e, e.name == p.endpoint))",message="prepare names an endpoint that is not declared in endpoints"
// +kubebuilder:validation:XValidation:rule="!has(self.prepare) || self.prepare.all(p, !has(p.adminCredential) || (has(self.credentials) && self.credentials.exists(c, c.name == p.adminCredential)))",message="prepare names an adminCredential that is not declared in credentials"
// +kubebuilder:validation:XValidation:rule="!has(self.prepare) || self.prepare.all(p, !has(p.credential) || (has(self.credentials) && self.credentials.exists(c, c.name == p.credential)))",message="prepare names a credential that is not declared in credentials"
// +kubebuilder:validation:XValidation:rule="!has(self.prepare) || self.prepare.all(p, !has(p.http) || !has(p.http.endpoint) || self.endpoints.exists(e, e.name == p.http.endpoint))",message="prepare names an endpoint under http that is not declared in endpoints"
type DigitalPublicGoodSpec struct {
	// displayName for people.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	DisplayName string `json:"displayName"`
	// description in one or two sentences.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Description string `json:"description,omitempty"`
	// class of the entry.
	// +required
	Class GoodClass `json:"class"`
	// identity of the good in the registries of the world.
	// +required
	Identity GoodIdentity `json:"identity"`
	// versions that can be deployed, in any order.
	// +required
	// +listType=map
	// +listMapKey=version
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Versions []GoodVersion `json:"versions"`
	// endpoints the good serves.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Endpoints []GoodEndpoint `json:"endpoints,omitempty"`
	// credentials that the good is started with, such as a first administrator. Defaults that a product ships with
	// are replaced by these before anyone can bind.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Credentials []GoodCredential `json:"credentials,omitempty"`
	// provides lists the contracts the good fulfils for others.
	// +optional
	// +listType=map
	// +listMapKey=contract
	// +kubebuilder:validation:MaxItems=16
	Provides []Provision `json:"provides,omitempty"`
	// mediates lists the contracts that the good passes on between others.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Mediates []Mediation `json:"mediates,omitempty"`
	// prepare lists what is done at the good once it is healthy, in order, before others may bind.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Prepare []PrepareStep `json:"prepare,omitempty"`
	// requires lists what the good needs from others, one slot each.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Requires []Requirement `json:"requires,omitempty"`
	// values maps facts, addresses and secrets into the chart's values.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	Values []ValueMapping `json:"values,omitempty"`
	// sizing gives chart values per tier.
	// +optional
	// +listType=map
	// +listMapKey=tier
	// +kubebuilder:validation:MaxItems=8
	Sizing []Sizing `json:"sizing,omitempty"`
	// patches change rendered objects where the chart's values do not reach.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Patches []KustomizePatch `json:"patches,omitempty"`
	// health rules for kinds whose readiness is not generally known.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Health []HealthRule `json:"health,omitempty"`
	// startupDeadline bounds how long the good may take to become healthy; default 10m.
	// +optional
	StartupDeadline *metav1.Duration `json:"startupDeadline,omitempty"`
	// podSecurity is the strictest Pod Security level the good runs at.
	// +optional
	// +kubebuilder:validation:Enum=privileged;baseline;restricted
	PodSecurity string `json:"podSecurity,omitempty"`
	// notRunHere says why the project itself has not run this entry, when it has not.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	NotRunHere string `json:"notRunHere,omitempty"`
}

// GoodIdentity names a good so that registries can tell it is the same one.
type GoodIdentity struct {
	// license is an SPDX expression.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	License string `json:"license"`
	// repository of the source code.
	// +required
	// +kubebuilder:validation:Pattern=`^https://[^\s]+$`
	// +kubebuilder:validation:MaxLength=512
	Repository string `json:"repository"`
	// website for people.
	// +optional
	// +kubebuilder:validation:Pattern=`^https://[^\s]+$`
	// +kubebuilder:validation:MaxLength=512
	Website string `json:"website,omitempty"`
	// owner is the organisation that stewards the good.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Owner string `json:"owner,omitempty"`
	// dpga identifies the good in the registry of the Digital Public Goods Alliance.
	// +optional
	DPGA *DPGAIdentity `json:"dpga,omitempty"`
	// wikidata item, e.g. `Q192490`.
	// +optional
	// +kubebuilder:validation:Pattern=`^Q[0-9]{1,12}$`
	Wikidata string `json:"wikidata,omitempty"`
	// sdgs lists the sustainable development goals it serves.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=17
	SDGs []SDG `json:"sdgs,omitempty"`
	// buildingBlocks lists the GovStack building blocks it implements.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=24
	BuildingBlocks []BuildingBlock `json:"buildingBlocks,omitempty"`
}

// SDG is the number of a sustainable development goal.
// +kubebuilder:validation:Minimum=1
// +kubebuilder:validation:Maximum=17
type SDG int32

// BuildingBlock is the slug of a GovStack building block, e.g. `identity`.
// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
// +kubebuilder:validation:MaxLength=63
type BuildingBlock string

// DPGAIdentity is how the Digital Public Goods Alliance names a good; slugs were renamed in the past, so both are kept.
type DPGAIdentity struct {
	// slug in the registry's address.
	// +optional
	// +kubebuilder:validation:Pattern=`^[a-z0-9][-a-z0-9]*$`
	// +kubebuilder:validation:MaxLength=128
	Slug string `json:"slug,omitempty"`
	// gid is the registry's global identifier.
	// +optional
	// +kubebuilder:validation:Pattern=`^GID[0-9]{7}$`
	GID string `json:"gid,omitempty"`
}

// GoodVersion is one version of the product with the chart that installs it.
type GoodVersion struct {
	// version of the product, semantic as far as the product's own numbers allow.
	// +required
	// +kubebuilder:validation:Pattern=`^[0-9]+(\.[0-9]+){0,2}([-+][0-9A-Za-z.+-]+)?$`
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version"`
	// chart that installs it.
	// +optional
	Chart *ChartReference `json:"chart,omitempty"`
	// upgradesFrom is a version constraint of the versions that may move here; empty means any older one of the same major.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	UpgradesFrom string `json:"upgradesFrom,omitempty"`
	// deprecated says why the version should not be chosen any more.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Deprecated string `json:"deprecated,omitempty"`
	// values are literals for this version only.
	// +optional
	// +kubebuilder:validation:Type=object
	Values *apiextensionsv1.JSON `json:"values,omitempty"`
}

// GoodEndpoint is an address the good serves.
type GoodEndpoint struct {
	// name of the endpoint within the good, e.g. `web`.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// scheme of the address.
	// +required
	// +kubebuilder:validation:Enum=http;https;tcp
	Scheme string `json:"scheme"`
	// port of the Service.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`
	// path every use of the endpoint starts with, e.g. `/fhir`.
	// +optional
	// +kubebuilder:validation:Pattern=`^/[^\s]*$`
	// +kubebuilder:validation:MaxLength=256
	Path string `json:"path,omitempty"`
	// serviceName is a CEL expression for the Service's name over `component`; default `component.release`.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	ServiceName string `json:"serviceName,omitempty"`
}

// GoodCredential is a Secret that exists before the good starts.
type GoodCredential struct {
	// name of the credential within the good, e.g. `admin`.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// keys of the Secret.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Keys []CredentialKey `json:"keys"`
}

// CredentialKey is one key of a generated Secret.
// +kubebuilder:validation:XValidation:rule="has(self.value) != has(self.length)",message="give either value (not secret) or length (generated)"
type CredentialKey struct {
	// name of the key.
	// +required
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name"`
	// value is a literal that is not secret, such as a user name.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Value string `json:"value,omitempty"`
	// length generates a random password of this many characters.
	// +optional
	// +kubebuilder:validation:Minimum=16
	// +kubebuilder:validation:Maximum=128
	Length int32 `json:"length,omitempty"`
}

// Sizing is chart values for one tier.
type Sizing struct {
	// tier such as `demo`, `small`, `medium`, `large`.
	// +required
	// +kubebuilder:validation:MaxLength=32
	Tier string `json:"tier"`
	// values laid over those of the entry.
	// +required
	// +kubebuilder:validation:Type=object
	Values apiextensionsv1.JSON `json:"values"`
}

// DigitalPublicGood is one entry of the catalogue.
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=dpg,categories=dpi-all
// +kubebuilder:printcolumn:name="Name",type=string,JSONPath=`.spec.displayName`
// +kubebuilder:printcolumn:name="Class",type=string,JSONPath=`.spec.class`
// +kubebuilder:printcolumn:name="Versions",type=string,JSONPath=`.spec.versions[*].version`
// +kubebuilder:printcolumn:name="License",type=string,JSONPath=`.spec.identity.license`
// +kubebuilder:printcolumn:name="Requires",type=string,JSONPath=`.spec.requires[*].contract`
// +kubebuilder:printcolumn:name="Provides",type=string,JSONPath=`.spec.provides[*].contract`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type DigitalPublicGood struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec DigitalPublicGoodSpec `json:"spec"`
}

// DigitalPublicGoodList is a list of DigitalPublicGoods.
// +kubebuilder:object:root=true
type DigitalPublicGoodList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DigitalPublicGood `json:"items"`
}
