package component

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/fetch"
	"github.com/dpi-operator/dpi-operator/internal/infer"
	"github.com/dpi-operator/dpi-operator/internal/release"
)

// inferThings renders the component once for each specification, also while it waits for others, so that these can see what
// it will bring. One that does not render brings and uses nothing as far as is known; it is tried again with each pass until
// it is released, and the release says what is wrong. Nobody waits for it meanwhile. An error that matches
// fetch.ErrFetching says that its chart is on its way.
func (p *pass) inferThings(ctx context.Context) error {
	known := p.object.Status.Inferred
	switch {
	case p.object.Spec.Chart == nil:
		p.object.Status.Inferred = nil
		return nil
	case known != nil && known.Generation == p.object.Generation && (!known.Incomplete || p.isInstalled()):
		return nil
	}
	inferred := &v1alpha1.InferredStatus{Generation: p.object.Generation, Incomplete: true}
	rendered, err := p.render(ctx)
	switch {
	case isTransient(err) && p.isInstalled():
		return nil
	case isTransient(err):
		return err
	case errors.Is(err, fetch.ErrFetching):
		p.object.Status.Inferred = inferred
		return err
	case err == nil && rendered.Refused == nil:
		inferred.Incomplete = false
		brings, uses := infer.Of(p.rendered(rendered))
		inferred.Brings, inferred.Uses = texts(brings), texts(uses)
	}
	p.object.Status.Inferred = inferred
	return nil
}

func (p *pass) render(ctx context.Context) (release.Preview, error) {
	wanted, err := p.request(ctx)
	if err != nil {
		return release.Preview{}, err
	}
	return p.Releases.Render(ctx, wanted)
}

// isTransient tells a failure of the cluster from one of the chart or the values, which the release will tell.
func isTransient(err error) bool {
	var refused *refusal
	return err != nil && !errors.As(err, &refused) && !isOfChart(err)
}

func (p *pass) rendered(preview release.Preview) infer.Rendered {
	rendered := infer.Rendered{
		Namespace: p.object.Namespace, Objects: slices.Concat(preview.Objects, preview.Hooks, preview.CRDs),
	}
	for _, credential := range p.object.Spec.Credentials {
		if len(credential.Keys) > 0 {
			rendered.Secrets = append(rendered.Secrets, credential.SecretName)
		}
	}
	return rendered
}

// inferNeeds makes edges of what the component uses and others of its deployment bring, and waits along those that are
// enforced. Whether a thing exists does not matter as long as it is the other's: a definition is there long before the
// operator behind it works. One that exists and is not the other's is not waited for.
func (p *pass) inferNeeds(ctx context.Context) error {
	inferred := p.object.Status.Inferred
	p.object.Status.InferredDependencies = nil
	if inferred == nil || len(inferred.Uses) == 0 {
		return nil
	}
	siblings, err := p.siblings(ctx)
	if err != nil {
		return err
	}
	edges := infer.Edges(p.object.Name, siblings.known)
	for _, edge := range edges[:min(len(edges), v1alpha1.MaxInferredDependencies)] {
		p.object.Status.InferredDependencies = append(p.object.Status.InferredDependencies, v1alpha1.InferredDependency{
			Component: edge.Component, Because: edge.Thing.String(), Enforcement: v1alpha1.Enforcement(edge.Enforcement),
		})
		if err := p.inferNeed(ctx, edge, siblings); err != nil {
			return err
		}
	}
	if p.isInstalled() || slices.Contains(p.object.Spec.Policy.Waive, "*") {
		return nil
	}
	unknown := need{kind: "component", found: true, because: "it may bring " + infer.Thing(inferred.Uses[0]).String()}
	switch {
	case len(siblings.unrendered) > 0:
		unknown.name = siblings.unrendered[0]
	case siblings.present < stackSize(p.object):
		unknown.kind, unknown.name = "the components", "of the stack to be declared"
	default:
		return nil
	}
	p.facts.needs = append(p.facts.needs, unknown)
	return nil
}

// stackSize is how many components the stack has, as far as its deployment says so.
func stackSize(object *v1alpha1.Component) int {
	size, err := strconv.Atoi(object.Annotations[v1alpha1.StackSizeAnnotation])
	if err != nil {
		return 0
	}
	return size
}

func (p *pass) inferNeed(ctx context.Context, edge infer.Edge, siblings siblings) error {
	if edge.Enforcement != infer.Enforced || siblings.ready[edge.Component] || p.isInstalled() {
		return nil
	}
	if id, isObject := edge.Thing.Object(p.object.Namespace); isObject {
		elsewhere, err := p.Releases.IsElsewhere(ctx, id, p.object.Namespace, edge.Component)
		if err != nil {
			return fmt.Errorf("look for %s: %w", edge.Thing, err)
		}
		if elsewhere {
			return nil
		}
	}
	p.facts.needs = append(p.facts.needs, need{kind: "component", name: edge.Component, found: true, because: "it brings " + edge.Thing.String()})
	return nil
}

// siblings are the components of a deployment, the one at hand included.
type siblings struct {
	known map[string]infer.Component
	ready map[string]bool
	// present counts them, but for those that go.
	present int
	// unrendered names those of which it is not known yet what they bring.
	unrendered []string
}

func (p *pass) siblings(ctx context.Context) (siblings, error) {
	found := siblings{known: map[string]infer.Component{}, ready: map[string]bool{}}
	var list v1alpha1.ComponentList
	// They are only looked at.
	if err := p.Client.List(ctx, &list, client.InNamespace(p.object.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return found, fmt.Errorf("look for components: %w", err)
	}
	var bindings v1alpha1.BindingList
	if err := p.Client.List(ctx, &bindings, client.InNamespace(p.object.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return found, fmt.Errorf("look for bindings: %w", err)
	}
	providers := map[string]string{}
	for i := range bindings.Items {
		if !bindings.Items[i].IsForeign() {
			providers[bindings.Items[i].Name] = bindings.Items[i].Spec.Provider.Component
		}
	}
	for i := range list.Items {
		sibling := &list.Items[i]
		if sibling.Name == p.object.Name {
			sibling = p.object
		}
		if sibling.Labels[v1alpha1.DeploymentLabel] != p.object.Labels[v1alpha1.DeploymentLabel] {
			continue
		}
		if sibling.DeletionTimestamp.IsZero() {
			found.present++
		}
		found.known[sibling.Name] = componentOf(sibling, providers)
		found.ready[sibling.Name], _ = readiness(sibling)
		if isUnrendered(sibling) {
			found.unrendered = append(found.unrendered, sibling.Name)
		}
	}
	slices.Sort(found.unrendered)
	return found, nil
}

func isUnrendered(sibling *v1alpha1.Component) bool {
	return sibling.Spec.Chart != nil && sibling.Status.Inferred == nil && !sibling.Spec.Suspend && sibling.DeletionTimestamp.IsZero()
}

func componentOf(object *v1alpha1.Component, providers map[string]string) infer.Component {
	component := infer.Component{Waived: object.Spec.Policy.Waive}
	if inferred := object.Status.Inferred; inferred != nil {
		component.Brings, component.Uses = things(inferred.Brings), things(inferred.Uses)
	}
	for _, name := range object.Spec.DependsOn {
		component.Declared = append(component.Declared, string(name))
	}
	for _, binding := range object.Spec.Bindings {
		if provider := providers[binding.Name]; provider != "" && binding.GetGate() == v1alpha1.GateReady {
			component.Declared = append(component.Declared, provider)
		}
	}
	return component
}

func texts(things []infer.Thing) []string {
	out := make([]string, 0, len(things))
	for _, thing := range things {
		out = append(out, string(thing))
	}
	return out
}

func things(texts []string) []infer.Thing {
	out := make([]infer.Thing, 0, len(texts))
	for _, text := range texts {
		out = append(out, infer.Thing(text))
	}
	return out
}
