package v1alpha1

// Labels and annotations the operator sets or reads. They are API: selectors of users and of network policies rest on them.
const (
	// ComponentLabel names the Component on every object it renders and on their pod templates. Its value never
	// changes during a component's life, so that it can be added once and never restarts a pod again.
	ComponentLabel = "dpi-operator.io/component"
	// ComponentNamespaceLabel carries the Component's namespace on cluster-scoped objects.
	ComponentNamespaceLabel = "dpi-operator.io/component-namespace"
	// DeploymentLabel names the DPIDeployment on the objects made for it.
	DeploymentLabel = "dpi-operator.io/deployment"
	// BindingLabel names the Binding on the objects made for it.
	BindingLabel = "dpi-operator.io/binding"
	// BindingNamespaceLabel carries the Binding's namespace on what is made for it in its provider's, where that is another one.
	BindingNamespaceLabel = "dpi-operator.io/binding-namespace"
	// CatalogLabel names the Catalog an entry was synced from.
	CatalogLabel = "dpi-operator.io/catalog"
	// RegistryLabel marks Secrets that hold the credentials of a CoordinationRegistry.
	RegistryLabel = "dpi-operator.io/coordination-registry"

	// ReconcileAtAnnotation asks for a reconcile now; any new value does. A Binding is proved anew.
	ReconcileAtAnnotation = "dpi-operator.io/reconcile-at"
	// ResetAtAnnotation clears counted failures, so that a stalled release is tried again; any new value does.
	ResetAtAnnotation = "dpi-operator.io/reset-at"
	// RotateAtAnnotation on a Binding asks for new credentials; any new value does. On a DPIDeployment it asks all of its
	// bindings, or the one whose name follows the value and a slash.
	RotateAtAnnotation = "dpi-operator.io/rotate-at"
	// CredentialsVersionAnnotation on the Secret of a Binding counts how often its credentials were rotated.
	CredentialsVersionAnnotation = "dpi-operator.io/credentials-version" //nolint:gosec // the name of an annotation
	// ProvisionalAnnotation on the Secret of a Binding says that it holds provisional values.
	ProvisionalAnnotation = "dpi-operator.io/provisional"
	// ProposedForAnnotation tells of a Secret with what is to be proved for which provider and parameters that is.
	ProposedForAnnotation = "dpi-operator.io/proposed-for"
	// CredentialsAnnotation on a pod template changes when credentials that the pods read were rotated. It is a digest of
	// versions, never of contents.
	CredentialsAnnotation = "dpi-operator.io/credentials" //nolint:gosec // the name of an annotation
	// StackSizeAnnotation on a Component says how many components its stack has. One that uses what another may bring waits
	// until it sees them all.
	StackSizeAnnotation = "dpi-operator.io/stack-size"
	// ApproveAnnotation on a DPIDeployment names the StackRevision that may be put in force.
	ApproveAnnotation = "dpi-operator.io/approve"
	// ForceDeleteAnnotation on a Component, set to "true", lets its deletion proceed although others use it.
	ForceDeleteAnnotation = "dpi-operator.io/force-delete"
	// BindingUIDAnnotation carries the UID of the Binding a credential Secret was made for.
	BindingUIDAnnotation = "dpi-operator.io/binding-uid"

	// Finalizer guards every kind whose deletion has work to do.
	Finalizer = "dpi-operator.io/finalizer"
	// FieldOwner is the field manager of everything the operator applies.
	FieldOwner = "dpi-operator"
)
