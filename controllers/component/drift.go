package component

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/observe"
	"github.com/dpi-operator/dpi-operator/internal/release"
	"github.com/dpi-operator/dpi-operator/internal/render"
	"github.com/dpi-operator/dpi-operator/internal/request"
)

// drift finds out which objects of the deployed release somebody else changed, and undoes that where it is asked for. The
// engine is called only for objects that look other than when they were last found as wanted; what is known of the
// others is enough.
func (p *pass) drift(ctx context.Context, snapshot observe.Snapshot) error {
	key := types.NamespacedName{Namespace: p.object.Namespace, Name: p.object.Name}
	policy := p.object.Spec.Policy.Drift
	if policy.GetMode() == v1alpha1.DriftOff {
		p.drifts.forget(key)
		return nil
	}
	known := p.drifts.of(key, p.driftScope())
	looks := looksOf(p.facts.released.Inventory, snapshot)
	suspected := p.driftRequest(known.suspects(p.facts.released, looks))
	if len(suspected.Objects) > 0 {
		found, err := p.Releases.Drift(ctx, suspected)
		if err != nil {
			return fmt.Errorf("look for drift: %w", err)
		}
		for _, each := range found {
			if known.judge(each, looks) && policy.GetMode() == v1alpha1.DriftWarn && !p.wasTold(each) {
				known.tell(foundEvent(each))
			}
		}
	}
	if policy.GetMode() == v1alpha1.DriftCorrect {
		if err := p.correct(ctx, suspected, known); err != nil {
			return fmt.Errorf("correct drift: %w", err)
		}
	}
	p.facts.drift = known
	return nil
}

// wasTold reports whether the condition says it already: another process found it before.
func (p *pass) wasTold(found release.Drift) bool {
	condition := conditions.Get(p.base, v1alpha1.DriftedCondition)
	return condition != nil && strings.Contains(condition.Message, sentenceOf(found))
}

// driftScope changes with whatever makes earlier judgements and counts worthless.
func (p *pass) driftScope() string {
	return fmt.Sprintf("%d/%d/%s", p.facts.released.Revision, p.object.Generation, p.object.Annotations[v1alpha1.ResetAtAnnotation])
}

func (p *pass) driftRequest(suspects []render.ID) release.DriftRequest {
	out := release.DriftRequest{
		Namespace: p.object.Namespace, Name: p.object.Spec.ReleaseName, Owner: request.Owner(p.object),
		Revision: p.facts.released.Revision, Objects: suspects,
	}
	if p.object.Spec.Policy.Drift != nil {
		for _, rule := range p.object.Spec.Policy.Drift.Ignore {
			out.Ignore = append(out.Ignore, release.DriftIgnore(rule))
		}
	}
	return out
}

// correct undoes what was found, but not what was undone too often already.
func (p *pass) correct(ctx context.Context, suspected release.DriftRequest, known *driftRecord) error {
	for _, found := range known.drifted() {
		if !found.IsCorrectable() {
			continue
		}
		if !known.mayCorrect(found.ID, p.Now()) {
			if known.contest(found.ID) {
				known.tell(contestedEvent(found))
			}
			continue
		}
		err := p.Releases.Correct(ctx, suspected, found)
		switch {
		case errors.Is(err, apply.ErrTerminating):
			// It is made again once it is gone; a watch tells.
			continue
		case errors.Is(err, apply.ErrRefused), errors.Is(err, apply.ErrImmutable), errors.Is(err, apply.ErrKindMissing):
			known.refuse(found.ID, err.Error())
			continue
		case err != nil:
			return err
		}
		known.corrected(found, p.Now())
		known.tell(correctedEvent(found))
	}
	return nil
}

func foundEvent(found release.Drift) release.Event {
	return release.Event{Type: release.EventWarning, Reason: string(v1alpha1.ReasonDriftFound), Message: sentenceOf(found)}
}

func correctedEvent(found release.Drift) release.Event {
	return release.Event{Type: release.EventNormal, Reason: string(v1alpha1.ReasonDriftCorrected), Message: "Corrected: " + sentenceOf(found)}
}

func contestedEvent(found release.Drift) release.Event {
	return release.Event{Type: release.EventWarning, Reason: string(v1alpha1.ReasonDriftContested), Message: contestedSentence(found)}
}
