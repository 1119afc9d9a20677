package deployment

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/exports"
	"github.com/dpi-operator/dpi-operator/internal/naming"
	"github.com/dpi-operator/dpi-operator/internal/plan"
)

// revisionsKept bounds the history of a deployment.
const revisionsKept = 10

func (p *pass) newRevision(next plan.Next) *v1alpha1.StackRevision {
	computed := next.Plan
	return &v1alpha1.StackRevision{
		ObjectMeta: p.meta(naming.Join(naming.ObjectMax, p.object.Name, strconv.FormatInt(next.Number, 10))),
		Spec: v1alpha1.StackRevisionSpec{
			Deployment: p.object.Name, Number: next.Number, Digest: computed.Digest, Source: next.Source, Template: computed.Template,
			Components: computed.Components, Bindings: computed.Bindings,
		},
	}
}

// act stores the revision and puts it in force, if it needs no approval or has it. The revision is stored before anything
// is made from it, so a pass that dies is continued by the next one from the same text.
func (p *pass) act(ctx context.Context, newest *v1alpha1.StackRevision) error {
	if err := p.store(ctx, newest); err != nil {
		return err
	}
	wanted, pending := choose(p.object, p.seen.revisions, newest)
	p.object.Status.Revision, p.object.Status.Pending = referenceTo(wanted), referenceTo(pending)
	if wanted == nil {
		return p.markRevisions(ctx)
	}
	// Bindings that stand come first: until they are proved as the revision says, no consumer takes up what it says of them.
	if err := p.ensureBindings(ctx, wanted, func(live *v1alpha1.Binding) bool { return live != nil }); err != nil {
		return err
	}
	for _, component := range wanted.Spec.Components {
		object := &v1alpha1.Component{ObjectMeta: p.meta(component.Object), Spec: component.Spec}
		// Who may use it is no part of the revision: what is granted or withdrawn today holds for yesterday's stack too.
		object.Spec.Exports = exports.Of(p.object.Spec.Exports, component.Name)
		object.Annotations = p.asked()
		object.Annotations[v1alpha1.StackSizeAnnotation] = strconv.Itoa(len(wanted.Spec.Components))
		if err := p.ensure(ctx, object, p.seen.components[component.Object]); err != nil {
			return err
		}
	}
	if err := p.ensureBindings(ctx, wanted, func(live *v1alpha1.Binding) bool { return live == nil }); err != nil {
		return err
	}
	if err := p.askForCredentials(ctx); err != nil {
		return err
	}
	if err := p.prune(ctx, wanted); err != nil {
		return err
	}
	return p.markRevisions(ctx)
}

// ensureBindings applies the bindings of a revision of which the live ones, or nil, are chosen.
func (p *pass) ensureBindings(ctx context.Context, wanted *v1alpha1.StackRevision, chosen func(live *v1alpha1.Binding) bool) error {
	for _, binding := range wanted.Spec.Bindings {
		live := p.seen.bindings[binding.Name]
		if !chosen(live) {
			continue
		}
		if err := p.ensure(ctx, &v1alpha1.Binding{ObjectMeta: p.meta(binding.Name), Spec: binding.Spec}, live); err != nil {
			return err
		}
	}
	return nil
}

func (p *pass) store(ctx context.Context, revision *v1alpha1.StackRevision) error {
	if revision.UID != "" {
		return nil
	}
	wanted := revision.DeepCopy()
	err := p.Client.Create(ctx, revision)
	if apierrors.IsAlreadyExists(err) {
		if err := p.mayCreate(ctx, wanted); err != nil {
			return err
		}
		// It is ours, and the cache does not have it yet.
		return apierrors.NewConflict(schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "stackrevisions"}, wanted.Name, err)
	}
	if err != nil {
		return fmt.Errorf("store revision %d: %w", wanted.Spec.Number, err)
	}
	p.seen.revisions = append(p.seen.revisions, *revision)
	return nil
}

func (p *pass) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: name, Namespace: p.object.Namespace,
		Labels: map[string]string{v1alpha1.DeploymentLabel: p.object.Name},
		OwnerReferences: []metav1.OwnerReference{{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: "DPIDeployment", Name: p.object.Name, UID: p.object.UID,
			Controller: new(true), BlockOwnerDeletion: new(true),
		}},
	}
}

// asked are the annotations by which a person asks something of every component.
func (p *pass) asked() map[string]string {
	out := map[string]string{}
	for _, name := range []string{v1alpha1.ReconcileAtAnnotation, v1alpha1.ResetAtAnnotation} {
		if value := p.object.Annotations[name]; value != "" {
			out[name] = value
		}
	}
	return out
}

// ensure applies the object whole unless the live one says the same already. An object of that name that belongs to
// someone else is left alone and refused.
func (p *pass) ensure(ctx context.Context, wanted, live client.Object) error {
	if !isNil(live) && sameSpec(wanted, live) {
		return nil
	}
	if isNil(live) {
		if err := p.mayCreate(ctx, wanted); err != nil {
			return err
		}
	}
	kind, err := p.Client.GroupVersionKindFor(wanted)
	if err != nil {
		return err
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(wanted)
	if err != nil {
		return fmt.Errorf("write %s %s: %w", kind.Kind, wanted.GetName(), err)
	}
	object := &unstructured.Unstructured{Object: fields}
	object.SetGroupVersionKind(kind)
	unstructured.RemoveNestedField(object.Object, "status")
	unstructured.RemoveNestedField(object.Object, "metadata", "creationTimestamp")
	configuration := client.ApplyConfigurationFromUnstructured(object)
	if err := p.Client.Apply(ctx, configuration, client.FieldOwner(v1alpha1.FieldOwner), client.ForceOwnership); err != nil {
		return fmt.Errorf("apply %s %s: %w", kind.Kind, wanted.GetName(), err)
	}
	return nil
}

func (p *pass) mayCreate(ctx context.Context, wanted client.Object) error {
	existing, ok := wanted.DeepCopyObject().(client.Object)
	if !ok {
		return fmt.Errorf("%T is no object", wanted)
	}
	err := p.Client.Get(ctx, client.ObjectKeyFromObject(wanted), existing)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if metav1.IsControlledBy(existing, p.object) {
		return nil
	}
	return p.refuseForeign(reflect.TypeOf(wanted).Elem().Name(), wanted.GetName())
}

func (p *pass) refuseForeign(kind, name string) error {
	return &plan.Problem{
		Reason:  v1alpha1.ReasonNameConflict,
		Message: fmt.Sprintf("%s %s exists and does not belong to this deployment; delete it, or rename the deployment or its component", kind, name),
	}
}

// prune deletes what earlier revisions had and this one has not. Each object's own finalizer orders its going.
func (p *pass) prune(ctx context.Context, wanted *v1alpha1.StackRevision) error {
	keep := map[string]bool{}
	for _, component := range wanted.Spec.Components {
		keep["Component/"+component.Object] = true
	}
	for _, binding := range wanted.Spec.Bindings {
		keep["Binding/"+binding.Name] = true
	}
	for name, binding := range p.seen.bindings {
		if !keep["Binding/"+name] {
			if err := p.remove(ctx, binding); err != nil {
				return err
			}
		}
	}
	for name, component := range p.seen.components {
		if !keep["Component/"+name] {
			if err := p.remove(ctx, component); err != nil {
				return err
			}
		}
	}
	for i := 0; i+revisionsKept < len(p.seen.revisions); i++ {
		if p.seen.revisions[i].Name == wanted.Name {
			continue
		}
		if err := p.remove(ctx, &p.seen.revisions[i]); err != nil {
			return err
		}
	}
	return nil
}

func (p *pass) remove(ctx context.Context, object client.Object) error {
	if !object.GetDeletionTimestamp().IsZero() {
		return nil
	}
	if err := p.Client.Delete(ctx, object, client.Preconditions{UID: new(object.GetUID())}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete %s: %w", object.GetName(), err)
	}
	return nil
}

// markRevisions says on each revision whether it is the one in force.
func (p *pass) markRevisions(ctx context.Context) error {
	for i := range p.seen.revisions {
		revision := &p.seen.revisions[i]
		if !revision.DeletionTimestamp.IsZero() {
			continue
		}
		base := revision.DeepCopy()
		conditions.MarkReady(revision, revisionVerdict(p.object, revision.Name), conditions.Resting)
		if err := conditions.PatchStatus(ctx, p.Client, revision, base); err != nil {
			return err
		}
	}
	return nil
}

func revisionVerdict(object *v1alpha1.DPIDeployment, name string) conditions.Verdict {
	inForce, pending := object.Status.Revision, object.Status.Pending
	switch {
	case pending != nil && pending.Name == name:
		return conditions.False(v1alpha1.ReasonAwaitingApproval, awaiting(object))
	case inForce == nil:
		return conditions.False(v1alpha1.ReasonSuperseded, "A newer revision waits for approval")
	case inForce.Name == name:
		return conditions.True(v1alpha1.ReasonReady, "In force")
	default:
		return conditions.False(v1alpha1.ReasonSuperseded, fmt.Sprintf("Revision %d is in force", inForce.Number))
	}
}

// sameSpec compares what JSON says, because the API server writes free-form fields its own way.
func sameSpec(wanted, live client.Object) bool {
	if !live.GetDeletionTimestamp().IsZero() || wanted.GetLabels()[v1alpha1.DeploymentLabel] != live.GetLabels()[v1alpha1.DeploymentLabel] {
		return false
	}
	for name, value := range wanted.GetAnnotations() {
		if live.GetAnnotations()[name] != value {
			return false
		}
	}
	return reflect.DeepEqual(specOf(wanted), specOf(live))
}

func specOf(object client.Object) any {
	raw, err := json.Marshal(object)
	if err != nil {
		return err
	}
	var content struct {
		Spec any `json:"spec"`
	}
	if err := json.Unmarshal(raw, &content); err != nil {
		return err
	}
	return content.Spec
}

func isNil(object client.Object) bool {
	return object == nil || reflect.ValueOf(object).IsNil()
}
