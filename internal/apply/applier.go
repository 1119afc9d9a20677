package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/render"
)

// Applier writes and removes objects with one identity. It is safe for concurrent use.
type Applier struct {
	client client.Client
	mapper meta.RESTMapper
	fence  func(context.Context) error
	// secrets are filled in at the last moment: what is recorded, compared and shown never holds them.
	secrets *Secrets
}

// NewApplier returns an Applier. The client must not cache. The fence is asked before each write and may be nil.
func NewApplier(uncached client.Client, mapper meta.RESTMapper, secrets *Secrets, fence func(context.Context) error) *Applier {
	if fence == nil {
		fence = func(context.Context) error { return nil }
	}
	return &Applier{client: uncached, mapper: mapper, secrets: secrets, fence: fence}
}

// Namespaced tells whether a kind is namespaced. A kind that the cluster does not serve is a KindMissingError.
func (a *Applier) Namespaced(gvk schema.GroupVersionKind) (bool, error) {
	mapping, err := a.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) {
		return false, &KindMissingError{GVK: gvk}
	}
	if err != nil {
		return false, fmt.Errorf("look up %s: %w", gvk.Kind, err)
	}
	return mapping.Scope.Name() == meta.RESTScopeNameNamespace, nil
}

// Observe reads the metadata of an object; nil if it, or its kind, does not exist.
func (a *Applier) Observe(ctx context.Context, id render.ID) (*metav1.PartialObjectMetadata, error) {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(id.GVK())
	err := a.client.Get(ctx, client.ObjectKey{Namespace: id.Namespace, Name: id.Name}, object)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", id, err)
	}
	return object, nil
}

// Read reads an object as it is now; nil if it, or its kind, does not exist.
func (a *Applier) Read(ctx context.Context, id render.ID) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(id.GVK())
	err := a.client.Get(ctx, client.ObjectKey{Namespace: id.Namespace, Name: id.Name}, object)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", id, err)
	}
	return object, nil
}

// CheckOwner returns an ErrForeign if the object exists and belongs to somebody else. It writes nothing.
func (a *Applier) CheckOwner(ctx context.Context, id render.ID, owner Ownership) error {
	existing, err := a.Observe(ctx, id)
	if err != nil || existing == nil {
		return err
	}
	if foreign := owner.foreignOwner(existing); foreign != "" {
		return &ObjectError{ID: id, Kind: ErrForeign, Detail: fmt.Sprintf(
			"exists and belongs to %s; remove it, rename one of the two, or allow it to be taken over", foreign)}
	}
	return nil
}

// Apply makes the object what is given, as our field manager, and returns what is there now. The object is not changed.
// Fields that others wrote are ours from now on, except those an autoscaler or a certificate injector keeps writing.
// Errors match ErrKindMissing, ErrNamespaceMissing, ErrImmutable, ErrRefused or ErrTerminating; all others are transient.
func (a *Applier) Apply(ctx context.Context, object *unstructured.Unstructured, owner Ownership) (*unstructured.Unstructured, error) {
	desired := object.DeepCopy()
	owner.mark(desired)
	return a.ApplyUnowned(ctx, desired)
}

// ApplyUnowned is Apply for an object that releases share: it gets no owner besides what it says itself.
func (a *Applier) ApplyUnowned(ctx context.Context, desired *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if err := a.fence(ctx); err != nil {
		return nil, err
	}
	desired = desired.DeepCopy()
	live, err := a.insist(ctx, desired)
	if err != nil {
		return nil, a.classify(ctx, desired, err)
	}
	if live.GetDeletionTimestamp() != nil {
		return nil, &ObjectError{ID: render.IDOf(live), Kind: ErrTerminating, Detail: "is being deleted; it is made again when it is gone"}
	}
	return live, nil
}

// insist applies, leaving contested fields to those who keep writing them and taking all others.
func (a *Applier) insist(ctx context.Context, desired *unstructured.Unstructured, options ...client.ApplyOption) (*unstructured.Unstructured, error) {
	live, err := a.apply(ctx, desired, options...)
	if fields := contested(err); len(fields) > 0 {
		for _, field := range fields {
			unstructured.RemoveNestedField(desired.Object, field...)
		}
		live, err = a.apply(ctx, desired, options...)
	}
	if apierrors.IsConflict(err) {
		live, err = a.apply(ctx, desired, append(slices.Clone(options), client.ForceOwnership)...)
	}
	return live, err
}

func (a *Applier) apply(ctx context.Context, desired *unstructured.Unstructured, options ...client.ApplyOption) (*unstructured.Unstructured, error) {
	live := desired.DeepCopy()
	if err := a.secrets.Fill(ctx, live); err != nil {
		return nil, err
	}
	options = append(slices.Clone(options), client.FieldOwner(FieldOwner))
	if err := a.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(live), options...); err != nil {
		return nil, err
	}
	return live, nil
}

// contested returns the fields of a conflict that another controller writes for good reason: the replicas of a scaled
// workload. A person's `kubectl scale` is no such reason.
func contested(err error) [][]string {
	var status apierrors.APIStatus
	if !apierrors.IsConflict(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var fields [][]string
	for _, cause := range status.Status().Details.Causes {
		byScaler := cause.Field == ".spec.replicas" && strings.Contains(cause.Message, `subresource "scale"`) &&
			!strings.Contains(cause.Message, `"kubectl`)
		if cause.Type == metav1.CauseTypeFieldManagerConflict && byScaler {
			fields = append(fields, []string{"spec", "replicas"})
		}
	}
	return fields
}

func (a *Applier) classify(ctx context.Context, desired *unstructured.Unstructured, err error) error {
	id := render.IDOf(desired)
	switch {
	case isMissingNamespace(err):
		return &ObjectError{ID: id, Kind: ErrNamespaceMissing, Detail: fmt.Sprintf("namespace %s does not exist", id.Namespace)}
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err):
		return &KindMissingError{GVK: id.GVK()}
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return fmt.Errorf("apply %s: %w", id, err)
	case apierrors.IsInvalid(err) && a.wouldBeValidAnew(ctx, desired):
		return &ObjectError{ID: id, Kind: ErrImmutable, Detail: "it must be deleted and made again: " + reasonOf(err)}
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsBadRequest(err), apierrors.IsRequestEntityTooLargeError(err),
		apierrors.IsMethodNotSupported(err), isUntyped(err):
		return &ObjectError{ID: id, Kind: ErrRefused, Detail: reasonOf(err)}
	}
	return fmt.Errorf("apply %s: %w", id, err)
}

// wouldBeValidAnew tells an immutable field from a wrong one: the same object under a name that is free is tried dry.
// The API says which of the two it is in prose only.
func (a *Applier) wouldBeValidAnew(ctx context.Context, desired *unstructured.Unstructured) bool {
	existing, err := a.Observe(ctx, render.IDOf(desired))
	if err != nil || existing == nil {
		return false
	}
	anew := desired.DeepCopy()
	anew.SetName("dpi-dry-" + strings.ToLower(string(existing.GetUID())))
	return a.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(anew), client.FieldOwner(FieldOwner), client.DryRunAll) == nil
}

func isMissingNamespace(err error) bool {
	var status apierrors.APIStatus
	return apierrors.IsNotFound(err) && errors.As(err, &status) && status.Status().Details != nil && status.Status().Details.Kind == "namespaces"
}

// isUntyped recognises an object that does not fit its kind's schema: the API answers it with a plain 500.
func isUntyped(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && status.Status().Code == 500 && status.Status().Reason == "" &&
		strings.HasPrefix(status.Status().Message, "failed to create typed patch object")
}

// reasonOf shortens what the cluster said to what helps. The values of a Secret are never part of an API error's causes,
// but whole messages of webhooks may be long.
func reasonOf(err error) string {
	const limit = 600
	var status apierrors.APIStatus
	text := err.Error()
	if errors.As(err, &status) && status.Status().Details != nil && len(status.Status().Details.Causes) > 0 {
		causes := status.Status().Details.Causes
		parts := make([]string, 0, len(causes))
		for _, cause := range causes {
			parts = append(parts, strings.TrimPrefix(cause.Field+": "+cause.Message, ": "))
		}
		text = strings.Join(parts, "; ")
	}
	if len(text) > limit {
		text = text[:limit] + "…"
	}
	return text
}
