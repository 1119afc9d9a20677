package deployment

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/outcome"
	"github.com/dpi-operator/dpi-operator/internal/phrase"
)

// facts is what the status is computed from.
type facts struct {
	revision   *v1alpha1.StackRevision
	components map[string]*v1alpha1.Component
	bindings   map[string]*v1alpha1.Binding
	problem    *conditions.Verdict
	failure    error
	now        time.Time
}

func (p *pass) fold(ended outcome.Outcome) {
	f := facts{
		revision: p.inForce(), components: p.seen.components, bindings: p.seen.bindings, now: p.Now(),
	}
	switch {
	case p.problem != nil:
		verdict := conditions.False(p.problem.Reason, p.problem.Message)
		f.problem = &verdict
	case ended.Err() != nil:
		f.failure = ended.Err()
	}
	if ended.IsSettled() {
		p.object.Status.ObservedGeneration = p.object.Generation
	}
	foldStatus(p.object, f)
}

func (p *pass) inForce() *v1alpha1.StackRevision {
	if p.object.Status.Revision == nil {
		return nil
	}
	for i := range p.seen.revisions {
		if p.seen.revisions[i].Name == p.object.Status.Revision.Name {
			return &p.seen.revisions[i]
		}
	}
	return nil
}

// foldStatus computes the status of a deployment from facts alone.
func foldStatus(object *v1alpha1.DPIDeployment, f facts) {
	components, bindings := summaries(f), foldBindings(f)
	object.Status.Components = components.list
	object.Status.Progress = fmt.Sprintf("%d/%d", components.ready, len(components.list))
	conditions.Mark(object, v1alpha1.ComponentsReadyCondition, components.verdict())
	conditions.Mark(object, v1alpha1.BindingsReadyCondition, bindings.verdict())

	verdict, activity := summary(object, f, components, bindings)
	conditions.MarkReady(object, verdict, activity)
	if verdict.IsTrue() && object.Status.FirstReadyAt == nil {
		now := metav1.NewTime(f.now)
		object.Status.FirstReadyAt = &now
	}
}

// summary is the one sentence that matters. The first of these that applies:
//
//  1. the stack cannot be planned; what runs keeps running
//  2. the deployment is suspended
//  3. the operator failed and tries again
//  4. a component that is broken by itself, not by another
//  5. a binding that is not proved
//  6. a component that waits
//  7. all is well
func summary(object *v1alpha1.DPIDeployment, f facts, components componentFold, bindings bindingFold) (conditions.Verdict, conditions.Activity) {
	switch {
	case f.problem != nil && waits(f.problem.Reason):
		return *f.problem, conditions.Reconciling
	case f.problem != nil:
		return *f.problem, conditions.Stalled
	case f.revision == nil && object.Status.Pending != nil:
		return conditions.False(v1alpha1.ReasonAwaitingApproval, awaiting(object)), conditions.Reconciling
	case object.Spec.Suspend:
		return conditions.False(v1alpha1.ReasonSuspended, "Suspended; nothing is changed until spec.suspend is taken away"), conditions.Resting
	case f.failure != nil:
		return conditions.False(v1alpha1.ReasonRetrying, "Trying again: "+f.failure.Error()), conditions.Reconciling
	case components.blocker != nil:
		return conditions.False(v1alpha1.ReasonComponentNotReady, components.blocker.sentence()), components.blocker.activity()
	case bindings.blocker != nil:
		return conditions.False(v1alpha1.ReasonBindingNotReady, bindings.blocker.sentence()), bindings.blocker.activity()
	case components.waiting != nil:
		return conditions.False(v1alpha1.ReasonComponentNotReady, components.waiting.sentence()), conditions.Reconciling
	default:
		text := readySentence(len(components.list), bindings.total)
		if object.Status.Pending != nil {
			text += "; " + strings.ToLower(awaiting(object)[:1]) + awaiting(object)[1:]
		}
		return conditions.True(v1alpha1.ReasonReady, text), conditions.Resting
	}
}

// awaiting says what a person can do about a revision that waits for approval.
func awaiting(object *v1alpha1.DPIDeployment) string {
	pending := object.Status.Pending
	return fmt.Sprintf("Revision %d waits for approval: kubectl dpi approve %s -n %s --revision %d",
		pending.Number, object.Name, object.Namespace, pending.Number)
}

func readySentence(components, bindings int) string {
	if bindings == 0 {
		return phrase.Work(components, "component")
	}
	return phrase.Work(components, "component") + ", " + phrase.Count(bindings, "binding") + " proved"
}

// blocker is what stands in the way.
type blocker struct {
	name    string
	message string
	stalled bool
}

func (b blocker) sentence() string {
	if b.message == "" {
		return b.name + " has not been looked at yet"
	}
	return b.name + ": " + b.message
}

func (b blocker) activity() conditions.Activity {
	if b.stalled {
		return conditions.Stalled
	}
	return conditions.Reconciling
}

type componentFold struct {
	list  []v1alpha1.ComponentSummary
	ready int
	// blocker is broken or starting by itself, the stalled ones first; waiting only waits for others.
	blocker, waiting *blocker
}

func (c componentFold) verdict() conditions.Verdict {
	text := fmt.Sprintf("%d of %d components ready", c.ready, len(c.list))
	if c.ready == len(c.list) {
		return conditions.True(v1alpha1.ReasonReady, text)
	}
	return conditions.False(v1alpha1.ReasonComponentNotReady, text)
}

func summaries(f facts) componentFold {
	var out componentFold
	if f.revision == nil {
		return out
	}
	for _, wanted := range f.revision.Spec.Components {
		line := v1alpha1.ComponentSummary{
			Name: wanted.Name, Good: wanted.Spec.Good.Name, Version: wanted.Spec.Good.Version,
			Ready: metav1.ConditionUnknown, Reason: string(v1alpha1.ReasonProgressing),
		}
		stalled := false
		if component := f.components[wanted.Object]; component != nil {
			if ready := conditions.Get(component, v1alpha1.ReadyCondition); ready != nil {
				line.Ready, line.Reason, line.Message = ready.Status, ready.Reason, ready.Message
				line.Since = ready.LastTransitionTime.DeepCopy()
				if ready.Status == metav1.ConditionTrue && ready.ObservedGeneration != component.Generation {
					line.Ready, line.Message = metav1.ConditionUnknown, "A change is being taken up"
				}
			}
			stalled = conditions.Get(component, v1alpha1.StalledCondition) != nil
		}
		out.add(line, stalled)
	}
	return out
}

func (c *componentFold) add(line v1alpha1.ComponentSummary, stalled bool) {
	c.list = append(c.list, line)
	if line.Ready == metav1.ConditionTrue {
		c.ready++
		return
	}
	found := &blocker{name: line.Name, message: line.Message, stalled: stalled}
	switch v1alpha1.ConditionReason(line.Reason) {
	case v1alpha1.ReasonWaitingForBinding, v1alpha1.ReasonWaitingForDependency:
		if c.waiting == nil {
			c.waiting = found
		}
	default:
		if c.blocker == nil || (stalled && !c.blocker.stalled) {
			c.blocker = found
		}
	}
}

type bindingFold struct {
	total, ready int
	blocker      *blocker
}

func (b bindingFold) verdict() conditions.Verdict {
	text := fmt.Sprintf("%d of %d bindings proved", b.ready, b.total)
	if b.ready == b.total {
		return conditions.True(v1alpha1.ReasonReady, text)
	}
	return conditions.False(v1alpha1.ReasonBindingNotReady, text)
}

func foldBindings(f facts) bindingFold {
	var out bindingFold
	var waiting *blocker
	if f.revision == nil {
		return out
	}
	own := map[string]bool{}
	for _, component := range f.revision.Spec.Components {
		own[component.Object] = true
	}
	for _, wanted := range f.revision.Spec.Bindings {
		out.total++
		binding := f.bindings[wanted.Name]
		if binding == nil {
			out.consider(&blocker{name: describe(wanted)})
			continue
		}
		if conditions.IsTrue(binding, v1alpha1.ReadyCondition) {
			out.ready++
			continue
		}
		ready := conditions.Get(binding, v1alpha1.ReadyCondition)
		isOwn := wanted.Spec.Provider.Namespace == "" && own[wanted.Spec.Provider.Component]
		if ready != nil && ready.Reason == string(v1alpha1.ReasonWaitingForProvider) && isOwn {
			// The component that provides says why.
			continue
		}
		found := &blocker{name: describe(wanted), stalled: conditions.Get(binding, v1alpha1.StalledCondition) != nil}
		if ready != nil {
			found.message = ready.Message
		}
		if ready != nil && ready.Reason == string(v1alpha1.ReasonWaitingForPreparation) {
			// What it waits for says more, where it is in this stack.
			waiting = cmp.Or(waiting, found)
			continue
		}
		out.consider(found)
	}
	out.blocker = cmp.Or(out.blocker, waiting)
	return out
}

func (b *bindingFold) consider(found *blocker) {
	if b.blocker == nil || (found.stalled && !b.blocker.stalled) {
		b.blocker = found
	}
}

func describe(binding v1alpha1.RevisionBinding) string {
	return strings.Join([]string{"binding", binding.Name}, " ")
}
