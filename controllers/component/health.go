package component

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/health"
	"github.com/dpi-operator/dpi-operator/internal/observe"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

// logLines is how much of a failing container's log a status quotes.
const logLines = 5

// LiveObjects reads the live objects of components and tells of their changes.
type LiveObjects interface {
	Track(component types.NamespacedName, ids ...render.ID)
	Forget(component types.NamespacedName)
	Objects(ctx context.Context, request observe.Request) (observe.Snapshot, error)
	Needed(ctx context.Context, component types.NamespacedName, ids ...render.ID) ([]*unstructured.Unstructured, error)
}

// ContainerLogs reads the end of a container's log.
type ContainerLogs interface {
	Container(ctx context.Context, source health.LogSource, lines int) (string, error)
}

// observeLive reads the live objects of the release.
func (p *pass) observeLive(ctx context.Context) (observe.Snapshot, error) {
	inventory := p.facts.released.Inventory
	key := types.NamespacedName{Namespace: p.object.Namespace, Name: p.object.Name}
	var whole []schema.GroupVersionKind
	for _, rule := range p.object.Spec.Health {
		whole = append(whole, schema.FromAPIVersionAndKind(rule.APIVersion, rule.Kind))
	}
	p.Live.Track(key, inventory...)
	snapshot, err := p.Live.Objects(ctx, observe.Request{Component: key, Inventory: inventory, Whole: whole})
	if err != nil {
		return observe.Snapshot{}, fmt.Errorf("read the live objects: %w", err)
	}
	return snapshot, nil
}

// health assesses the live objects of the release.
func (p *pass) health(ctx context.Context, snapshot observe.Snapshot) (*health.Assessment, error) {
	rules, err := compileRules(p.object.Spec.Health)
	if err != nil {
		return nil, err
	}
	input := health.Input{
		Inventory: p.facts.released.Inventory, MayVanish: p.facts.released.Passing,
		Objects: snapshot.Objects, Unreadable: snapshot.Unreadable, Rules: rules,
		Deadline: p.object.GetStartupDeadline(), Now: p.Now(),
	}
	if p.object.Status.StartedAt != nil {
		input.DeadlineStart = p.object.Status.StartedAt.Time
	}
	assessment := health.Assess(input)
	p.facts.overdue, p.facts.deadline = assessment.Overdue, input.Deadline
	p.quoteLog(ctx, &assessment)
	return &assessment, nil
}

// quoteLog adds the last lines of a container that failed; one that still starts has nothing to explain. Without them
// the assessment stands all the same.
func (p *pass) quoteLog(ctx context.Context, assessment *health.Assessment) {
	failed := assessment.State == health.Failed || assessment.Overdue
	if !failed || assessment.Blocker == nil || assessment.Blocker.NeedsLogsOf == nil {
		return
	}
	tail, err := p.Logs.Container(ctx, *assessment.Blocker.NeedsLogsOf, logLines)
	if err != nil || tail == "" {
		return
	}
	told := assessment.Blocker.WithLog(tail)
	assessment.Blocker = &told
}

func compileRules(from []v1alpha1.HealthRule) (*health.Rules, error) {
	var rules []health.Rule
	for _, each := range from {
		rules = append(rules, health.Rule(each))
	}
	compiled, err := health.CompileRules(rules)
	if err != nil {
		return nil, fmt.Errorf("spec.health: %w", err)
	}
	return compiled, nil
}
