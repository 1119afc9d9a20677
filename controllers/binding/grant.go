package binding

import (
	"time"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/exports"
	"github.com/dpi-operator/dpi-operator/internal/outcome"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// observeGrant tells how a binding stands to a provider in another namespace. It asks the provider itself: a Binding says where
// the admin credential is and where to take it, so that its word alone is worth nothing.
func (p *pass) observeGrant(provider *v1alpha1.Component) {
	p.seen.standing, p.seen.difference = exports.Granted, ""
	if !p.object.IsForeign() || !p.seen.providerFound {
		return
	}
	standing, terms := exports.Judge(provider.Spec.Exports, exports.Use{
		Contract: p.object.Spec.Contract, Namespace: p.object.Namespace, Deployment: p.object.Labels[v1alpha1.DeploymentLabel],
	})
	if !p.object.DeletionTimestamp.IsZero() || p.leaving {
		// To end its access is always allowed; where it is ended must be the provider's all the same.
		terms = v1alpha1.ExportTerms{}
	}
	p.seen.standing, p.seen.difference = standing, exports.Difference(p.object.Spec, provider.Spec, terms)
}

// entitled reports whether Jobs may work with the provider's admin credential for the binding.
func (o observation) entitled() bool { return o.standing == exports.Granted && o.difference == "" }

// decideForeign stops a binding that may not use its provider, or tells false. What is in use goes on working, unless the
// provider's owner says Revoked: a line that got lost in an edit is no outage.
func decideForeign(object *v1alpha1.Binding, seen observation, now time.Time) (decision, bool) {
	if !object.IsForeign() || seen.entitled() {
		return decision{}, false
	}
	reason := v1alpha1.ReasonNotGranted
	if object.Status.Provisioned != "" || isWithdrawn(object) {
		reason = v1alpha1.ReasonGrantWithdrawn
	}
	name := object.ProviderName() + " under " + object.Spec.Contract
	inUse := object.MayHoldAccess() && object.Spec.Provider.Provisioner != ""
	d := decision{}
	switch seen.standing {
	case exports.Revoked:
		if inUse {
			return decideRevocation(object, seen, now), true
		}
		d = waiting(reason, "The owner of "+name+" revoked access; data is kept there")
	case exports.NotExported, exports.NotGranted:
		d = waiting(reason, "No export grants "+name+" to namespace "+object.Namespace)
		if object.Status.Provisioned != "" && inUse {
			d.verdict.message += " any more: nothing is made, proved or rotated; the credentials in use still work"
		}
	case exports.Granted:
		return waiting(v1alpha1.ReasonProviderChanged,
			"The "+seen.difference+" of "+object.ProviderName()+" changed; waiting for the stack to be planned anew"), true
	}
	d.verdict.stalled = true
	return d, true
}

// decideRevocation ends what is in use, as soon as the provider can be asked.
func decideRevocation(object *v1alpha1.Binding, seen observation, now time.Time) decision {
	if at := object.Status.RetryAt; at != nil && now.Before(at.Time) {
		return decision{verdict: lastVerdict(object), outcome: outcome.Wait(at.Sub(now)), forget: true}
	}
	d := waiting(v1alpha1.ReasonGrantWithdrawn, "The owner of "+object.ProviderName()+" revoked access; ending it")
	if seen.providerReady && seen.adminFound && seen.difference == "" {
		d.step = stepRevoke
	} else {
		d.verdict.message += " once it works"
	}
	return d
}

func isWithdrawn(object *v1alpha1.Binding) bool {
	return lastVerdict(object).reason == v1alpha1.ReasonGrantWithdrawn
}

// takeRevocation draws the consequences of a revocation that the provider's owner asked for.
func (p *pass) takeRevocation(result provision.Result) outcome.Outcome {
	if result.Phase != provision.PhaseDone {
		return p.retry(stepRevoke, result)
	}
	p.object.Status.Attempts, p.object.Status.RetryAt = 0, nil
	p.object.Status.Provisioned, p.object.Status.Verified = "", ""
	if p.object.Status.Access != nil {
		p.object.Status.Access.RequestedAt = nil
	}
	d, _ := decideForeign(p.object, p.seen, p.Now())
	p.verdict = d.verdict
	p.verdict.reason = v1alpha1.ReasonGrantWithdrawn
	return outcome.Wait(0)
}
