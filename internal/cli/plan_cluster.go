package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/dryrun"
	"github.com/dpi-operator/dpi-operator/internal/fetch"
	"github.com/dpi-operator/dpi-operator/internal/neighbours"
	"github.com/dpi-operator/dpi-operator/internal/plan"
	"github.com/dpi-operator/dpi-operator/internal/preview"
)

// chartTimeout bounds the wait for one chart: somebody sits and waits.
const chartTimeout = 20 * time.Second

// stack is a deployment as it would be declared, with what the cluster has of it.
type stack struct {
	deployment *v1alpha1.DPIDeployment
	// revisions, oldest first, and the one in force, if any.
	revisions []v1alpha1.StackRevision
	inForce   *v1alpha1.StackRevisionSpec
}

// online plans against a cluster.
func (o *planOptions) online(ctx context.Context) (planned, error) {
	var declared *v1alpha1.DPIDeployment
	var err error
	if o.file != "" {
		if declared, err = o.readDeployment(); err != nil {
			return planned{}, err
		}
	}
	cluster, namespace, err := newClient(o.flags)
	if err != nil {
		return planned{}, err
	}
	if declared == nil {
		declared = &v1alpha1.DPIDeployment{ObjectMeta: metav1.ObjectMeta{Name: o.name, Namespace: namespace}}
	}
	if declared.Namespace == "" {
		declared.Namespace = namespace
	}
	found, err := o.readStack(ctx, cluster, declared)
	if err != nil {
		return planned{}, err
	}
	next, err := o.next(ctx, cluster, found)
	if err != nil {
		return planned{}, err
	}
	input := preview.Input{
		InForce: found.inForce, Wanted: next.Plan, Number: next.Number, Stored: next.Revision != nil, Approval: o.approval(found, next),
	}
	if next.Revision != nil {
		input.Wanted = plan.OfRevision(found.inForce, &next.Revision.Spec)
	} else {
		input.Wanted.Steps = plan.Steps(found.inForce, next.Plan.Components, next.Plan.Bindings)
	}
	if o.diff {
		if input.Comparisons, err = o.compare(ctx, cluster, found, input.Wanted); err != nil {
			return planned{}, err
		}
	}
	return planned{key: keyOf(found.deployment), plan: input.Wanted, report: preview.Fold(input), online: true}, nil
}

// readStack reads the deployment and its revisions. One from a file is taken as the API server would store it.
func (o *planOptions) readStack(ctx context.Context, cluster client.Client, declared *v1alpha1.DPIDeployment) (stack, error) {
	live := &v1alpha1.DPIDeployment{}
	err := cluster.Get(ctx, client.ObjectKeyFromObject(declared), live)
	switch {
	case apierrors.IsNotFound(err) && o.file != "":
		live = nil
	case apierrors.IsNotFound(err):
		return stack{}, fmt.Errorf("there is no DPIDeployment %s in namespace %s; see kubectl get dpi -A", declared.Name, declared.Namespace)
	case err != nil:
		return stack{}, fmt.Errorf("read DPIDeployment %s: %w", declared.Name, err)
	}
	out := stack{deployment: live}
	if o.file != "" {
		if out.deployment, err = declare(ctx, cluster, declared, live); err != nil {
			return stack{}, err
		}
	}
	if live == nil {
		return out, nil
	}
	var revisions v1alpha1.StackRevisionList
	mine := client.MatchingLabels{v1alpha1.DeploymentLabel: live.Name}
	if err := cluster.List(ctx, &revisions, client.InNamespace(live.Namespace), mine); err != nil {
		return stack{}, fmt.Errorf("read the revisions of %s: %w", live.Name, err)
	}
	out.revisions = slices.DeleteFunc(revisions.Items, func(r v1alpha1.StackRevision) bool { return !metav1.IsControlledBy(&r, live) })
	slices.SortFunc(out.revisions, func(a, b v1alpha1.StackRevision) int { return int(a.Spec.Number - b.Spec.Number) })
	for i := range out.revisions {
		if live.Status.Revision != nil && out.revisions[i].Name == live.Status.Revision.Name {
			out.inForce = &out.revisions[i].Spec
		}
	}
	return out, nil
}

// declare has the API server check the deployment of a file and fill in its defaults, without storing it. Where it may not or
// cannot be asked, because the namespace is still to be made, the file is taken as it is.
func declare(ctx context.Context, cluster client.Client, declared, live *v1alpha1.DPIDeployment) (*v1alpha1.DPIDeployment, error) {
	tried := declared.DeepCopy()
	var err error
	if live == nil {
		err = cluster.Create(ctx, tried, client.DryRunAll)
	} else {
		tried = live.DeepCopy()
		tried.Spec = declared.Spec
		for name, value := range declared.Annotations {
			metav1.SetMetaDataAnnotation(&tried.ObjectMeta, name, value)
		}
		err = cluster.Update(ctx, tried, client.DryRunAll)
	}
	switch {
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return nil, fmt.Errorf("the cluster refuses the DPIDeployment: %w", flattened{err})
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
	case err != nil:
		return nil, fmt.Errorf("try the DPIDeployment: %w", err)
	}
	return tried, nil
}

// next is the revision that is looked at: the one that is named, the one that waits for approval, or what is asked for.
func (o *planOptions) next(ctx context.Context, cluster client.Client, found stack) (plan.Next, error) {
	number := o.revision
	if pending := found.deployment.Status.Pending; number == 0 && o.file == "" && pending != nil {
		number = pending.Number
	}
	if number != 0 {
		revision, err := plan.Find(number, found.revisions)
		return plan.Next{Revision: revision, Number: number}, err
	}
	input := plan.Input{Deployment: found.deployment, ClusterDomain: o.clusterDomain}
	var err error
	if input.Catalog, err = listCatalog(ctx, cluster, o.catalogNamespace); err != nil {
		return plan.Next{}, err
	}
	reader := neighbours.Reader{Client: cluster}
	if input.Neighbours, err = reader.Read(ctx, found.deployment); err == nil {
		input.Waits, err = reader.Waits(ctx, found.deployment)
	}
	if err != nil {
		return plan.Next{}, fmt.Errorf("%w; the operator can, if you may not: apply it and see kubectl dpi status", err)
	}
	next, err := plan.Decide(input, found.revisions)
	if problem, ok := errors.AsType[*plan.Problem](err); ok && problem.Reason == v1alpha1.ReasonCatalogEmpty {
		problem.Message = fmt.Sprintf("namespace %s has no catalogue entries; name another one with --catalog-namespace", o.catalogNamespace)
	}
	if err != nil {
		return next, err
	}
	revision := v1alpha1.StackRevisionSpec{Components: next.Plan.Components, Bindings: next.Plan.Bindings}
	if next.Revision != nil {
		revision = next.Revision.Spec
	}
	if problem := plan.Check(input, revision); problem != nil {
		return next, problem
	}
	return next, nil
}

// approval says what a person has to do before the revision is put in force; nothing if nobody has to.
func (o *planOptions) approval(found stack, next plan.Next) string {
	deployment := found.deployment
	inForce := found.inForce != nil && found.inForce.Number == next.Number
	command := func(verb string) string {
		return fmt.Sprintf("kubectl dpi %s %s -n %s", verb, deployment.Name, deployment.Namespace)
	}
	pending := deployment.Status.Pending
	switch {
	case inForce:
		return ""
	case pending != nil && pending.Number == next.Number && next.Revision != nil:
		return fmt.Sprintf("it waits for approval: %s --revision %d", command("approve"), next.Number)
	case o.revision != 0:
		return fmt.Sprintf("to hold the stack at it: %s --to %d", command("rollback"), next.Number)
	case deployment.Spec.Approval != v1alpha1.ApprovalManual || deployment.Spec.Revision != 0:
		return ""
	case next.Revision != nil && deployment.Annotations[v1alpha1.ApproveAnnotation] == next.Revision.Name:
		return ""
	}
	return fmt.Sprintf("approval is Manual: it will wait for %s --revision %d", command("approve"), next.Number)
}

func (o *planOptions) compare(ctx context.Context, cluster client.Client, found stack, wanted plan.Plan) (map[string]preview.Comparison, error) {
	config, err := o.flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("no cluster to talk to: %w; set KUBECONFIG or --kubeconfig", err)
	}
	fetcher, err := fetch.New(fetch.Options{CacheDir: cacheDir(), Timeout: chartTimeout, AllowLocal: o.chartRepository != ""})
	if err != nil {
		return nil, err
	}
	var charts dryrun.Source = fetcher
	if o.chartRepository != "" {
		charts = dryrun.Elsewhere{Source: fetcher, Repository: o.chartRepository, PlainHTTP: o.plainHTTP}
	}
	comparer, err := dryrun.New(config, cluster, charts)
	if err != nil {
		return nil, err
	}
	return comparer.Compare(ctx, keyOf(found.deployment), found.inForce, wanted)
}

// cacheDir keeps chart archives between runs; empty where the person has no home.
func cacheDir() string {
	root := os.Getenv("DPI_CACHE")
	if root == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return ""
		}
		root = filepath.Join(base, "dpi-operator")
	}
	return filepath.Join(root, "charts")
}

func listCatalog(ctx context.Context, cluster client.Reader, namespace string) (plan.Catalog, error) {
	var goods v1alpha1.DigitalPublicGoodList
	var contracts v1alpha1.InterfaceContractList
	var templates v1alpha1.StackTemplateList
	var sources v1alpha1.CatalogList
	for _, list := range []client.ObjectList{&goods, &contracts, &templates, &sources} {
		if err := cluster.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return plan.Catalog{}, fmt.Errorf("read the catalogue in namespace %s: %w", namespace, err)
		}
	}
	return plan.NewCatalog(goods.Items, contracts.Items, templates.Items, sources.Items), nil
}
