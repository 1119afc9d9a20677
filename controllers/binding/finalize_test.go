package binding_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

func TestDeletionRevokesAndKeepsTheData(t *testing.T) {
	w := newWorld(t)
	w.bind()
	var before corev1.Secret
	w.get(name, &before)
	if err := cluster.Delete(t.Context(), w.binding()); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonRevoking, "Taking access away at he-db")
	w.finishJob(provision.ActionRevoke, done())
	w.reconcile()
	w.wantGone()
	var after corev1.Secret
	w.get(name, &after)
	if diff := cmp.Diff(before.Data, after.Data); diff != "" {
		t.Error("the credentials changed")
	}
}

func TestDeletionWaitsForTheConsumer(t *testing.T) {
	w := newWorld(t)
	w.bind()
	consumer := &v1alpha1.Component{
		ObjectMeta: metav1.ObjectMeta{Name: "he-ehr", Namespace: w.namespace},
		Spec: v1alpha1.ComponentSpec{
			Good: v1alpha1.GoodReference{Name: "ehrbase", Version: "2"}, Bindings: []v1alpha1.ComponentBinding{{Name: name}},
		},
	}
	w.create(consumer)
	if err := cluster.Delete(t.Context(), w.binding()); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForConsumers, "Still used by component he-ehr")
	if len(w.jobs()) != 0 {
		t.Error("access was taken from a living consumer")
	}
}

func TestDeletionDoesNotHangWhenTheProviderIsGone(t *testing.T) {
	w := newWorld(t)
	w.bind()
	var provider v1alpha1.Component
	w.get("he-db", &provider)
	if err := cluster.Delete(t.Context(), &provider); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Delete(t.Context(), w.binding()); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	w.wantGone()
}

func (w *world) wantGone() {
	w.t.Helper()
	err := cluster.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, &v1alpha1.Binding{})
	if err == nil || client.IgnoreNotFound(err) != nil {
		w.t.Errorf("still there: %v", err)
	}
}

// revoked has access taken away, after which the binding is gone.
func (w *world) revoked() {
	w.t.Helper()
	w.reconcile()
	w.finishJob(provision.ActionRevoke, done())
	w.reconcile()
	w.wantGone()
}

func (w *world) delete() {
	w.t.Helper()
	if err := cluster.Delete(w.t.Context(), w.binding()); err != nil {
		w.t.Fatal(err)
	}
}

// forgetJobs takes away what failed, which tells as well that something was begun.
func (w *world) forgetJobs() {
	w.t.Helper()
	for _, job := range w.jobs() {
		if err := cluster.Delete(w.t.Context(), &job, client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
			w.t.Fatal(err)
		}
	}
}

// What was provisioned and then failed its proof, or was half done, may open the provider all the same.
func TestDeletionRevokesWhatWasNeverProved(t *testing.T) {
	for name, happens := range map[string]func(*world){
		"the proof failed": func(w *world) {
			w.bind()
			w.now = w.now.Add(v1alpha1.DefaultVerificationInterval + time.Second)
			w.reconcile()
			w.finishJob(provision.ActionVerify, &provision.Result{Phase: provision.PhaseFailed, Reason: provision.ReasonCredentialsRejected})
			w.reconcile()
			if w.binding().Status.Provisioned != "" {
				w.t.Fatal("still taken for provisioned")
			}
			w.forgetJobs()
		},
		"the first provisioning failed half way": func(w *world) {
			w.providerIsReady()
			w.reconcile()
			w.finishJob(provision.ActionProvision, &provision.Result{Phase: provision.PhaseRetry, Reason: "Lost"})
			w.reconcile()
			w.forgetJobs()
		},
		"the first provisioning runs, and the pass that began it died": func(w *world) {
			w.providerIsReady()
			w.reconcile()
			object := w.binding()
			object.Status.Access = nil
			if err := cluster.Status().Update(w.t.Context(), object); err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			happens(w)
			w.delete()
			w.revoked()
		})
	}
}

func TestDeletionTriesAfterEarlierFailuresOfAnotherKind(t *testing.T) {
	w := newWorld(t)
	w.providerIsReady()
	for range 6 {
		w.reconcile()
		w.finishJob(provision.ActionProvision, &provision.Result{Phase: provision.PhaseFailed, Reason: "ExtensionUnavailable"})
		w.reconcile()
		w.now = w.now.Add(longest)
	}
	w.delete()
	w.revoked()
	if told := w.told(); strings.Contains(told, "NotRevoked") {
		t.Errorf("told %s", told)
	}
}

func TestDeletionWaitsAWhileForAProviderThatRestarts(t *testing.T) {
	restarting := func() *world {
		w := newWorld(t)
		w.bind()
		w.databaseWorks("he-db", false)
		w.delete()
		w.now = w.binding().DeletionTimestamp.Time
		if again := w.reconcile().RequeueAfter; again < time.Minute {
			t.Errorf("looks again after %s", again)
		}
		w.want(metav1.ConditionFalse, v1alpha1.ReasonRevoking, "Taking access away at he-db once it works; no longer waited for after ")
		return w
	}
	w := restarting()
	w.databaseWorks("he-db", true)
	w.revoked()

	w = restarting()
	w.now = w.now.Add(time.Hour)
	w.reconcile()
	w.wantGone()
	if told := w.told(); !strings.Contains(told, "Access at he-db was not taken away, because it cannot be asked") {
		t.Errorf("told %s", told)
	}
}

func TestDeletionEndsAfterAFewRefusals(t *testing.T) {
	w := newWorld(t)
	w.bind()
	w.delete()
	for range 5 {
		w.reconcile()
		w.finishJob(provision.ActionRevoke, &provision.Result{Phase: provision.PhaseRetry, Reason: "Refused"})
		w.reconcile()
	}
	w.reconcile()
	w.wantGone()
	if told := w.told(); !strings.Contains(told, "NotRevoked") {
		t.Errorf("told %s", told)
	}
}

func TestRevocationNamesBothOfTwoThatAlternate(t *testing.T) {
	w := newWorld(t)
	w.bind()
	w.delete()
	w.reconcile()
	_, request := w.job()
	if request.Outputs["username"] != "he_ehr_a" || request.Retired["username"] != "he_ehr_b" {
		t.Errorf("asked for %v and %v", request.Outputs, request.Retired)
	}
}

// The provider knows what it made by the binding's identity, which may be that of an earlier binding.
func TestRevocationKnowsWhatWasMadeAlthoughTheSecretIsGone(t *testing.T) {
	w := newWorld(t)
	w.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: w.namespace, Labels: map[string]string{v1alpha1.BindingLabel: name},
			Annotations: map[string]string{v1alpha1.BindingUIDAnnotation: "of-an-earlier-one"},
		},
		Data: map[string][]byte{"username": []byte("he_ehr_a"), "password": []byte("secret")},
	})
	w.bind()
	secret, _ := w.secret(name)
	if err := cluster.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	w.delete()
	w.reconcile()
	if _, request := w.job(); request.Binding.UID != "of-an-earlier-one" {
		t.Errorf("asked for what belongs to %q", request.Binding.UID)
	}
}

func TestAnEdgeGoesOnceItsConsumerWorksWithAnother(t *testing.T) {
	w := newWorld(t)
	w.installConsumer()
	w.bind()
	w.consumerTakesUp()
	consumer := func(change func(*v1alpha1.Component)) {
		var object v1alpha1.Component
		w.get("he-ehr", &object)
		change(&object)
		if err := cluster.Update(t.Context(), &object); err != nil {
			t.Fatal(err)
		}
	}
	var object v1alpha1.Component
	w.get("he-ehr", &object)
	object.Status.Release = &v1alpha1.ReleaseStatus{Name: "he-ehr", Revision: 1}
	if err := cluster.Status().Update(t.Context(), &object); err != nil {
		t.Fatal(err)
	}
	consumer(func(c *v1alpha1.Component) { c.Spec.Bindings[0].Name = "he-ehr-database-via-exchange" })
	w.delete()
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForConsumers, "Still used by component he-ehr until it works without")
	w.consumerTakesUp()
	if again := w.reconcile().RequeueAfter; again == 0 {
		t.Error("does not look again")
	}
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForConsumers, "until the pods are gone that were replaced")
	w.now = w.now.Add(time.Minute)
	w.revoked()
}

func TestAnEdgeOfWhatMovesOutOfTheClusterStaysUntilItIsTakenDown(t *testing.T) {
	w := newWorld(t)
	w.installDatabase("he-ehr")
	w.bind()
	w.isElsewhere("he-ehr", "ehr.example.org")
	w.delete()
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForConsumers, "Still used by component he-ehr, whose release is taken down once nobody uses it")
	var object v1alpha1.Component
	w.get("he-ehr", &object)
	object.Status.Release = nil
	if err := cluster.Status().Update(t.Context(), &object); err != nil {
		t.Fatal(err)
	}
	w.revoked()
}

func TestPeopleOutsideHaveAWhileToFetchTheOtherSecret(t *testing.T) {
	w := newWorld(t)
	w.bind()
	successor := w.binding().DeepCopy()
	successor.ObjectMeta = metav1.ObjectMeta{Name: "he-ehr-database-via-exchange", Namespace: w.namespace}
	successor.Spec.SecretName = successor.Name
	w.create(successor)
	w.create(&v1alpha1.Component{
		ObjectMeta: metav1.ObjectMeta{Name: "he-ehr", Namespace: w.namespace},
		Spec:       v1alpha1.ComponentSpec{Good: v1alpha1.GoodReference{Name: "app", Version: "1"}, Bindings: []v1alpha1.ComponentBinding{{Name: successor.Name}}},
	})
	w.delete()
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForConsumers, "component he-ehr until binding he-ehr-database-via-exchange is proved")
	conditions.MarkReady(successor, conditions.True(v1alpha1.ReasonReady, "Proved"), conditions.Resting)
	if err := cluster.Status().Update(t.Context(), successor); err != nil {
		t.Fatal(err)
	}
	w.now = time.Now()
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForConsumers, "fetch Secret he-ehr-database-via-exchange instead")
	w.now = w.now.Add(v1alpha1.DefaultRotationGrace + time.Minute)
	w.revoked()
}

// Killed at the k-th write of a deletion, for every k, a fresh operator has access taken away once, and lets go.
func TestKilledAtAnyWriteADeletionIsFinished(t *testing.T) {
	for kill := 1; ; kill++ {
		w := newWorld(t)
		w.bind()
		w.delete()
		writes, died, revoked := 0, false, map[string]bool{}
		current := w.mortal(func() bool { writes++; return writes >= kill })
		for range 20 {
			_, err := current.Reconcile(t.Context(), w.request())
			if err != nil && !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			if err != nil {
				died, current = true, w.reconciler
			}
			for _, job := range w.jobs() {
				revoked[job.Name] = true
			}
			w.endJobs()
		}
		w.wantGone()
		if len(revoked) != 1 {
			t.Errorf("killed at write %d: access was taken away by %d Jobs", kill, len(revoked))
		}
		if !died {
			t.Logf("killed at each of %d writes", kill-1)
			return
		}
	}
}
