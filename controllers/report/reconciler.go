package report

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/outcome"
	"github.com/dpi-operator/dpi-operator/internal/registryclient"
	"github.com/dpi-operator/dpi-operator/internal/report"
	"github.com/dpi-operator/dpi-operator/internal/wire"
)

// defaultInterval is the promise of how often a registry hears of an unchanged deployment.
const defaultInterval = 24 * time.Hour

// Reconciler reports deployments. All fields are required.
type Reconciler struct {
	// Client must not cache Secrets.
	Client client.Client
	// Namespace holds the CoordinationRegistries.
	Namespace string
	// CatalogNamespace holds the entries that identify goods.
	CatalogNamespace string
	// Now is the clock.
	Now func() time.Time
}

// +kubebuilder:rbac:groups=dpi-operator.io,resources=dpideployments,verbs=get;list;watch
// +kubebuilder:rbac:groups=dpi-operator.io,resources=dpideployments/status,verbs=patch
// +kubebuilder:rbac:groups=dpi-operator.io,resources=coordinationregistries,verbs=get;list;watch
// +kubebuilder:rbac:groups=dpi-operator.io,resources=digitalpublicgoods,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets;namespaces,verbs=get

// Reconcile makes one pass over one deployment's reports.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var object v1alpha1.DPIDeployment
	if err := r.Client.Get(ctx, request.NamespacedName, &object); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if object.Spec.Reporting == nil || len(object.Status.Components) == 0 || !object.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	base := object.DeepCopy()
	next, err := r.report(ctx, &object, base)
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: outcome.CatchUp}, nil
	}
	return ctrl.Result{RequeueAfter: next}, err
}

// report works on every registry of the deployment and returns when to look again.
func (r *Reconciler) report(ctx context.Context, object, base *v1alpha1.DPIDeployment) (time.Duration, error) {
	goods, clusterID, err := r.context(ctx)
	if err != nil {
		return 0, err
	}
	var next time.Duration
	for _, name := range object.Spec.Reporting.Registries {
		again, err := r.toRegistry(ctx, object, base, string(name), report.Input{Deployment: object, Goods: goods, ClusterID: clusterID})
		if err != nil {
			return 0, err
		}
		next = sooner(next, again)
	}
	forgetOthers(object)
	markReported(object)
	return next, conditions.PatchStatus(ctx, r.Client, object, base)
}

// toRegistry brings one slot up to date: news are allocated and stored, then sent, then settled.
func (r *Reconciler) toRegistry(ctx context.Context, object, base *v1alpha1.DPIDeployment, name string, in report.Input) (time.Duration, error) {
	slot := slotOf(object, name)
	var registry v1alpha1.CoordinationRegistry
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: r.Namespace, Name: name}, &registry)
	if apierrors.IsNotFound(err) {
		slot.Outcome = string(v1alpha1.ReasonRegistryNotFound)
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read registry %s: %w", name, err)
	}
	now := r.Now()
	in.Interval, in.ObservedAt = intervalOf(&registry), now
	snapshot := report.Snapshot(in)
	if broken := snapshot.Validate(); len(broken) > 0 {
		slot.Outcome = string(v1alpha1.ReasonRejected)
		ctrl.LoggerFrom(ctx).Info("A snapshot breaks the protocol's rules and is not sent", "field", broken[0].Field, "rule", broken[0].Rule)
		return 0, nil
	}
	digest, err := wire.Digest(snapshot)
	if err != nil {
		return 0, err
	}
	slot.DeploymentID = snapshot.DeploymentID
	fresh := report.Allocate(slot, digest, now)
	due, in2 := report.Due(*slot, now)
	if registry.Spec.Suspend || !due {
		return in2, nil
	}
	if fresh {
		slot.Outcome = string(v1alpha1.ReasonPending)
		markReported(object)
		if err := conditions.PatchStatus(ctx, r.Client, object, base); err != nil {
			return 0, err
		}
		object.DeepCopyInto(base)
		slot = slotOf(object, name)
	}
	snapshot.ObservedAt = slot.ObservedAt.UTC()
	answer, err := r.send(ctx, &registry, slot.Sequence, snapshot)
	if err != nil {
		ctrl.LoggerFrom(ctx).V(1).Info("A report was not delivered", "registry", name, "error", err.Error())
	}
	report.Settle(slot, answer, now, rand.Float64()) //nolint:gosec // spreads attempts, protects nothing
	_, again := report.Due(*slot, now)
	if slot.NextAttemptTime != nil && again == 0 {
		again = time.Second
	}
	return again, nil
}

func (r *Reconciler) send(ctx context.Context, registry *v1alpha1.CoordinationRegistry, sequence int64, snapshot wire.Deployment) (report.Answer, error) {
	event, err := wire.NewReported(registry.Spec.URL, registry.Spec.ReporterID, sequence, snapshot)
	if err != nil {
		return report.Answer{Status: 400}, err
	}
	sender, err := r.clientOf(ctx, registry)
	if err != nil {
		return report.Answer{Status: 401}, err
	}
	answer, err := sender.Send(ctx, event)
	if errors.Is(err, registryclient.ErrTooLarge) {
		answer.Status = 413
	}
	return answer, err
}

func (r *Reconciler) clientOf(ctx context.Context, registry *v1alpha1.CoordinationRegistry) (*registryclient.Client, error) {
	token, err := r.secretKey(ctx, registry.Spec.TokenSecret)
	if err != nil {
		return nil, err
	}
	target := registryclient.Registry{URL: registry.Spec.URL, Token: string(token)}
	if registry.Spec.CASecret != nil {
		if target.CA, err = r.secretKey(ctx, *registry.Spec.CASecret); err != nil {
			return nil, err
		}
	}
	return registryclient.New(target)
}

func (r *Reconciler) secretKey(ctx context.Context, reference v1alpha1.SecretKeyReference) ([]byte, error) {
	var secret corev1.Secret
	if err := r.Client.Get(ctx, client.ObjectKey{Namespace: r.Namespace, Name: reference.Name}, &secret); err != nil {
		return nil, fmt.Errorf("read Secret %s: %w", reference.Name, err)
	}
	value, ok := secret.Data[reference.GetKey()]
	if !ok {
		return nil, fmt.Errorf("secret %s has no key %s", reference.Name, reference.GetKey())
	}
	return value, nil
}

// context reads what identifies goods and the cluster.
func (r *Reconciler) context(ctx context.Context) (map[string]*v1alpha1.DigitalPublicGood, string, error) {
	var list v1alpha1.DigitalPublicGoodList
	if err := r.Client.List(ctx, &list, client.InNamespace(r.CatalogNamespace)); err != nil {
		return nil, "", fmt.Errorf("read the catalogue: %w", err)
	}
	goods := map[string]*v1alpha1.DigitalPublicGood{}
	for i := range list.Items {
		goods[list.Items[i].Name] = &list.Items[i]
	}
	// Where the cluster's own namespace may not be read, the operator's stands for it: it is unique and stable as well.
	var namespace corev1.Namespace
	err := r.Client.Get(ctx, client.ObjectKey{Name: "kube-system"}, &namespace)
	if apierrors.IsForbidden(err) {
		err = r.Client.Get(ctx, client.ObjectKey{Name: r.Namespace}, &namespace)
	}
	if err != nil {
		return nil, "", fmt.Errorf("identify the cluster: %w", err)
	}
	return goods, string(namespace.UID), nil
}
