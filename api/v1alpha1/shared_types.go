package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// ChartReference says where a Helm chart is.
type ChartReference struct {
	// repository is an `oci://` or `https://` chart repository without the chart's name. Empty means the
	// catalogue's own chart repository (Catalog spec.charts.repository).
	// +optional
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^(oci|https|http)://[^\s]+$`
	Repository string `json:"repository,omitempty"`
	// name of the chart in the repository.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// version of the chart, exact.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Version string `json:"version"`
	// digest pins the chart archive, e.g. `sha256:…`.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^sha256:[a-f0-9]{64}$`
	Digest string `json:"digest,omitempty"`
	// plainHTTP allows an unencrypted connection to the repository. For development clusters only.
	// +optional
	PlainHTTP bool `json:"plainHTTP,omitempty"`
}

// ValueMapping puts one value into a chart's values. Exactly one source is given; a value of any type is invisible to
// CEL, so that the rule about it is the planner's.
// +kubebuilder:validation:XValidation:rule="[has(self.expr), has(self.secretName), has(self.secretKeyRef), has(self.inline), has(self.env)].filter(given, given).size() <= 1",message="give exactly one of value, expr, secretName, secretKeyRef, inline and env"
type ValueMapping struct {
	// path is the dotted path in the chart's values, e.g. `database.host`. A dot inside a key is written `\.`.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Path string `json:"path"`
	// value is a literal of any type.
	// +optional
	Value *apiextensionsv1.JSON `json:"value,omitempty"`
	// expr is a CEL expression over `facts`, `parameters`, `component`, `endpoints` and `bindings`; its result is
	// put at the path. Secret outputs are not visible to it.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Expr string `json:"expr,omitempty"`
	// secretName puts the name of a Secret at the path: `binding:<slot>`, `binding:<slot>/<secret of the slot>` or
	// `credential:<name>`.
	// +optional
	SecretName SecretSource `json:"secretName,omitempty"`
	// secretKeyRef puts `{name, key}` of one value in a Secret at the path.
	// +optional
	SecretKeyRef *SecretKeySource `json:"secretKeyRef,omitempty"`
	// inline is the last resort, for charts that take a secret value as text only. What is put at the path stands for the
	// value: it is exchanged for it where the chart writes it into a Secret, and becomes a reference where it is used in
	// the environment or the arguments of a container. Anywhere else it is refused.
	// +optional
	Inline *SecretKeySource `json:"inline,omitempty"`
	// env puts a list of environment variables at the path. Variables that are there already are kept, whoever wrote them,
	// and win by name.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Env []EnvVariable `json:"env,omitempty"`
	// when is a CEL expression that decides whether the mapping applies; empty means always.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	When string `json:"when,omitempty"`
}

// SecretSource names a Secret of the component: `binding:<slot>` is the one the binding makes, `binding:<slot>/<name>` one
// that the slot declares besides, `credential:<name>` one the good is started with.
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:Pattern=`^(binding:[a-z0-9]([-a-z0-9]*[a-z0-9])?(/[a-z0-9]([-a-z0-9]*[a-z0-9])?)?|credential:[a-z0-9]([-a-z0-9]*[a-z0-9])?)$`
type SecretSource string

// SecretKeySource is one value in a Secret of the component.
type SecretKeySource struct {
	// secret that holds the value.
	// +required
	// +kubebuilder:validation:MinLength=1
	Secret SecretSource `json:"secret"`
	// key of the value.
	// +required
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	// +kubebuilder:validation:MaxLength=128
	Key string `json:"key"`
}

// EnvVariable is one environment variable.
// +kubebuilder:validation:XValidation:rule="has(self.value) ? !has(self.expr) && !has(self.secretKeyRef) : has(self.expr) != has(self.secretKeyRef)",message="give exactly one of value, expr and secretKeyRef"
type EnvVariable struct {
	// name of the variable.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z][-._a-zA-Z0-9]*$`
	Name string `json:"name"`
	// value is a literal.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Value *string `json:"value,omitempty"`
	// expr is a CEL expression over what the mapping sees; its result is text.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Expr string `json:"expr,omitempty"`
	// secretKeyRef is a value in a Secret.
	// +optional
	SecretKeyRef *SecretKeySource `json:"secretKeyRef,omitempty"`
}

// Endpoint is a resolved address of a component: a fact of the plan, known before anything runs.
type Endpoint struct {
	// name of the endpoint as the good declares it.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// url is the address every consumer uses, inside and outside the cluster alike.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	URL string `json:"url"`
	// host part of the url.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Host string `json:"host"`
	// port of the url.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`
}

// HealthRule tells with CEL over the object (`self`) when a kind works that kstatus does not know.
type HealthRule struct {
	// apiVersion of the objects the rule is for.
	// +required
	// +kubebuilder:validation:MaxLength=253
	APIVersion string `json:"apiVersion"`
	// kind of the objects the rule is for.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`
	// current holds when the object works.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	Current string `json:"current"`
	// inProgress holds while the object is on its way.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	InProgress string `json:"inProgress,omitempty"`
	// failed holds when the object will not work without a change.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Failed string `json:"failed,omitempty"`
}

// KustomizePatch changes rendered objects, hooks included, after the chart's templates ran.
type KustomizePatch struct {
	// patch is a strategic merge patch or a JSON 6902 patch, as YAML or JSON.
	// +required
	// +kubebuilder:validation:MaxLength=65536
	Patch string `json:"patch"`
	// target selects the objects; empty means the object the patch names itself.
	// +optional
	Target *PatchTarget `json:"target,omitempty"`
}

// PatchTarget selects rendered objects; empty fields match everything.
type PatchTarget struct {
	// group of the objects' API.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Group string `json:"group,omitempty"`
	// version of the objects' API.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Version string `json:"version,omitempty"`
	// kind of the objects.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`
	// name of the object, a regular expression anchored at both ends.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
	// labelSelector of the objects.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	LabelSelector string `json:"labelSelector,omitempty"`
}

// DeletionPolicy says what happens to data when its owner is deleted.
// +kubebuilder:validation:Enum=RetainData;DeleteData
type DeletionPolicy string

// Deletion policies. RetainData is the default everywhere: data goes only when the user says so.
const (
	// RetainData keeps volumes, databases and the credentials that open them.
	RetainData DeletionPolicy = "RetainData"
	// DeleteData removes them with their owner.
	DeleteData DeletionPolicy = "DeleteData"
)

// Gate says when a consumer may start.
// +kubebuilder:validation:Enum=Ready;Resolved;Provisional;After
type Gate string

// Gates. Only Ready edges order components and count for cycles.
const (
	// GateReady lets the consumer start once the binding was proved.
	GateReady Gate = "Ready"
	// GateResolved lets the consumer start at once: the addresses suffice.
	GateResolved Gate = "Resolved"
	// GateProvisional lets the consumer start with the provisional values of the contract; its pods are replaced when the
	// final ones are there, and never get provisional ones again.
	GateProvisional Gate = "Provisional"
	// GateAfter makes the edge once both ends work: a callback, an import.
	GateAfter Gate = "After"
)
