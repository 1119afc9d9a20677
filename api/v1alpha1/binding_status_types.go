package v1alpha1

import (
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BindingStatus says whether the edge works.
type BindingStatus struct {
	// conditions: Ready, Provisioned, Verified; Reconciling and Stalled while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// observedGeneration is the generation that was dealt with.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// binding names the Secret, as servicebinding.io's Provisioned Service has it.
	// +optional
	Binding *BindingSecret `json:"binding,omitempty"`
	// provider for people: the component, with its namespace where that is another one, and with the mediator in between.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Provider string `json:"provider,omitempty"`
	// provisioned is the digest of what was provisioned last.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Provisioned string `json:"provisioned,omitempty"`
	// verified is the digest of what was proved last.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Verified string `json:"verified,omitempty"`
	// verifiedAt is when the edge was proved last.
	// +optional
	VerifiedAt *metav1.Time `json:"verifiedAt,omitempty"`
	// lastHandledReconcileAt is the value of the reconcile-at annotation that was answered by a proof.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`
	// attempts at the current step since it last succeeded.
	// +optional
	Attempts int32 `json:"attempts,omitempty"`
	// retryAt is when a failed step will be tried again.
	// +optional
	RetryAt *metav1.Time `json:"retryAt,omitempty"`
	// waitingFor is the person whose turn it is.
	// +optional
	WaitingFor *PersonWait `json:"waitingFor,omitempty"`
	// published are public keys and certificate requests, for whoever registers or signs them.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Published []PublishedValue `json:"published,omitempty"`
	// credentials that are in force.
	// +optional
	Credentials *BindingCredentials `json:"credentials,omitempty"`
	// rotation that is under way.
	// +optional
	Rotation *BindingRotation `json:"rotation,omitempty"`
	// proposed tells that other contents of the consumer's Secret wait for their proof. Until then the consumer works with what it has.
	// +optional
	Proposed bool `json:"proposed,omitempty"`
	// identity is the name that the provider knows the binding by.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Identity string `json:"identity,omitempty"`
	// access that is, or is about to be, the consumer's.
	// +optional
	Access *BindingAccess `json:"access,omitempty"`
	// formerAccess is what the consumer may still use since another provider was asked for, the oldest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	FormerAccess []FormerAccess `json:"formerAccess,omitempty"`
}

// BindingAccess is what was asked of a provider: enough to take it away again.
type BindingAccess struct {
	// provider that was asked.
	// +required
	Provider BindingProvider `json:"provider"`
	// parameters it was asked with.
	// +optional
	// +kubebuilder:validation:Type=object
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`
	// outputs as they were then; none of them is secret.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Outputs []BindingOutput `json:"outputs,omitempty"`
	// requestedAt is when it was first asked: since then it may hold something for this binding.
	// +optional
	RequestedAt *metav1.Time `json:"requestedAt,omitempty"`
}

// FormerAccess is access at a provider that was changed for another.
type FormerAccess struct {
	BindingAccess `json:",inline"`
	// since when it is no longer the one that is asked for.
	// +required
	Since metav1.Time `json:"since"`
	// attempts at taking it away.
	// +optional
	Attempts int32 `json:"attempts,omitempty"`
	// retryAt is when that will be tried again.
	// +optional
	RetryAt *metav1.Time `json:"retryAt,omitempty"`
}

// PersonWait is a person's turn.
type PersonWait struct {
	// who acts; empty where the provider did not say.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Who string `json:"who,omitempty"`
	// instruction in one sentence.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	Instruction string `json:"instruction"`
	// secretName is where what they give goes, in the Binding's namespace.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName,omitempty"`
	// since when it is waited for.
	// +required
	Since metav1.Time `json:"since"`
}

// BindingCredentials says which credentials are in force, without saying anything about their contents.
type BindingCredentials struct {
	// version is how often what the consumer reads was exchanged, by a rotation or because its provider moved. It is kept in the Secret
	// as well, which outlives the Binding.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Version int64 `json:"version,omitempty"`
	// since is when they came into force, or were adopted.
	// +required
	Since metav1.Time `json:"since"`
	// changedAt is when the consumer's Secret got other contents last, its provider's address included.
	// +optional
	ChangedAt *metav1.Time `json:"changedAt,omitempty"`
	// requested is the value of the rotate-at annotation that was dealt with last.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Requested string `json:"requested,omitempty"`
}

// RotationPhase is what a rotation does now. Each is recorded before it has any effect.
// +kubebuilder:validation:Enum=Preparing;Provisioning;Verifying;Switching;Rolling;Confirming;Retiring
type RotationPhase string

// Phases of a rotation, in their order.
const (
	// RotationPreparing stores new credentials beside those in force.
	RotationPreparing RotationPhase = "Preparing"
	// RotationProvisioning makes the provider accept them.
	RotationProvisioning RotationPhase = "Provisioning"
	// RotationVerifying proves them before any consumer has them.
	RotationVerifying RotationPhase = "Verifying"
	// RotationSwitching puts them in force: one update of the consumer's Secret.
	RotationSwitching RotationPhase = "Switching"
	// RotationRolling waits until the consumer works with them.
	RotationRolling RotationPhase = "Rolling"
	// RotationConfirming proves them once more, as the consumer has them.
	RotationConfirming RotationPhase = "Confirming"
	// RotationRetiring takes the old ones away.
	RotationRetiring RotationPhase = "Retiring"
)

// BindingRotation is a rotation under way.
type BindingRotation struct {
	// number is the version that the credentials will have.
	// +required
	// +kubebuilder:validation:Minimum=1
	Number int64 `json:"number"`
	// phase the rotation is in.
	// +required
	Phase RotationPhase `json:"phase"`
	// startedAt is when it began.
	// +required
	StartedAt metav1.Time `json:"startedAt"`
	// requested is the value of the rotate-at annotation that it answers; empty where age is the cause.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Requested string `json:"requested,omitempty"`
	// provisioned is the digest of what the provider was made to accept.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Provisioned string `json:"provisioned,omitempty"`
	// switchedAt is when the new credentials came into force.
	// +optional
	SwitchedAt *metav1.Time `json:"switchedAt,omitempty"`
	// attempts at the current phase since one last succeeded.
	// +optional
	Attempts int32 `json:"attempts,omitempty"`
	// retryAt is when a failed phase will be tried again.
	// +optional
	RetryAt *metav1.Time `json:"retryAt,omitempty"`
	// failure is what the last attempt ended with.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Failure string `json:"failure,omitempty"`
}

// BindingSecret names the Secret of a binding.
type BindingSecret struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// MayHoldAccess reports whether the provider may have something for the binding: it was asked, whatever came of it.
func (b *Binding) MayHoldAccess() bool {
	return b.Status.Provisioned != "" || b.Status.Access != nil && b.Status.Access.RequestedAt != nil
}

// UsedComponents are the components that provide for the consumer, or did and may still be in use, as namespace and name.
func (b *Binding) UsedComponents() []string {
	namespace := b.ProviderKey().Namespace + "/"
	keys := []string{b.ProviderKey().String()}
	if b.Status.Access != nil {
		keys = append(keys, namespace+b.Status.Access.Provider.Component)
	}
	for _, former := range b.Status.FormerAccess {
		keys = append(keys, namespace+former.Provider.Component)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
