package binding_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

func TestAProvisionerThatWaitsForAPersonIsAskedAgain(t *testing.T) {
	w := newWorld(t)
	w.providerIsReady()
	approve := func() *provision.Result {
		return &provision.Result{Phase: provision.PhaseWaiting, Reason: "Approval", Message: "the hub's owner must approve the participant"}
	}
	w.reconcile()
	for range 10 {
		w.finishJob(provision.ActionProvision, approve())
		w.reconcile()
		w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForPerson, "Waiting for a person: the hub's owner must approve the participant")
		w.now = w.now.Add(time.Minute)
		w.reconcile()
	}
	if object := w.binding(); conditions.Get(object, v1alpha1.StalledCondition) != nil || object.Status.Attempts > 0 {
		t.Errorf("waiting was counted as a failure: %+v", object.Status)
	}
	w.proved()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
	if w.binding().Status.WaitingFor != nil {
		t.Error("somebody is waited for still")
	}
}

// A provisioner that always says it is done, and whose work never holds, is asked ever more seldom, and a person is told.
func TestWhatIsProvisionedAndNeverProvedStalls(t *testing.T) {
	w := newWorld(t)
	w.providerIsReady()
	var last time.Duration
	for round := range 7 {
		w.reconcile()
		w.finishJob(provision.ActionProvision, done())
		w.reconcile()
		w.finishJob(provision.ActionVerify, &provision.Result{Phase: provision.PhaseFailed, Reason: provision.ReasonCredentialsRejected})
		delay := w.reconcile().RequeueAfter
		if delay < last || round > 0 && delay == last && delay < 2*time.Minute {
			t.Errorf("round %d: waits %s after %s", round, delay, last)
		}
		last = delay
		if stalled := conditions.Get(w.binding(), v1alpha1.StalledCondition) != nil; stalled != (round >= 5) {
			t.Errorf("round %d: stalled is %v", round, stalled)
		}
		if jobs := w.jobs(); len(jobs) > 1 {
			t.Errorf("round %d: %v", round, jobNames(jobs))
		}
		w.now = w.now.Add(delay + time.Second)
	}
}

func TestDoneWithoutWhatWasToBeMadeIsNotDone(t *testing.T) {
	w := newWorld(t)
	w.change(func(b *v1alpha1.Binding) {
		b.Spec.Outputs = append(b.Spec.Outputs, v1alpha1.BindingOutput{Name: "licence", Origin: v1alpha1.OriginMinted})
	})
	w.providerIsReady()
	w.reconcile()
	w.finishJob(provision.ActionProvision, done())
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonProvisioningFailed, "The provisioner says that it is done and gave no licence")
	w.now = w.now.Add(longest)
	w.reconcile()
	result := done()
	result.Outputs = map[string]string{"licence": "L-1"}
	w.finishJob(provision.ActionProvision, result)
	w.reconcile()
	w.finishJob(provision.ActionVerify, done())
	w.reconcile()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
}

// Nobody has to wait for the next attempt once what was missing is there, or once somebody asks.
func TestAnAttemptIsMadeAtOnceWhenItsReasonChanged(t *testing.T) {
	failed := func(t *testing.T) *world {
		t.Helper()
		w := newWorld(t)
		w.providerIsReady()
		w.reconcile()
		w.finishJob(provision.ActionProvision, &provision.Result{Phase: provision.PhaseRetry, Reason: "Unreachable"})
		w.reconcile()
		w.want(metav1.ConditionFalse, v1alpha1.ReasonProvisioningFailed, "Unreachable")
		return w
	}
	t.Run("the provider came back", func(t *testing.T) {
		w := failed(t)
		w.databaseWorks("he-db", false)
		w.reconcile()
		w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForProvider, "")
		w.databaseWorks("he-db", true)
		w.reconcile()
		w.want(metav1.ConditionFalse, v1alpha1.ReasonProvisioning, "")
	})
	t.Run("somebody asks", func(t *testing.T) {
		w := failed(t)
		w.change(func(b *v1alpha1.Binding) { b.Annotations = map[string]string{v1alpha1.ReconcileAtAnnotation: "now"} })
		w.reconcile()
		w.finishJob(provision.ActionProvision, &provision.Result{Phase: provision.PhaseRetry, Reason: "Unreachable"})
		if w.reconcile(); w.binding().Status.LastHandledReconcileAt != "now" {
			t.Error("the question was not answered")
		}
		w.reconcile()
		if jobs := w.jobs(); len(jobs) != 1 || len(jobs[0].Status.Conditions) == 0 {
			t.Errorf("asked once, it is tried again and again: %v", jobNames(jobs))
		}
	})
}

// A Secret that somebody deleted comes back with other credentials: pods that have read the old ones are replaced.
func TestADeletedSecretIsMadeAgainAndTakenUp(t *testing.T) {
	w := newWorld(t)
	w.installConsumer()
	w.bind()
	w.consumerTakesUp()
	before, _ := w.secret(name)
	if err := cluster.Delete(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	w.pass()
	after, _ := w.secret(name)
	if string(after.Data["password"]) == string(before.Data["password"]) || w.binding().Status.Credentials.Version != 1 {
		t.Errorf("version %d of the credentials", w.binding().Status.Credentials.Version)
	}
}

func TestASecretThatOpensSomethingElseIsNotAdopted(t *testing.T) {
	w := newWorld(t)
	adopted := w.leaveSecret(map[string]string{"username": "of_a_dba", "password": "theirs"})
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonForeignObject, `its username is another than the stack's, which is "he_ehr_a"; hand it over with bindings[].given`)
	if after, _ := w.secret(name); after.ResourceVersion != adopted {
		t.Error("it was written")
	}
}

// Labels and annotations are nobody's credentials.
func TestALabelOnTheSecretCallsForNoProof(t *testing.T) {
	w := newWorld(t)
	w.bind()
	secret, _ := w.secret(name)
	secret.Labels["team"] = "registry"
	if err := cluster.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
	if len(w.jobs()) > 0 {
		t.Errorf("started %v", jobNames(w.jobs()))
	}
	if strings.Contains(w.binding().Status.Verified, string(secret.Data["password"])) {
		t.Error("the password is in the status")
	}
}

// leaveSecret puts a Secret of the binding's name there, as an earlier binding would have left it, and returns its version.
func (w *world) leaveSecret(values map[string]string) string {
	w.t.Helper()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace, Labels: map[string]string{v1alpha1.BindingLabel: name}}, StringData: values,
	}
	w.create(secret)
	return secret.ResourceVersion
}
