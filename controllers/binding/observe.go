package binding

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/exports"
)

// observation is everything a decision rests on.
type observation struct {
	// provider says whether the component that provides exists and works.
	providerFound, providerReady, providerDeleting bool
	// standing says whether a provider in another namespace lets the binding use it; difference names what the binding says of
	// it that is not so.
	standing   exports.Standing
	difference string
	// adminFound says whether the provider's admin credential exists; true where none is needed.
	adminFound bool
	// registration is how the provider registers consumers over HTTP; nil where it does not. api is where.
	registration *v1alpha1.HTTPRegistration
	api          *v1alpha1.Endpoint
	// provisioner is the image of one that does not come with the operator.
	provisioner string
	// given is what a person left; empty where no person is asked, or nothing is there.
	given corev1.Secret
	// channel is what leads through a mediator: empty once it is proved, or where there is none, otherwise why it is not.
	channel string
	// preparation is the first step of the provider's preparation that is to be waited for; empty where there is none. asked tells
	// of a binding that is a step itself whether the provider asks for it.
	preparation string
	asked       bool
	// credential is the provider's Secret that a step puts in force, with its version; empty where it does none.
	credential, credentialVersion string
	// consumer is the other end.
	consumer consumer
	// former is the oldest place that was changed for another.
	former former
	// proposed tells that other contents wait for the consumer's Secret, and that this is recorded.
	proposed bool
	// provision and verify are digests of what is to be provisioned and proved.
	provision, verify string
}

// consumer is the component that consumes, as far as a rotation has to know it.
type consumer struct {
	// installed tells that a release of it is made here, which takes rotated credentials up.
	installed bool
	// brokenSince is when it stopped working; zero while it works, or never did.
	brokenSince time.Time
	// ready tells that it works, readySince since when, and credentials with which version of this binding's.
	ready       bool
	readySince  time.Time
	credentials int64
	// settled tells that what is asked of it is what it was last brought to.
	settled bool
}

func (p *pass) observe(ctx context.Context) error {
	var provider v1alpha1.Component
	found, err := p.getBesideProvider(ctx, p.object.Spec.Provider.Component, &provider)
	if err != nil {
		return fmt.Errorf("read component %s: %w", p.object.ProviderName(), err)
	}
	p.seen.providerFound = found
	if found {
		p.seen.providerDeleting = !provider.DeletionTimestamp.IsZero()
		p.seen.providerReady = conditions.IsTrue(&provider, v1alpha1.ReadyCondition)
	}
	p.observeGrant(&provider)
	p.observeRegistration(&provider)
	if err := p.observePreparations(ctx, &provider); err != nil {
		return err
	}
	if err := p.observeChannel(ctx); err != nil {
		return err
	}
	if err := p.observeConsumer(ctx); err != nil {
		return err
	}
	if err := p.observeFormer(ctx); err != nil {
		return err
	}
	p.seen.proposed = p.proposal != nil && p.base.Status.Proposed
	p.seen.adminFound = true
	if name := p.object.Spec.Provider.AdminSecretName; name != "" {
		if p.seen.adminFound, err = p.getBesideProvider(ctx, name, secretObject()); err != nil {
			return fmt.Errorf("read Secret %s: %w", name, err)
		}
	}
	p.seen.provision = digest(p.provisionParts()...)
	p.seen.verify = p.verifyDigest()
	return nil
}

// provisionParts are what calls for provisioning anew when it changes.
func (p *pass) provisionParts() []any {
	spec := p.object.Spec
	parts := []any{p.object.UID, spec.Provider, spec.Parameters, spec.Outputs, spec.Given, p.seen.given.ResourceVersion}
	if p.seen.registration != nil {
		parts = append(parts, p.seen.registration, p.seen.api)
	}
	if p.seen.credential != "" {
		parts = append(parts, p.seen.credential, p.seen.credentialVersion)
	}
	if p.seen.provisioner != "" {
		parts = append(parts, p.seen.provisioner)
	}
	return parts
}

// observeRegistration reads how the provider registers consumers. It is the provider's word: the admin credential works by what
// is said there.
func (p *pass) observeRegistration(provider *v1alpha1.Component) {
	p.seen.registration, p.seen.api, p.seen.provisioner = nil, nil, ""
	if step, listed := provider.Spec.Preparation(p.object.Name); listed {
		p.seen.provisioner = step.Image
		if p.seen.registration = step.HTTP; step.HTTP != nil {
			p.seen.api = p.object.Spec.Provider.Endpoint
		}
	}
	for _, each := range provider.Spec.Provisioners {
		if each.Contract == p.object.Spec.GetRegistration().Contract {
			p.seen.provisioner = each.Image
		}
	}
	if p.object.Spec.Provider.Provisioner != v1alpha1.ProvisionerHTTP {
		return
	}
	for i := range provider.Spec.Registrations {
		if registration := &provider.Spec.Registrations[i]; registration.Contract == p.object.Spec.GetRegistration().Contract {
			p.seen.registration = &registration.HTTP
			p.seen.api = p.object.Spec.Provider.Endpoint
		}
	}
	if p.seen.registration == nil || p.seen.registration.Endpoint == "" {
		return
	}
	for i := range provider.Spec.Endpoints {
		if provider.Spec.Endpoints[i].Name == p.seen.registration.Endpoint {
			p.seen.api = &provider.Spec.Endpoints[i]
		}
	}
}

// observeChannel looks at the binding that leads through the mediator to who is behind it.
func (p *pass) observeChannel(ctx context.Context) error {
	p.seen.channel = ""
	if p.object.Spec.Via == nil {
		return nil
	}
	var channel v1alpha1.Binding
	name := p.object.Spec.Via.Channel
	found, err := p.get(ctx, name, &channel)
	if err != nil {
		return fmt.Errorf("read binding %s: %w", name, err)
	}
	p.seen.channel = "Waiting for binding " + name + ", through which " + p.object.Spec.Via.Component + " is reached"
	ready := conditions.Get(&channel, v1alpha1.ReadyCondition)
	switch {
	case !found:
		p.seen.channel += "; it does not exist"
	case ready != nil && ready.Status == metav1.ConditionTrue:
		p.seen.channel = ""
	case ready != nil:
		p.seen.channel += ": " + ready.Message
	}
	return nil
}

func (p *pass) observeConsumer(ctx context.Context) error {
	if p.object.Spec.IsPreparation() {
		return nil
	}
	var component v1alpha1.Component
	found, err := p.get(ctx, p.object.Spec.Consumer.Component, &component)
	if err != nil {
		return fmt.Errorf("read component %s: %w", p.object.Spec.Consumer.Component, err)
	}
	named := slices.ContainsFunc(component.Spec.Bindings, func(b v1alpha1.ComponentBinding) bool { return b.Name == p.object.Name })
	p.seen.consumer.installed = found && named && component.Spec.Chart != nil
	p.seen.consumer.settled = component.Status.ObservedGeneration == component.Generation
	p.seen.consumer.ready = conditions.IsTrue(&component, v1alpha1.ReadyCondition)
	if ready := conditions.Get(&component, v1alpha1.ReadyCondition); ready != nil && p.seen.consumer.ready {
		p.seen.consumer.readySince = ready.LastTransitionTime.Time
	} else if ready != nil {
		p.seen.consumer.brokenSince = ready.LastTransitionTime.Time
	}
	for _, each := range component.Status.Credentials {
		if each.Binding == p.object.Name {
			p.seen.consumer.credentials = each.Version
		}
	}
	return nil
}

// verifyDigest changes with whatever calls for another proof, the consumer's Secret included.
func (p *pass) verifyDigest() string {
	parts := []any{p.seen.provision, p.object.Spec.Verification.Method, p.contents()}
	if image := p.object.Spec.Verification.Image; image != "" {
		parts = append(parts, image)
	}
	return digest(parts...)
}

func (p *pass) get(ctx context.Context, name string, into client.Object) (bool, error) {
	err := p.Client.Get(ctx, client.ObjectKey{Namespace: p.object.Namespace, Name: name}, into)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// getBesideProvider is get in the provider's namespace.
func (p *pass) getBesideProvider(ctx context.Context, name string, into client.Object) (bool, error) {
	err := p.Client.Get(ctx, client.ObjectKey{Namespace: p.object.ProviderKey().Namespace, Name: name}, into)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

func digest(parts ...any) string {
	sum := sha256.New()
	// What is digested comes from the API: it can always be written as JSON.
	_ = json.NewEncoder(sum).Encode(parts)
	return hex.EncodeToString(sum.Sum(nil))[:16]
}
