package binding_test

import (
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// mediated makes the provider a mediator: behind it is he-records, to which the binding he-channel leads.
func mediated(b *v1alpha1.Binding) {
	b.Spec.Via = &v1alpha1.BindingVia{Component: "he-records", Channel: "he-channel"}
	b.Spec.Parameters = &apiextensionsv1.JSON{Raw: []byte(`{"asked":"of who is behind"}`)}
	b.Spec.Provider.Registers = &v1alpha1.BindingRegistration{
		Contract: "client-v1", Parameters: &apiextensionsv1.JSON{Raw: []byte(`{"asked":"of the mediator"}`)},
	}
}

func (w *world) channelSays(verdict conditions.Verdict) {
	w.t.Helper()
	var channel v1alpha1.Binding
	w.get("he-channel", &channel)
	conditions.MarkReady(&channel, verdict, conditions.Resting)
	if err := cluster.Status().Update(w.t.Context(), &channel); err != nil {
		w.t.Fatal(err)
	}
}

func TestAnEdgeThroughAMediatorWaitsForTheChannel(t *testing.T) {
	w := newWorld(t)
	w.change(mediated)
	w.providerIsReady()
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForProvider, "Waiting for binding he-channel, through which he-records is reached; it does not exist")

	channel := w.binding()
	channel.ObjectMeta = metav1.ObjectMeta{Name: "he-channel", Namespace: w.namespace}
	channel.Spec.Via, channel.Spec.Consumer.Component, channel.Spec.SecretName = nil, "he-records", "he-channel"
	w.create(channel)
	w.channelSays(conditions.False(v1alpha1.ReasonVerifying, "Proving it"))
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForProvider, "through which he-records is reached: Proving it")
	if jobs := w.jobs(); len(jobs) > 0 {
		t.Fatalf("something was asked of the mediator: %v", jobNames(jobs))
	}

	w.channelSays(conditions.True(v1alpha1.ReasonReady, "Proved"))
	w.bind()
	if got := w.binding().Status.Provider; got != "he-records via he-db" {
		t.Errorf("kubectl shows the provider as %q", got)
	}
	w.channelSays(conditions.False(v1alpha1.ReasonVerificationFailed, "404"))
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForProvider, "he-records is reached: 404")
}

func TestAMediatorRegistersTheConsumerAsItsOwn(t *testing.T) {
	w := newWorld(t)
	w.change(func(b *v1alpha1.Binding) {
		mediated(b)
		b.Spec.Via = nil
		b.Spec.Provider.Provisioner = v1alpha1.ProvisionerHTTP
	})
	w.changeComponent(func(c *v1alpha1.Component) {
		c.Spec.Registrations = registers("true")
		c.Spec.Registrations[0].Contract = "client-v1"
	})
	w.reconcile()
	if request := w.requested(); request.Contract != "client-v1" || !strings.Contains(string(request.Parameters), "mediator") || request.HTTP == nil {
		t.Errorf("the mediator was asked for %s %s, http %s", request.Contract, request.Parameters, request.HTTP)
	}
	w.finishJob(provision.ActionProvision, done())
	w.reconcile()
	if request := w.requested(); request.Contract != "postgresql-v1" || !strings.Contains(string(request.Parameters), "behind") {
		t.Errorf("the proof looks at %s %s", request.Contract, request.Parameters)
	}
}
