package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CatalogSpec says where entries come from and where their charts and images are.
type CatalogSpec struct {
	// source of the entries.
	// +required
	Source CatalogSource `json:"source"`
	// charts says where the charts are that entries name without a repository.
	// +optional
	Charts *CatalogCharts `json:"charts,omitempty"`
	// images says where the images are that the catalogue's own charts use.
	// +optional
	Images *CatalogImages `json:"images,omitempty"`
	// suspend stops syncing; entries stay as they are.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// CatalogSource is the place of the entries. Exactly one member is given.
// +kubebuilder:validation:XValidation:rule="has(self.configMap)",message="give a source: configMap"
type CatalogSource struct {
	// configMap holds the entries as YAML documents, in every key that ends in `.yaml`.
	// +optional
	ConfigMap *CatalogConfigMap `json:"configMap,omitempty"`
}

// CatalogConfigMap names a ConfigMap in the Catalog's namespace.
type CatalogConfigMap struct {
	// name of the ConfigMap.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// CatalogCharts is the chart repository of a catalogue.
type CatalogCharts struct {
	// repository is an `oci://` or `https://` chart repository.
	// +required
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^(oci|https|http)://[^\s]+$`
	Repository string `json:"repository"`
	// plainHTTP allows an unencrypted connection. For development clusters only.
	// +optional
	PlainHTTP bool `json:"plainHTTP,omitempty"`
}

// CatalogImages is the image registry of a catalogue.
type CatalogImages struct {
	// registry is the host, and prefix if any, of the images the catalogue's own charts use.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Registry string `json:"registry"`
}

// CatalogStatus says what was synced.
type CatalogStatus struct {
	// conditions: Ready, and Reconciling or Stalled while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// observedGeneration is the generation the conditions are for.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// digest of the entries last synced.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Digest string `json:"digest,omitempty"`
	// goods synced.
	// +optional
	Goods int32 `json:"goods,omitempty"`
	// contracts synced.
	// +optional
	Contracts int32 `json:"contracts,omitempty"`
	// templates synced.
	// +optional
	Templates int32 `json:"templates,omitempty"`
}

// Catalog brings digital public goods, contracts and templates into its namespace and keeps them as its source says.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=dpi-all
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Goods",type=integer,JSONPath=`.status.goods`
// +kubebuilder:printcolumn:name="Contracts",type=integer,JSONPath=`.status.contracts`
// +kubebuilder:printcolumn:name="Templates",type=integer,JSONPath=`.status.templates`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Catalog struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   CatalogSpec   `json:"spec"`
	Status CatalogStatus `json:"status,omitempty"`
}

// CatalogList is a list of Catalogs.
// +kubebuilder:object:root=true
type CatalogList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Catalog `json:"items"`
}

// GetConditions returns the conditions for reading and writing.
func (c *Catalog) GetConditions() *[]metav1.Condition { return &c.Status.Conditions }
