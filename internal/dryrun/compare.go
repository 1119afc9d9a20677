package dryrun

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"golang.org/x/sync/errgroup"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/plan"
	"github.com/dpi-operator/dpi-operator/internal/preview"
	"github.com/dpi-operator/dpi-operator/internal/release"
	"github.com/dpi-operator/dpi-operator/internal/request"
)

const (
	// atOnce is how many components are compared at the same time.
	atOnce = 4
	// Rate limits as kubectl has them: a dry run is one request for each object.
	clientQPS   = 50
	clientBurst = 300
)

// errWrites is what any attempt to write ends with.
var errWrites = errors.New("a dry run writes nothing")

// Comparer compares plans with a cluster.
type Comparer struct {
	components client.Reader
	charts     Source
	engine     *release.Engine
}

// New returns a Comparer for a cluster. Components are read with a client that knows the API's kinds and does not cache.
func New(config *rest.Config, components client.Reader, charts Source) (*Comparer, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = clientQPS, clientBurst
	cluster, err := apply.NewCluster(config)
	if err != nil {
		return nil, err
	}
	engine, err := release.New(release.Options{
		Cluster: cluster, Holder: "kubectl-dpi", Fence: func(context.Context) error { return errWrites },
	})
	if err != nil {
		return nil, err
	}
	return &Comparer{components: components, charts: charts, engine: engine}, nil
}

// Compare tells what a plan would change, by component. What cannot be compared says so and holds nothing else up; an error
// means that the context ended.
func (c *Comparer) Compare(
	ctx context.Context, deployment types.NamespacedName, inForce *v1alpha1.StackRevisionSpec, wanted plan.Plan,
) (map[string]preview.Comparison, error) {
	out := map[string]preview.Comparison{}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(atOnce)
	compare := func(component v1alpha1.RevisionComponent, ask func(context.Context, *v1alpha1.Component) (preview.Comparison, error)) {
		group.Go(func() error {
			result := c.one(ctx, deployment, component, ask)
			mu.Lock()
			defer mu.Unlock()
			out[component.Name] = result
			return ctx.Err()
		})
	}
	stays := map[string]bool{}
	for _, component := range wanted.Components {
		stays[component.Name] = true
		if component.Spec.Chart != nil {
			compare(component, c.release)
		}
	}
	if inForce != nil {
		for _, component := range inForce.Components {
			if !stays[component.Name] && component.Spec.Chart != nil {
				compare(component, c.removal)
			}
		}
	}
	return out, group.Wait()
}

// one compares a component as the plan has it, on top of what is known of the one that is there.
func (c *Comparer) one(
	ctx context.Context, deployment types.NamespacedName, wanted v1alpha1.RevisionComponent,
	ask func(context.Context, *v1alpha1.Component) (preview.Comparison, error),
) preview.Comparison {
	component := &v1alpha1.Component{}
	err := c.components.Get(ctx, types.NamespacedName{Namespace: deployment.Namespace, Name: wanted.Object}, component)
	switch {
	case apierrors.IsNotFound(err):
		component.ObjectMeta = metav1.ObjectMeta{
			Namespace: deployment.Namespace, Name: wanted.Object, Labels: map[string]string{v1alpha1.DeploymentLabel: deployment.Name},
		}
		component.Spec = wanted.Spec
	case err != nil:
		return preview.Comparison{Skipped: fmt.Sprintf("cannot read Component %s: %v", wanted.Object, err)}
	case component.Labels[v1alpha1.DeploymentLabel] != deployment.Name:
		return preview.Comparison{Refused: fmt.Sprintf(
			"Component %s exists and does not belong to this deployment; delete it, or rename the deployment or its component", wanted.Object)}
	case !plan.SameSpec(component.Spec, wanted.Spec):
		// What was observed of the old specification says nothing about this one.
		component.Spec = wanted.Spec
		component.Generation++
	}
	result, err := ask(ctx, component)
	if err != nil {
		result.Skipped = strings.Join(strings.Fields(err.Error()), " ")
	}
	return result
}

func (c *Comparer) release(ctx context.Context, component *v1alpha1.Component) (preview.Comparison, error) {
	reference := request.Chart(component)
	chart := release.Chart{Digest: reference.Digest, Load: func(ctx context.Context) ([]byte, error) {
		archive, err := c.charts.Get(ctx, reference)
		return archive.Data, err
	}}
	var err error
	if chart.Digest == "" {
		archive, failed := c.charts.Get(ctx, reference)
		err, chart.Digest = failed, archive.Digest
		chart.Load = func(context.Context) ([]byte, error) { return archive.Data, nil }
	}
	var comparison preview.Comparison
	if err == nil {
		var wanted release.Request
		if wanted, err = request.Release(component, chart); err == nil {
			comparison, err = c.engine.Compare(ctx, wanted)
		}
	}
	if err != nil {
		if text := chartProblem(err, reference); text != "" {
			return preview.Comparison{Skipped: text}, nil
		}
	}
	return comparison, err
}

func (c *Comparer) removal(ctx context.Context, component *v1alpha1.Component) (preview.Comparison, error) {
	return c.engine.CompareRemoval(ctx, request.Removal(component))
}
