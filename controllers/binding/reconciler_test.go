package binding_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/controllers/binding"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/testenv"
)

var (
	cluster    client.WithWatch
	restConfig *rest.Config
)

func TestMain(m *testing.M) {
	os.Exit(testenv.Run(m, testenv.Options{CRDs: []string{"../../config/crd"}}, func(_ context.Context, config *rest.Config) {
		scheme := runtime.NewScheme()
		for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, batchv1.AddToScheme, rbacv1.AddToScheme, v1alpha1.AddToScheme} {
			if err := add(scheme); err != nil {
				panic(err)
			}
		}
		restConfig = config
		var err error
		if cluster, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
			panic(err)
		}
	}))
}

// world is one test's namespace with a provider, a binding and a reconciler.
type world struct {
	t          *testing.T
	namespace  string
	reconciler *binding.Reconciler
	events     *events.FakeRecorder
	now        time.Time
}

const name = "he-ehr-database"

func newWorld(t *testing.T) *world {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "binding-"}}
	if err := cluster.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	w := worldIn(t, namespace.Name)
	w.create(&v1alpha1.Component{
		ObjectMeta: metav1.ObjectMeta{Name: "he-db", Namespace: w.namespace},
		Spec:       v1alpha1.ComponentSpec{Good: v1alpha1.GoodReference{Name: "postgresql", Version: "15"}},
	})
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "he-db-admin", Namespace: w.namespace}})
	w.create(&v1alpha1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace},
		Spec: v1alpha1.BindingSpec{
			Contract: "postgresql-v1", Type: "postgresql", SecretName: name,
			Provider: v1alpha1.BindingProvider{
				Component: "he-db", Provisioner: "postgresql", AdminSecretName: "he-db-admin",
				Endpoint: &v1alpha1.Endpoint{Name: "sql", URL: "tcp://db:5432", Host: "db", Port: 5432},
			},
			Consumer: v1alpha1.BindingConsumer{Component: "he-ehr", Requirement: "database"},
			Outputs: []v1alpha1.BindingOutput{
				{Name: "host", Origin: v1alpha1.OriginProvider, Value: new("db")},
				{Name: "username", Origin: v1alpha1.OriginDerived, Value: new("he_ehr_a"), Alternate: new("he_ehr_b")},
				{Name: "password", Origin: v1alpha1.OriginGenerated},
			},
			Verification: v1alpha1.BindingVerification{Method: "postgresql-v1"},
		},
	})
	return w
}

// worldIn is a reconciler over a namespace without anything in it.
func worldIn(t *testing.T, namespace string) *world {
	t.Helper()
	w := &world{t: t, namespace: namespace, events: events.NewFakeRecorder(100), now: time.Now()}
	w.reconciler = &binding.Reconciler{Client: cluster, Events: w.events, Image: "operator:test", Now: func() time.Time { return w.now }}
	return w
}

func (w *world) create(object client.Object) {
	w.t.Helper()
	if err := cluster.Create(w.t.Context(), object); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) providerIsReady() {
	w.t.Helper()
	var provider v1alpha1.Component
	w.get("he-db", &provider)
	conditions.MarkReady(&provider, conditions.True(v1alpha1.ReasonReady, "Works"), conditions.Resting)
	if err := cluster.Status().Update(w.t.Context(), &provider); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) get(name string, into client.Object) {
	w.t.Helper()
	if err := cluster.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, into); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) binding() *v1alpha1.Binding {
	w.t.Helper()
	var object v1alpha1.Binding
	w.get(name, &object)
	return &object
}

func (w *world) reconcile() ctrl.Result {
	w.t.Helper()
	result, err := w.reconciler.Reconcile(w.t.Context(), w.request())
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

func (w *world) request() ctrl.Request {
	return ctrl.Request{NamespacedName: types.NamespacedName{Namespace: w.namespace, Name: name}}
}

func (w *world) jobs() []batchv1.Job {
	w.t.Helper()
	var list batchv1.JobList
	if err := cluster.List(w.t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
		w.t.Fatal(err)
	}
	var live []batchv1.Job
	for _, job := range list.Items {
		if job.DeletionTimestamp.IsZero() {
			live = append(live, job)
		}
	}
	return live
}

// finishJob plays the node: the one Job ends, having left the result, or none.
func (w *world) finishJob(action provision.Action, result *provision.Result) {
	w.t.Helper()
	jobs := w.jobs()
	if len(jobs) != 1 || !strings.Contains(jobs[0].Name, string(action)) {
		w.t.Fatalf("want one %s Job, got %d: %v", action, len(jobs), jobNames(jobs))
	}
	if result != nil {
		result.APIVersion, result.ID = provision.APIVersion, jobs[0].Name
		data, err := json.Marshal(result)
		if err != nil {
			w.t.Fatal(err)
		}
		var secret corev1.Secret
		w.get(name+"-result", &secret)
		secret.Data = map[string][]byte{provision.ResultKey: data}
		if err := cluster.Update(w.t.Context(), &secret); err != nil {
			w.t.Fatal(err)
		}
	}
	now := metav1.Now()
	jobs[0].Status.StartTime, jobs[0].Status.CompletionTime = &now, &now
	jobs[0].Status.Conditions = []batchv1.JobCondition{
		{Type: batchv1.JobSuccessCriteriaMet, Status: corev1.ConditionTrue, LastTransitionTime: now},
		{Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastTransitionTime: now},
	}
	if err := cluster.Status().Update(w.t.Context(), &jobs[0]); err != nil {
		w.t.Fatal(err)
	}
}

func jobNames(jobs []batchv1.Job) []string {
	var names []string
	for _, job := range jobs {
		names = append(names, job.Name)
	}
	return names
}

func done() *provision.Result { return &provision.Result{Phase: provision.PhaseDone, Reason: "Done"} }

// proved ends the provisioning that runs well, and the proof after it.
func (w *world) proved() {
	w.t.Helper()
	w.finishJob(provision.ActionProvision, done())
	w.reconcile()
	w.finishJob(provision.ActionVerify, done())
	w.reconcile()
}

// bind brings the binding to Ready.
func (w *world) bind() {
	w.t.Helper()
	w.providerIsReady()
	w.reconcile()
	w.proved()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "postgresql-v1 proved with the consumer's credentials")
}

func (w *world) want(status metav1.ConditionStatus, reason v1alpha1.ConditionReason, text string) {
	w.t.Helper()
	ready := conditions.Get(w.binding(), v1alpha1.ReadyCondition)
	if ready == nil || ready.Status != status || ready.Reason != string(reason) || !strings.Contains(ready.Message, text) {
		w.t.Errorf("got %+v\nwant %s %s %q", ready, status, reason, text)
	}
}

func TestABindingWaitsForItsProvider(t *testing.T) {
	w := newWorld(t)
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForProvider, "Waiting for component he-db")
	if conditions.Get(w.binding(), v1alpha1.StalledCondition) != nil {
		t.Error("waiting is shown as stalled")
	}
	if got := w.jobs(); len(got) != 0 {
		t.Errorf("started %v", jobNames(got))
	}
}

func TestABindingIsReadyOnlyWhenProved(t *testing.T) {
	w := newWorld(t)
	w.bind()
	var secret corev1.Secret
	w.get(name, &secret)
	got := map[string]string{}
	for key, value := range secret.Data {
		if key != "password" {
			got[key] = string(value)
		}
	}
	if diff := cmp.Diff(map[string]string{"type": "postgresql", "provider": "he-db", "host": "db", "username": "he_ehr_a"}, got); diff != "" {
		t.Error(diff)
	}
	if len(secret.Data["password"]) != 32 {
		t.Errorf("password of %d characters", len(secret.Data["password"]))
	}
	if len(w.jobs()) != 0 {
		t.Errorf("left %v", jobNames(w.jobs()))
	}
	if w.binding().Status.Binding.Name != name {
		t.Error("the Secret is not named in the status")
	}
}

// Pain: onboarding jobs exit 0 after failing.
func TestAProvisionerThatExitsZeroAndDidNothingEndsNotReady(t *testing.T) {
	w := newWorld(t)
	w.providerIsReady()
	w.reconcile()
	w.finishJob(provision.ActionProvision, nil)
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonProvisioningFailed, "ended without a result")

	w = newWorld(t)
	w.providerIsReady()
	w.reconcile()
	w.finishJob(provision.ActionProvision, done())
	w.reconcile()
	w.finishJob(provision.ActionVerify, &provision.Result{Phase: provision.PhaseFailed, Reason: provision.ReasonCredentialsRejected, Message: "The server refuses the login"})
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonVerificationFailed, "CredentialsRejected: The server refuses the login")
}

func TestAFailedProofIsMendedByProvisioningAgain(t *testing.T) {
	w := newWorld(t)
	w.bind()
	w.now = w.now.Add(v1alpha1.DefaultVerificationInterval + time.Second)
	w.reconcile()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
	w.finishJob(provision.ActionVerify, &provision.Result{Phase: provision.PhaseFailed, Reason: provision.ReasonCredentialsRejected})
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonVerificationFailed, "")
	w.now = w.now.Add(time.Hour)
	w.reconcile()
	w.proved()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
}

func TestFailuresAreRetriedWithGrowingDelayAndThenStallUntilAChange(t *testing.T) {
	w := newWorld(t)
	w.providerIsReady()
	var last time.Duration
	for attempt := range 6 {
		w.reconcile()
		w.finishJob(provision.ActionProvision, &provision.Result{Phase: provision.PhaseFailed, Reason: "ExtensionUnavailable", Message: "No such extension"})
		result := w.reconcile()
		if result.RequeueAfter < last {
			t.Errorf("attempt %d: the delay shrank to %s", attempt, result.RequeueAfter)
		}
		last = result.RequeueAfter
		w.now = w.now.Add(result.RequeueAfter + time.Second)
	}
	if conditions.Get(w.binding(), v1alpha1.StalledCondition) == nil {
		t.Error("not stalled")
	}
	object := w.binding()
	object.Spec.Outputs[0].Value = new("other")
	if err := cluster.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	w.now = time.Now()
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonProvisioning, "")
	if conditions.Get(w.binding(), v1alpha1.StalledCondition) != nil {
		t.Error("still stalled after a change")
	}
}

func TestAProofIsGivenAnewWhenItMayHaveBecomeWrong(t *testing.T) {
	for name, happens := range map[string]func(*world){
		"somebody asks": func(w *world) {
			w.change(func(b *v1alpha1.Binding) { b.Annotations = map[string]string{v1alpha1.ReconcileAtAnnotation: "now"} })
		},
		"the consumer stops working": func(w *world) {
			var consumer v1alpha1.Component
			w.get("he-ehr", &consumer)
			conditions.MarkReady(&consumer, conditions.False(v1alpha1.ReasonRolloutInProgress, "Away"), conditions.Reconciling)
			ready := conditions.Get(&consumer, v1alpha1.ReadyCondition)
			ready.LastTransitionTime = metav1.NewTime(w.now.Add(time.Minute))
			consumer.Status.Conditions = []metav1.Condition{*ready}
			if err := cluster.Status().Update(w.t.Context(), &consumer); err != nil {
				w.t.Fatal(err)
			}
		},
		"its time has come": func(w *world) { w.now = w.now.Add(v1alpha1.DefaultVerificationInterval) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.installConsumer()
			w.bind()
			w.consumerTakesUp()
			w.reconcile()
			if jobs := w.jobs(); len(jobs) > 0 {
				t.Fatalf("a proof is given for nothing: %v", jobNames(jobs))
			}
			happens(w)
			w.reconcile()
			w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
			w.now = w.now.Add(2 * time.Minute)
			w.finishJob(provision.ActionVerify, done())
			w.reconcile()
			w.reconcile()
			if jobs := w.jobs(); len(jobs) > 0 {
				t.Errorf("one proof was asked for, and another goes on: %v", jobNames(jobs))
			}
		})
	}
}

func TestASecondPassWritesNothing(t *testing.T) {
	w := newWorld(t)
	w.bind()
	before := w.binding().ResourceVersion
	for len(w.events.Events) > 0 {
		<-w.events.Events
	}
	w.reconcile()
	if got := w.binding().ResourceVersion; got != before {
		t.Error("the status was written again")
	}
	if len(w.events.Events) > 0 {
		t.Errorf("told again: %s", <-w.events.Events)
	}
}

func TestSecretsAreNowhereButInTheSecret(t *testing.T) {
	w := newWorld(t)
	w.providerIsReady()
	w.reconcile()
	var secret corev1.Secret
	w.get(name, &secret)
	password := string(secret.Data["password"])
	var request corev1.ConfigMap
	w.get(name+"-request", &request)
	job := w.jobs()[0]
	w.finishJob(provision.ActionProvision, done())
	w.reconcile()
	told := []any{request, job, w.binding()}
	for len(w.events.Events) > 0 {
		told = append(told, <-w.events.Events)
	}
	if strings.Contains(fmt.Sprint(told...), password) {
		t.Error("the password is in the request, the Job, the status or an event")
	}
}

func TestAnAccountOfSomebodyElseIsNotUsed(t *testing.T) {
	w := newWorld(t)
	w.create(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name + "-provisioner", Namespace: w.namespace}})
	w.providerIsReady()
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonForeignObject, "ServiceAccount "+w.namespace+"/"+name+"-provisioner exists and is not this binding's")
	if len(w.jobs()) > 0 {
		t.Errorf("started %v", jobNames(w.jobs()))
	}
}

func TestRightsThatSomebodyAddedToTheJobsAreTakenBack(t *testing.T) {
	w := newWorld(t)
	w.bind()
	var role rbacv1.Role
	w.get(name+"-provisioner", &role)
	role.Rules[0].ResourceNames = nil
	if err := cluster.Update(t.Context(), &role); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(v1alpha1.DefaultVerificationInterval + time.Second)
	w.reconcile()
	w.get(name+"-provisioner", &role)
	if diff := cmp.Diff([]string{name + "-result"}, role.Rules[0].ResourceNames); diff != "" {
		t.Error(diff)
	}
}

func TestTheJobMayWriteItsResultAndNothingElse(t *testing.T) {
	w := newWorld(t)
	w.providerIsReady()
	w.reconcile()
	var role rbacv1.Role
	w.get(name+"-provisioner", &role)
	want := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{name + "-result"}, Verbs: []string{"patch"}}}
	if diff := cmp.Diff(want, role.Rules); diff != "" {
		t.Error(diff)
	}
	w.finishJob(provision.ActionProvision, done())
	w.reconcile()
	for _, volume := range w.jobs()[0].Spec.Template.Spec.Volumes {
		if volume.Secret != nil && volume.Secret.SecretName == "he-db-admin" {
			t.Error("the verifying Job has the admin credential")
		}
	}
}

func TestAForeignSecretIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace}, Data: map[string][]byte{"password": []byte("mine")}})
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonForeignObject, "exists and is not this binding's")
	var secret corev1.Secret
	w.get(name, &secret)
	if string(secret.Data["password"]) != "mine" || len(secret.Data) != 1 {
		t.Error("overwritten")
	}
}

var errKilled = errors.New("killed")

// Killed at the k-th write, for every k, a fresh operator brings the same binding to Ready, and the password is minted once.
func TestKilledAtAnyWriteItConverges(t *testing.T) {
	for kill := 1; ; kill++ {
		w := newWorld(t)
		w.providerIsReady()
		died := w.reconcileKilledAt(kill)
		w.reconcile()
		w.proved()
		w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
		if !died {
			t.Logf("killed at each of %d writes", kill-1)
			return
		}
	}
}

func (w *world) reconcileKilledAt(kill int) bool {
	w.t.Helper()
	writes := 0
	dies := func() bool { writes++; return writes >= kill }
	_, err := w.mortal(dies).Reconcile(w.t.Context(), w.request())
	if err != nil && !errors.Is(err, errKilled) {
		w.t.Fatal(err)
	}
	return err != nil
}

// mortal is the reconciler with a client whose writes fail once dies says so.
func (w *world) mortal(dies func() bool) *binding.Reconciler {
	mortal := *w.reconciler
	mortal.Client = interceptor.NewClient(cluster, interceptor.Funcs{
		Delete: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			if dies() {
				return errKilled
			}
			return c.Delete(ctx, object, options...)
		},
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			if dies() {
				return errKilled
			}
			return c.Create(ctx, object, options...)
		},
		Update: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			if dies() {
				return errKilled
			}
			return c.Update(ctx, object, options...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			if dies() {
				return errKilled
			}
			return c.Patch(ctx, object, patch, options...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			if dies() {
				return errKilled
			}
			return c.SubResource(sub).Patch(ctx, object, patch, options...)
		},
	})
	return &mortal
}
