package binding_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// installDatabase makes what provides in the cluster: a release with an address. No controller runs it.
func (w *world) installDatabase(component string) {
	w.t.Helper()
	w.create(&v1alpha1.Component{
		ObjectMeta: metav1.ObjectMeta{Name: component, Namespace: w.namespace},
		Spec: v1alpha1.ComponentSpec{
			Good:        v1alpha1.GoodReference{Name: "postgresql", Version: "15"},
			Chart:       &v1alpha1.ChartReference{Repository: "oci://registry.example.org", Name: "postgresql", Version: "1.0.0"},
			ReleaseName: component, Endpoints: []v1alpha1.Endpoint{{Name: "sql", URL: "tcp://" + component + ":5432", Host: component, Port: 5432}},
		},
	})
	w.databaseWorks(component, true)
}

func (w *world) databaseWorks(component string, works bool) {
	w.t.Helper()
	var object v1alpha1.Component
	w.get(component, &object)
	verdict := conditions.True(v1alpha1.ReasonReady, "Works")
	if !works {
		verdict = conditions.False(v1alpha1.ReasonRolloutInProgress, "Restarts")
	}
	conditions.MarkReady(&object, verdict, conditions.Resting)
	if err := cluster.Status().Update(w.t.Context(), &object); err != nil {
		w.t.Fatal(err)
	}
}

// isElsewhere takes the chart away from a component: it runs at that host from now on.
func (w *world) isElsewhere(component, host string) {
	w.t.Helper()
	var object v1alpha1.Component
	w.get(component, &object)
	object.Spec.Chart, object.Spec.ReleaseName, object.Spec.Endpoints[0].Host = nil, "", host
	if err := cluster.Update(w.t.Context(), &object); err != nil {
		w.t.Fatal(err)
	}
	object.Status.Release = &v1alpha1.ReleaseStatus{Name: component, Revision: 1}
	conditions.MarkReady(&object, conditions.True(v1alpha1.ReasonReady, "Runs elsewhere"), conditions.Resting)
	if err := cluster.Status().Update(w.t.Context(), &object); err != nil {
		w.t.Fatal(err)
	}
}

// boundToFirst is a world whose binding is in use at the first of two databases.
func boundToFirst(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.installConsumer()
	w.installDatabase("first")
	w.installDatabase("second")
	w.moveTo("first", "first")
	w.bind()
	w.consumerTakesUp()
	return w
}

// moveTo has the binding provided for by that component at that host.
func (w *world) moveTo(component, host string) {
	w.t.Helper()
	w.change(func(b *v1alpha1.Binding) {
		b.Spec.Provider.Component, b.Spec.Provider.Endpoint.Host = component, host
		b.Spec.Outputs[0].Value = &host
	})
}

// provedThere takes a binding whose provider changed to where the consumer can follow.
func (w *world) provedThere() {
	w.t.Helper()
	w.pass()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonProvisioning, "")
	w.finishJob(provision.ActionProvision, done())
	w.pass()
	w.finishJob(provision.ActionVerify, done())
	w.pass()
}

func (w *world) wantFormers(want ...string) {
	w.t.Helper()
	var got []string
	for _, former := range w.binding().Status.FormerAccess {
		got = append(got, former.Provider.Component+" at "+former.Provider.Endpoint.Host)
	}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		w.t.Fatalf("remembers %v, want %v", got, want)
	}
}

// drained lets the pods end that were replaced, and goes on.
func (w *world) drained() {
	w.t.Helper()
	w.now = w.now.Add(time.Minute)
	w.pass()
}

func TestAnEdgeMovesAndAccessAtTheFormerProviderEndsOnlyThen(t *testing.T) {
	w := boundToFirst(t)
	before, _ := w.secret(name)
	since := w.binding().Status.Credentials.Since
	w.moveTo("second", "second")
	w.pass()
	proposed, _ := w.secret(name + "-proposed")
	if now, _ := w.secret(name); string(proposed.Data["host"]) != "second" || now.ResourceVersion != before.ResourceVersion {
		t.Errorf("%q is proposed, and the consumer's Secret changed before that was proved", proposed.Data["host"])
	}
	if job, _ := w.job(); credentialOf(job) != proposed.Name {
		t.Errorf("works with %s", credentialOf(job))
	}
	w.provedThere()
	if _, left := w.secret(proposed.Name); left || w.binding().Status.Proposed {
		t.Error("what was proposed is left")
	}
	if !w.binding().Status.Credentials.Since.Equal(&since) {
		t.Error("another address made the credentials younger")
	}
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "waiting until component he-ehr works with it; until then access at first (first:5432) stays")
	after, _ := w.secret(name)
	if string(after.Data["host"]) != "second" || string(after.Data["password"]) != string(before.Data["password"]) {
		t.Error("the Secret does not tell the new address with the credentials in force")
	}
	if len(w.jobs()) > 0 {
		t.Fatalf("did not wait for the consumer: %v", jobNames(w.jobs()))
	}
	w.consumerTakesUp()
	w.pass()
	if len(w.jobs()) > 0 {
		t.Fatalf("pods that were replaced may still answer: %v", jobNames(w.jobs()))
	}
	w.drained()
	_, request := w.job()
	if request.Action != provision.ActionRevoke || request.Endpoint.Host != "first" || request.DataPolicy != provision.RetainData {
		t.Fatalf("asked for %+v", request)
	}
	w.finishJob(provision.ActionRevoke, done())
	w.pass()
	w.wantFormers()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "proved with the consumer's credentials")
	if told := w.told(); strings.Count(told, "Took the access away that first (first:5432) gave") != 1 {
		t.Errorf("told %s", told)
	}
	if len(w.jobs()) > 0 {
		t.Errorf("left %v", jobNames(w.jobs()))
	}
}

func TestAConsumerStaysWhereItIsWhileTheNewProviderDoesNotWork(t *testing.T) {
	w := boundToFirst(t)
	w.moveTo("second", "second")
	w.pass()
	w.finishJob(provision.ActionProvision, &provision.Result{Phase: provision.PhaseFailed, Reason: "AdminRejected", Message: "No"})
	w.pass()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonProvisioningFailed, "AdminRejected")
	w.wantFormers("first at first")
	w.consumerTakesUp()
	w.now = w.now.Add(24 * time.Hour)
	w.pass()
	w.wantFormers("first at first")

	if secret, _ := w.secret(name); string(secret.Data["host"]) != "first" {
		t.Errorf("the consumer is told of %s, which was not proved", secret.Data["host"])
	}
	w.moveTo("first", "first")
	w.drained()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
	_, request := w.job()
	if request.Action != provision.ActionRevoke || request.Endpoint.Host != "second" {
		t.Errorf("what was begun at the other one is not taken back: %+v", request)
	}
}

func TestMovingOutOfTheClusterAsksNothingOfWhatIsTakenDown(t *testing.T) {
	w := boundToFirst(t)
	w.isElsewhere("first", "db.example.org")
	w.moveTo("first", "db.example.org")
	w.provedThere()
	w.wantFormers("first at first")
	w.consumerTakesUp()
	w.drained()
	w.wantFormers()
	if len(w.jobs()) > 0 {
		t.Errorf("started %v", jobNames(w.jobs()))
	}
	if told := w.told(); !strings.Contains(told, "Access at first (first:5432) ends with what runs there") {
		t.Errorf("told %s", told)
	}
}

func TestAFormerProviderThatIsGoneIsNotWaitedFor(t *testing.T) {
	w := boundToFirst(t)
	w.moveTo("second", "second")
	w.provedThere()
	if err := cluster.Delete(t.Context(), &v1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Name: "first", Namespace: w.namespace}}); err != nil {
		t.Fatal(err)
	}
	w.consumerTakesUp()
	w.drained()
	w.wantFormers()
	if told := w.told(); !strings.Contains(told, "Access at first (first:5432) was not taken away") {
		t.Errorf("told %s", told)
	}
}

func TestAFormerProviderThatDoesNotAnswerIsAskedAFewTimes(t *testing.T) {
	w := boundToFirst(t)
	w.moveTo("second", "second")
	w.provedThere()
	w.consumerTakesUp()
	for range 5 {
		w.wantFormers("first at first")
		w.drained()
		w.finishJob(provision.ActionRevoke, &provision.Result{Phase: provision.PhaseRetry, Reason: "Unreachable"})
		w.pass()
		w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
		w.now = w.now.Add(longest)
	}
	w.pass()
	w.wantFormers()
	if told := w.told(); !strings.Contains(told, "was not taken away; whoever runs it can") {
		t.Errorf("told %s", told)
	}
}

// longest is more than any delay between two attempts.
const longest = 3 * time.Minute

func TestPeopleOutsideHaveAWhileToFollow(t *testing.T) {
	w := newWorld(t)
	w.installDatabase("first")
	w.installDatabase("second")
	w.moveTo("first", "first")
	w.bind()
	w.moveTo("second", "second")
	w.provedThere()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "fetch the new address from Secret "+name+" by ")
	w.wantFormers("first at first")
	w.now = w.now.Add(v1alpha1.DefaultRotationGrace + time.Second)
	w.pass()
	w.finishJob(provision.ActionRevoke, done())
	w.pass()
	w.wantFormers()
}

func TestABindingThatGoesInTheMidstOfAMoveEndsItsAccessAtBoth(t *testing.T) {
	w := boundToFirst(t)
	w.moveTo("second", "second")
	w.provedThere()
	w.deleteBindingAndConsumer()
	w.reconcile()
	_, request := w.job()
	if request.Action != provision.ActionRevoke || request.Endpoint.Host != "first" {
		t.Fatalf("asked for %+v", request)
	}
	w.finishJob(provision.ActionRevoke, done())
	w.reconcile()
	_, request = w.job()
	if request.Action != provision.ActionRevoke || request.Endpoint.Host != "second" {
		t.Fatalf("asked for %+v", request)
	}
	w.finishJob(provision.ActionRevoke, done())
	w.reconcile()
	w.wantGone()
}

func (w *world) deleteBindingAndConsumer() {
	w.t.Helper()
	consumer := &v1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Name: "he-ehr", Namespace: w.namespace}}
	for _, object := range []client.Object{w.binding(), consumer} {
		if err := cluster.Delete(w.t.Context(), object); err != nil {
			w.t.Fatal(err)
		}
	}
}

// Killed at the k-th write of a move, for every k, a fresh operator finishes it: one address at a time in the Secret, and access
// taken away at the former provider, once.
func TestKilledAtAnyWriteAMoveIsFinished(t *testing.T) {
	for kill := 1; ; kill++ {
		w := boundToFirst(t)
		w.moveTo("second", "second")
		if !w.moveKilledAt(kill) {
			t.Logf("killed at each of %d writes", kill-1)
			return
		}
	}
}

func (w *world) moveKilledAt(kill int) bool {
	w.t.Helper()
	writes, died := 0, false
	current := w.mortal(func() bool { writes++; return writes >= kill })
	before, _ := w.secret(name)
	revoked := map[string]bool{}
	for range 60 {
		_, err := current.Reconcile(w.t.Context(), w.request())
		if err != nil && !errors.Is(err, errKilled) {
			w.t.Fatal(err)
		}
		if err != nil {
			died, current = true, w.reconciler
		}
		for _, job := range w.jobs() {
			if strings.HasPrefix(job.Name, name+"-revoke") {
				revoked[job.Name] = true
			}
		}
		w.endJobs()
		if w.binding().Status.Verified != "" {
			w.consumerTakesUp()
		}
		w.now = w.now.Add(10 * time.Second)
		if status := w.binding().Status; status.Access.Provider.Component == "second" && len(status.FormerAccess) == 0 {
			break
		}
	}
	w.wantFormers()
	if after, _ := w.secret(name); string(after.Data["host"]) != "second" || string(after.Data["password"]) != string(before.Data["password"]) {
		w.t.Errorf("killed at write %d: the Secret does not tell the new address with the credentials in force", kill)
	}
	if len(revoked) != 1 {
		w.t.Errorf("killed at write %d: access was taken away by %d Jobs", kill, len(revoked))
	}
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
	return died
}

// Another realm is another registration, at the same server.
func TestARegistrationElsewhereOnTheSameServerIsTakenAwayAsItWas(t *testing.T) {
	w := newWorld(t)
	w.installConsumer()
	inRealm := func(realm string) {
		w.change(func(b *v1alpha1.Binding) {
			b.Spec.Provider.Scope, b.Spec.Parameters = "realm="+realm, &apiextensionsv1.JSON{Raw: []byte(`{"realm":"` + realm + `"}`)}
		})
	}
	inRealm("a")
	w.bind()
	w.consumerTakesUp()
	inRealm("b")
	w.provedThere()
	w.consumerTakesUp()
	w.drained()
	_, request := w.job()
	if request.Action != provision.ActionRevoke || string(request.Parameters) != `{"realm":"a"}` {
		t.Fatalf("asked for %+v", request)
	}
	w.finishJob(provision.ActionRevoke, done())
	w.pass()
	if len(w.binding().Status.FormerAccess) > 0 {
		t.Error("it is still remembered")
	}
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "proved with the consumer's credentials")
}

func TestARotationThatIsOvertakenByAMoveBeginsAnewThere(t *testing.T) {
	w := boundToFirst(t)
	w.ask("monday")
	w.pass()
	w.finishJob("stage", done())
	w.pass()
	w.wantPhase(v1alpha1.RotationVerifying)
	w.moveTo("second", "second")
	w.provedThere()
	if secret, _ := w.secret(name); string(secret.Data["host"]) != "second" || string(secret.Data["username"]) != "he_ehr_a" {
		t.Errorf("in force is %s at %s", secret.Data["username"], secret.Data["host"])
	}
	w.finishJob("stage", done())
	w.pass()
	w.finishJob("prove", done())
	w.pass()
	secret, _ := w.secret(name)
	if string(secret.Data["host"]) != "second" || string(secret.Data["username"]) != "he_ehr_b" {
		t.Errorf("in force is %s at %s", secret.Data["username"], secret.Data["host"])
	}
	w.wantPhase(v1alpha1.RotationRolling)
	w.wantFormers("first at first")
}
