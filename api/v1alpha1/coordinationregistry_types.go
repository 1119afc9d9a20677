package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CoordinationRegistrySpec says where deployments are reported and as whom.
// +kubebuilder:validation:XValidation:rule="self.url.startsWith('https://') || (has(self.allowPlainHTTP) && self.allowPlainHTTP)",message="use an https address, or set allowPlainHTTP for a registry in a development cluster"
type CoordinationRegistrySpec struct {
	// url of the registry, without a path of its own API.
	// +required
	// +kubebuilder:validation:Pattern=`^https?://[^\s]+$`
	// +kubebuilder:validation:MaxLength=512
	URL string `json:"url"`
	// allowPlainHTTP permits an unencrypted connection. For development clusters only.
	// +optional
	AllowPlainHTTP bool `json:"allowPlainHTTP,omitempty"`
	// reporterID is the name under which the registry enrolled this operator.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	ReporterID string `json:"reporterID"`
	// tokenSecret holds the bearer token the registry gave this reporter.
	// +required
	TokenSecret SecretKeyReference `json:"tokenSecret"`
	// caSecret holds a CA bundle in PEM, for registries with a certificate of their own authority.
	// +optional
	CASecret *SecretKeyReference `json:"caSecret,omitempty"`
	// interval is the promise of how often the registry hears of an unchanged deployment; default 24h.
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`
	// suspend stops delivery; the newest snapshot is sent when it is lifted.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// SecretKeyReference names one key of a Secret in the same namespace.
type SecretKeyReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// key in the Secret; default `token`.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// CoordinationRegistryStatus says whether the registry can be reported to.
type CoordinationRegistryStatus struct {
	// conditions: Ready says whether the registry accepts our credential.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// observedGeneration is the generation the conditions are for.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// lastContactTime is when the registry last answered.
	// +optional
	LastContactTime *metav1.Time `json:"lastContactTime,omitempty"`
}

// CoordinationRegistry is a registry that deployments are reported to.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=dpi-all
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.spec.url`
// +kubebuilder:printcolumn:name="Reporter",type=string,JSONPath=`.spec.reporterID`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type CoordinationRegistry struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   CoordinationRegistrySpec   `json:"spec"`
	Status CoordinationRegistryStatus `json:"status,omitempty"`
}

// CoordinationRegistryList is a list of CoordinationRegistries.
// +kubebuilder:object:root=true
type CoordinationRegistryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []CoordinationRegistry `json:"items"`
}

// GetConditions returns the conditions for reading and writing.
func (r *CoordinationRegistry) GetConditions() *[]metav1.Condition { return &r.Status.Conditions }

// GetKey returns the key in force.
func (s SecretKeyReference) GetKey() string {
	if s.Key == "" {
		return "token"
	}
	return s.Key
}
