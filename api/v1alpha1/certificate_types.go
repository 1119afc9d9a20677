package v1alpha1

// CertificateRequestTemplate says what a certificate is asked for. Its expressions are CEL over the variables of a Derived output.
type CertificateRequestTemplate struct {
	// commonNameExpr gives the common name of the subject.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	CommonNameExpr string `json:"commonNameExpr"`
	// organizationExpr gives the organization of the subject.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	OrganizationExpr string `json:"organizationExpr,omitempty"`
	// countryExpr gives the country of the subject, in two letters.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	CountryExpr string `json:"countryExpr,omitempty"`
	// dnsNamesExpr gives a list of host names.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	DNSNamesExpr string `json:"dnsNamesExpr,omitempty"`
}

// CertificateRequest is what a certificate is asked for.
type CertificateRequest struct {
	// commonName of the subject.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	CommonName string `json:"commonName"`
	// organization of the subject.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Organization string `json:"organization,omitempty"`
	// country of the subject, in two letters.
	// +optional
	// +kubebuilder:validation:Pattern=`^[A-Z]{2}$`
	Country string `json:"country,omitempty"`
	// dnsNames of the holder.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	DNSNames []DNSName `json:"dnsNames,omitempty"`
}

// DNSName is a host name.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
type DNSName string

// PublishedValue is the public half of something whose other half stays: a public key, or a request for a certificate.
type PublishedValue struct {
	// name of the output.
	// +required
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name"`
	// value, for whoever needs it.
	// +required
	// +kubebuilder:validation:MaxLength=8192
	Value string `json:"value"`
}
