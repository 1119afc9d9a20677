package binding_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// minted has the provider make a licence, which the consumer may not do without.
func minted(b *v1alpha1.Binding) {
	b.Spec.Gate = v1alpha1.GateProvisional
	b.Spec.Outputs = append(b.Spec.Outputs, v1alpha1.BindingOutput{Name: "licence", Origin: v1alpha1.OriginMinted, Provisional: new("not-yet")})
}

func (w *world) licence() string {
	w.t.Helper()
	own, _ := w.secret(name)
	return string(own.Data["licence"])
}

func (w *world) wantLicence(value string, version int64) {
	w.t.Helper()
	own, _ := w.secret(name)
	_, provisional := own.Annotations[v1alpha1.ProvisionalAnnotation]
	if string(own.Data["licence"]) != value || provisional != (value == "not-yet") {
		w.t.Errorf("got licence %q, provisional %v; want %q", own.Data["licence"], provisional, value)
	}
	if credentials := w.binding().Status.Credentials; credentials == nil || credentials.Version != version {
		w.t.Errorf("got %+v, want version %d of what the consumer reads", credentials, version)
	}
}

func TestProvisionalValuesAreThereFirstAndNeverAgain(t *testing.T) {
	w := newWorld(t)
	w.change(minted)
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForProvider, "Waiting for component he-db")
	w.wantLicence("not-yet", 0)

	w.providerIsReady()
	w.reconcile()
	final := done()
	final.Outputs = map[string]string{"licence": "final-1"}
	w.finishJob(provision.ActionProvision, final)
	w.reconcile()
	w.finishJob(provision.ActionVerify, done())
	w.reconcile()
	w.reconcile()
	w.wantLicence("final-1", 1)

	w.change(func(b *v1alpha1.Binding) { b.Spec.Outputs[3].Provisional = new("another placeholder") })
	w.reconcile()
	if got := w.licence(); got != "final-1" {
		t.Errorf("the final value became %q", got)
	}
}

func TestAnEdgeThatIsMadeLastWaitsForItsConsumerOnce(t *testing.T) {
	w := newWorld(t)
	w.change(func(b *v1alpha1.Binding) { b.Spec.Gate = v1alpha1.GateAfter })
	w.installConsumer()
	w.providerIsReady()
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForConsumer, "Waiting for component he-ehr: this edge is made once both ends work")
	if jobs := w.jobs(); len(jobs) > 0 {
		t.Errorf("something was asked of the provider: %v", jobNames(jobs))
	}
	w.consumerTakesUp()
	w.bind()
	var consumer v1alpha1.Component
	w.get("he-ehr", &consumer)
	conditions.MarkReady(&consumer, conditions.False(v1alpha1.ReasonRolloutInProgress, "Away"), conditions.Reconciling)
	if err := cluster.Status().Update(t.Context(), &consumer); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "proved")
}

// byPerson has a desk make the licence.
func byPerson(b *v1alpha1.Binding) {
	b.Spec.Provider.Provisioner, b.Spec.Provider.AdminSecretName = "", ""
	b.Spec.Provider.Person = &v1alpha1.PersonStep{Who: "the partner desk", Instruction: "Enter the partner in the portal."}
	b.Spec.Outputs = append(b.Spec.Outputs, v1alpha1.BindingOutput{Name: "licence", Origin: v1alpha1.OriginMinted})
}

func TestAPersonIsWaitedForAndNoError(t *testing.T) {
	w := newWorld(t)
	w.change(byPerson)
	w.providerIsReady()
	w.reconcile()
	const turn = "Enter the partner in the portal; put licence into Secret he-ehr-database-given"
	since := w.binding().Status.WaitingFor
	if since == nil || since.Who != "the partner desk" || since.Instruction != turn || since.SecretName != "he-ehr-database-given" {
		t.Fatalf("got %+v", since)
	}
	for range 20 {
		w.now = w.now.Add(time.Hour)
		w.reconcile()
	}
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForPerson, "Waiting for the partner desk: "+turn)
	object := w.binding()
	if !object.Status.WaitingFor.Since.Equal(&since.Since) {
		t.Error("how long it is waited for was forgotten")
	}
	if conditions.Get(object, v1alpha1.StalledCondition) != nil || object.Status.Attempts > 0 {
		t.Error("waiting was counted as a failure")
	}

	given := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "he-ehr-database-given", Namespace: w.namespace}, StringData: map[string]string{"licence": "L-1"}}
	w.create(given)
	w.reconcile()
	w.finishJob(provision.ActionVerify, done())
	w.reconcile()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "proved")
	if w.licence() != "L-1" || w.binding().Status.WaitingFor != nil {
		t.Errorf("got licence %q, waiting for %+v", w.licence(), w.binding().Status.WaitingFor)
	}

	given.Data["licence"], given.StringData = []byte("L-2"), nil
	if err := cluster.Update(t.Context(), given); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	w.wantLicence("L-1", 0)
	w.finishJob(provision.ActionVerify, done())
	w.pass()
	w.wantLicence("L-2", 1)
}

func TestCredentialsThatAreHandedOverAreProvedAndNotMade(t *testing.T) {
	w := newWorld(t)
	w.change(func(b *v1alpha1.Binding) {
		b.Spec.Provider.Provisioner, b.Spec.Provider.AdminSecretName, b.Spec.Given = "", "", "from-the-dba"
	})
	w.providerIsReady()
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForPerson, "Waiting for whoever runs he-db: Hand the credentials over; put password into Secret from-the-dba")
	if own, _ := w.secret(name); len(own.Data["password"]) > 0 {
		t.Error("a password was made up")
	}
	given := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "from-the-dba", Namespace: w.namespace},
		Data:       map[string][]byte{"username": []byte("ehr_prod"), "password": []byte("theirs"), "host": []byte("elsewhere")},
	}
	w.create(given)
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonInvalid, `Secret from-the-dba says another host than the stack, which has "db"`)
	delete(given.Data, "host")
	if err := cluster.Update(t.Context(), given); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	if request := w.requested(); request.Outputs["username"] != "ehr_prod" {
		t.Errorf("the proof logs in as %q", request.Outputs["username"])
	}
	w.finishJob(provision.ActionVerify, done())
	w.reconcile()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "proved")
	own, _ := w.secret(name)
	if string(own.Data["username"]) != "ehr_prod" || string(own.Data["password"]) != "theirs" || string(own.Data["host"]) != "db" {
		t.Errorf("the consumer gets username %q, host %q", own.Data["username"], own.Data["host"])
	}
	w.reconcile()
	if again, _ := w.secret(name); again.ResourceVersion != own.ResourceVersion {
		t.Error("the Secret is written again and again")
	}

	given.Data["password"] = []byte("mistyped")
	if err := cluster.Update(t.Context(), given); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	w.finishJob(provision.ActionVerify, &provision.Result{Phase: provision.PhaseFailed, Reason: provision.ReasonCredentialsRejected})
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonVerificationFailed, "")
	if own, _ = w.secret(name); string(own.Data["password"]) != "theirs" {
		t.Error("a password that opens nothing reached the consumer")
	}
}
