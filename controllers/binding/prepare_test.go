package binding_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/controllers/binding"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/testenv"
)

const (
	realm    = "he-db-prepare-realm"
	defaults = "he-db-prepare-defaults"
)

// newPrepared is a world whose provider asks for two steps before others may bind: a realm, then defaults.
func newPrepared(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.asksFor(w.namespace, "he-db")
	return w
}

func (w *world) asksFor(namespace, component string) {
	w.t.Helper()
	var provider v1alpha1.Component
	if err := cluster.Get(w.t.Context(), client.ObjectKey{Namespace: namespace, Name: component}, &provider); err != nil {
		w.t.Fatal(err)
	}
	registration := registers("object.owner == binding.uid")[0].HTTP
	registration.Endpoint = ""
	provider.Spec.Preparations = []v1alpha1.ComponentPreparation{
		{Name: "earlier"}, {Name: "realm", Binding: realm, HTTP: &registration}, {Name: "defaults", Binding: defaults, Image: "own:1"},
	}
	status := provider.Status
	if err := cluster.Update(w.t.Context(), &provider); err != nil {
		w.t.Fatal(err)
	}
	if provider.Status = status; conditions.Get(&provider, v1alpha1.ReadyCondition) != nil {
		conditions.MarkReady(&provider, conditions.True(v1alpha1.ReasonReady, "Works"), conditions.Resting)
		if err := cluster.Status().Update(w.t.Context(), &provider); err != nil {
			w.t.Fatal(err)
		}
	}
	for step, provisioner := range map[string]string{"realm": v1alpha1.ProvisionerHTTP, "defaults": "own"} {
		name := "he-db-prepare-" + step
		w.create(&v1alpha1.Binding{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
			Spec: v1alpha1.BindingSpec{
				Contract: v1alpha1.ContractPreparation, Type: "preparation", Preparation: step, SecretName: name,
				Provider: v1alpha1.BindingProvider{
					Component: component, Provisioner: provisioner, AdminSecretName: component + "-admin",
					Endpoint: &v1alpha1.Endpoint{Name: "sql", URL: "tcp://db:5432", Host: "db", Port: 5432},
				},
				Outputs:      []v1alpha1.BindingOutput{{Name: "url", Origin: v1alpha1.OriginProvider, Value: new("tcp://db:5432")}},
				Verification: v1alpha1.BindingVerification{Method: v1alpha1.ContractPreparation},
			},
		})
	}
}

// of is the same world, seen from another binding.
func (w *world) of(namespace, binding string) other { return other{w, namespace, binding} }

type other struct {
	*world
	namespace, name string
}

func (o other) read(name string, into client.Object) {
	o.t.Helper()
	if err := cluster.Get(o.t.Context(), client.ObjectKey{Namespace: o.namespace, Name: name}, into); err != nil {
		o.t.Fatal(err)
	}
}

func (o other) pass() {
	o.t.Helper()
	key := types.NamespacedName{Namespace: o.namespace, Name: o.name}
	if _, err := o.reconciler.Reconcile(o.t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
		o.t.Fatal(err)
	}
}

func (o other) wants(status metav1.ConditionStatus, reason v1alpha1.ConditionReason, text string) {
	o.t.Helper()
	var object v1alpha1.Binding
	o.read(o.name, &object)
	ready := conditions.Get(&object, v1alpha1.ReadyCondition)
	if ready == nil || ready.Status != status || ready.Reason != string(reason) || ready.Message != text {
		o.t.Errorf("%s: got %+v\nwant %s %s %q", o.name, ready, status, reason, text)
	}
}

// finish plays the node for the one Job of the binding.
func (o other) finish(result *provision.Result) {
	o.t.Helper()
	jobs := o.running()
	if len(jobs) != 1 {
		o.t.Fatalf("want one Job of %s, got %v", o.name, jobNames(jobs))
	}
	beside := *o.world
	beside.namespace = o.namespace
	beside.end(&jobs[0], o.name+"-result", result)
}

func (o other) running() []batchv1.Job {
	o.t.Helper()
	beside := *o.world
	beside.namespace = o.namespace
	return slices.DeleteFunc(beside.jobs(), func(job batchv1.Job) bool { return job.Labels[v1alpha1.BindingLabel] != o.name })
}

// end ends a Job that left the result.
func (w *world) end(job *batchv1.Job, secretName string, result *provision.Result) {
	w.t.Helper()
	result.APIVersion, result.ID = provision.APIVersion, job.Name
	data, err := json.Marshal(result)
	if err != nil {
		w.t.Fatal(err)
	}
	var secret corev1.Secret
	w.get(secretName, &secret)
	secret.Data = map[string][]byte{provision.ResultKey: data}
	if err := cluster.Update(w.t.Context(), &secret); err != nil {
		w.t.Fatal(err)
	}
	now := metav1.Now()
	job.Status.StartTime, job.Status.CompletionTime = &now, &now
	job.Status.Conditions = []batchv1.JobCondition{
		{Type: batchv1.JobSuccessCriteriaMet, Status: corev1.ConditionTrue, LastTransitionTime: now},
		{Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastTransitionTime: now},
	}
	if err := cluster.Status().Update(w.t.Context(), job); err != nil {
		w.t.Fatal(err)
	}
}

func failed(message string) *provision.Result {
	return &provision.Result{Phase: provision.PhaseFailed, Reason: "NotPermitted", Message: message}
}

// prepareAll carries out both steps.
func (w *world) prepareAll(namespace string) {
	w.t.Helper()
	for _, step := range []string{realm, defaults} {
		w.of(namespace, step).pass()
		w.of(namespace, step).finish(done())
		w.of(namespace, step).pass()
	}
}

func TestABindingWaitsUntilItsProviderIsPrepared(t *testing.T) {
	w := newPrepared(t)
	first, second := w.of(w.namespace, realm), w.of(w.namespace, defaults)
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForProvider, "Waiting for component he-db")
	w.providerIsReady()
	w.reconcile()
	second.pass()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForPreparation, "Waiting for preparation realm of he-db")
	second.wants(metav1.ConditionFalse, v1alpha1.ReasonWaitingForPreparation, "Waiting for preparation realm of he-db")
	if jobs := w.jobs(); len(jobs) > 0 {
		t.Fatalf("somebody did not wait: %v", jobNames(jobs))
	}

	first.pass()
	first.wants(metav1.ConditionFalse, v1alpha1.ReasonProvisioning, "Preparing realm of he-db")
	first.finish(done())
	first.pass()
	first.wants(metav1.ConditionTrue, v1alpha1.ReasonReady, "he-db is prepared: realm")
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForPreparation, "Waiting for preparation defaults of he-db")
	second.pass()
	second.finish(done())
	second.pass()
	w.bind()
}

func TestAPreparationIsOneRunThatIsRepeated(t *testing.T) {
	w := newPrepared(t)
	w.providerIsReady()
	first := w.of(w.namespace, realm)
	first.pass()
	jobs := first.running()
	if len(jobs) != 1 {
		t.Fatalf("got %v", jobNames(jobs))
	}
	var config corev1.ConfigMap
	w.get(realm+"-request", &config)
	var request provision.Request
	if err := json.Unmarshal([]byte(config.Data["request.json"]), &request); err != nil {
		t.Fatal(err)
	}
	if request.Action != provision.ActionProvision || request.Contract != v1alpha1.ContractPreparation || request.Handler != "http-upsert" ||
		!strings.Contains(string(request.HTTP), "object.owner") || request.API == nil || request.API.URL != "tcp://db:5432" {
		t.Errorf("got %+v", request)
	}
	mounted := slices.ContainsFunc(jobs[0].Spec.Template.Spec.Volumes, func(v corev1.Volume) bool {
		return v.Secret != nil && v.Secret.SecretName == "he-db-admin"
	})
	if !mounted {
		t.Error("the Job has no admin credential")
	}
	first.finish(done())
	first.pass()
	first.pass()
	if jobs := first.running(); len(jobs) > 0 {
		t.Fatalf("done and proved by one run, got %v", jobNames(jobs))
	}
	w.now = w.now.Add(11 * time.Minute)
	first.pass()
	first.wants(metav1.ConditionTrue, v1alpha1.ReasonReady, "he-db is prepared: realm")
	again := first.running()
	if len(again) != 1 || again[0].Name == jobs[0].Name {
		t.Fatalf("want another run, got %v after %s", jobNames(again), jobs[0].Name)
	}
	first.finish(done())
	first.pass()
	// What its entry says differently is done at once.
	w.changeComponent(func(c *v1alpha1.Component) { c.Spec.Preparations[1].HTTP.ProblemExpr = "''" })
	first.pass()
	first.wants(metav1.ConditionFalse, v1alpha1.ReasonProvisioning, "Preparing realm of he-db")
}

func TestAFailedPreparationIsShownAndHoldsUpWhatIsNotInUseOnly(t *testing.T) {
	w := newPrepared(t)
	w.providerIsReady()
	first := w.of(w.namespace, realm)
	first.pass()
	first.finish(failed("the admin may not make realms"))
	first.pass()
	first.wants(metav1.ConditionFalse, v1alpha1.ReasonProvisioningFailed, "NotPermitted: the admin may not make realms")
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForPreparation, "Waiting for preparation realm of he-db")
	for range 6 {
		w.now = w.now.Add(5 * time.Minute)
		first.pass()
		first.finish(failed("the admin may not make realms"))
		first.pass()
	}
	var object v1alpha1.Binding
	w.get(realm, &object)
	if conditions.Get(&object, v1alpha1.StalledCondition) == nil {
		t.Error("a person is not asked to look")
	}
	w.now = w.now.Add(5 * time.Minute)
	w.prepareAll(w.namespace)
	w.bind()

	w.now = w.now.Add(9 * time.Minute)
	w.of(w.namespace, realm).pass()
	w.now = w.now.Add(2 * time.Minute)
	first.pass()
	first.finish(failed("it is gone, and cannot be made"))
	first.pass()
	first.wants(metav1.ConditionFalse, v1alpha1.ReasonProvisioningFailed, "NotPermitted: it is gone, and cannot be made")
	w.reconcile()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "proved with the consumer's credentials")
}

func TestAPreparationByAnImageOfItsOwn(t *testing.T) {
	w := newPrepared(t)
	w.changeComponent(func(c *v1alpha1.Component) { c.Spec.Preparations = c.Spec.Preparations[2:] })
	second := w.of(w.namespace, defaults)
	second.pass()
	if jobs := second.running(); len(jobs) != 1 || jobs[0].Spec.Template.Spec.Containers[0].Image != "own:1" {
		t.Errorf("got %v", jobNames(jobs))
	}
	second.finish(done())
	second.pass()
	w.changeComponent(func(c *v1alpha1.Component) { c.Spec.Preparations[0].Image = "own:2" })
	second.pass()
	if jobs := second.running(); len(jobs) != 1 || jobs[0].Spec.Template.Spec.Containers[0].Image != "own:2" {
		t.Errorf("a new image is not taken up: %v", jobNames(jobs))
	}
}

func TestAPreparationPutsACredentialOfTheGoodInForce(t *testing.T) {
	w := newPrepared(t)
	root := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "he-db-root", Namespace: w.namespace}, StringData: map[string]string{"password": "first"}}
	w.create(root)
	w.changeComponent(func(c *v1alpha1.Component) {
		c.Spec.Preparations[1].Credential = "root"
		c.Spec.Credentials = []v1alpha1.ComponentCredential{{Name: "root", SecretName: root.Name}}
	})
	first := w.of(w.namespace, realm)
	mounted := func() string {
		t.Helper()
		jobs := first.running()
		if len(jobs) != 1 {
			t.Fatalf("want one Job, got %v", jobNames(jobs))
		}
		for _, volume := range jobs[0].Spec.Template.Spec.Volumes {
			if volume.Name == "credentials" && volume.Secret != nil {
				return volume.Secret.SecretName
			}
		}
		return ""
	}
	first.pass()
	if got := mounted(); got != root.Name {
		t.Errorf("the Job has Secret %q", got)
	}
	first.finish(done())
	first.pass()
	root.StringData = map[string]string{"password": "second"}
	if err := cluster.Update(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	first.pass()
	first.wants(metav1.ConditionFalse, v1alpha1.ReasonProvisioning, "Preparing realm of he-db")
	mounted()
}

// Killed at the k-th write, for every k, a fresh operator ends with the same preparation done.
func TestKilledAtAnyWriteAPreparationConverges(t *testing.T) {
	for kill := 1; ; kill++ {
		w := newPrepared(t)
		w.providerIsReady()
		writes, first := 0, w.of(w.namespace, realm)
		mortal := w.mortal(func() bool { writes++; return writes >= kill })
		died := false
		for range 3 {
			_, err := mortal.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: w.namespace, Name: realm}})
			if died = err != nil; died && !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			if died {
				break
			}
			if len(first.running()) == 1 {
				first.finish(done())
			}
		}
		first.pass()
		if jobs := first.running(); len(jobs) == 1 && len(jobs[0].Status.Conditions) == 0 {
			first.finish(done())
		}
		first.pass()
		first.wants(metav1.ConditionTrue, v1alpha1.ReasonReady, "he-db is prepared: realm")
		if !died {
			t.Logf("killed at each of %d writes", kill-1)
			return
		}
	}
}

func TestAPreparationThatNobodyAsksForIsNotDone(t *testing.T) {
	w := newPrepared(t)
	w.changeComponent(func(c *v1alpha1.Component) { c.Spec.Preparations = nil })
	first := w.of(w.namespace, realm)
	first.pass()
	first.wants(metav1.ConditionFalse, v1alpha1.ReasonWaitingForProvider, "Component he-db does not ask for this preparation; waiting until it does")
	if jobs := first.running(); len(jobs) > 0 {
		t.Errorf("a Job works with the admin credential: %v", jobNames(jobs))
	}
	w.bind()
}

func TestAConsumerInAnotherNamespaceWaitsForThePreparation(t *testing.T) {
	a := newAway(t, v1alpha1.Grant{})
	a.asksFor(a.platform, "shared-db")
	a.reconcile()
	a.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForPreparation, "Waiting for preparation realm of "+a.platform+"/shared-db")
	a.prepareAll(a.platform)
	a.bind()
}

func (o other) delete(policy v1alpha1.DeletionPolicy) {
	o.t.Helper()
	var object v1alpha1.Binding
	o.read(o.name, &object)
	if object.Spec.DeletionPolicy != policy {
		object.Spec.DeletionPolicy = policy
		if err := cluster.Update(o.t.Context(), &object); err != nil {
			o.t.Fatal(err)
		}
	}
	if err := cluster.Delete(o.t.Context(), &object); err != nil {
		o.t.Fatal(err)
	}
}

func (o other) wantsGone() {
	o.t.Helper()
	err := cluster.Get(o.t.Context(), client.ObjectKey{Namespace: o.namespace, Name: o.name}, &v1alpha1.Binding{})
	if !apierrors.IsNotFound(err) {
		o.t.Errorf("%s is still there: %v", o.name, err)
	}
}

// installProvider replaces the provider, which runs elsewhere, by one that has a release here.
func (w *world) installProvider() {
	w.t.Helper()
	var provider v1alpha1.Component
	w.get("he-db", &provider)
	if err := cluster.Delete(w.t.Context(), &provider); err != nil {
		w.t.Fatal(err)
	}
	provider.ResourceVersion, provider.UID = "", ""
	provider.Spec.Chart, provider.Spec.ReleaseName = &v1alpha1.ChartReference{Name: "db", Version: "1"}, "he-db"
	w.create(&provider)
	w.providerIsReady()
}

func TestAPreparationThatGoesLeavesWhatItMade(t *testing.T) {
	for _, policy := range []v1alpha1.DeletionPolicy{v1alpha1.RetainData, v1alpha1.DeleteData} {
		w := newPrepared(t)
		w.providerIsReady()
		w.prepareAll(w.namespace)
		if policy == v1alpha1.DeleteData {
			// The release goes with its data, or stays with its users.
			w.installProvider()
		}
		first := w.of(w.namespace, realm)
		first.delete(policy)
		first.pass()
		first.wantsGone()
		if jobs := first.running(); len(jobs) > 0 {
			t.Errorf("%s: something is taken away: %v", policy, jobNames(jobs))
		}
		_, kept := w.secret(realm)
		if kept != (policy == v1alpha1.RetainData) {
			t.Errorf("%s: the Secret is kept: %v", policy, kept)
		}
	}
}

func TestAtAnExternalGoodThatIsNotKeptStepsAreTakenBackLast(t *testing.T) {
	w := newPrepared(t)
	w.providerIsReady()
	w.prepareAll(w.namespace)
	w.bind()
	first, second, consumer := w.of(w.namespace, realm), w.of(w.namespace, defaults), w.of(w.namespace, name)
	for _, each := range []other{first, second, consumer} {
		each.delete(v1alpha1.DeleteData)
	}
	first.pass()
	second.pass()
	second.wants(metav1.ConditionFalse, v1alpha1.ReasonWaitingForConsumers, "Still used by binding "+w.namespace+"/"+name)
	consumer.pass()
	consumer.finish(done())
	consumer.pass()
	consumer.wantsGone()
	first.pass()
	first.wants(metav1.ConditionFalse, v1alpha1.ReasonWaitingForConsumers, "Still used by binding "+w.namespace+"/"+defaults)
	for _, each := range []other{second, first} {
		each.pass()
		if jobs := each.running(); len(jobs) != 1 || !strings.Contains(jobs[0].Name, "-revoke-") {
			t.Fatalf("%s: want it taken back, got %v", each.name, jobNames(jobs))
		}
		each.finish(done())
		each.pass()
		each.wantsGone()
	}
}

func TestTheWaitForAPreparationIsOverAtOnce(t *testing.T) {
	w := newPrepared(t)
	w.providerIsReady()
	testenv.Manage(t, restConfig, cluster.Scheme(), []string{w.namespace}, func(ctx context.Context, manager ctrl.Manager) error {
		reconciler := &binding.Reconciler{Client: manager.GetClient(), Events: w.events, Image: "operator:test", Now: time.Now}
		return reconciler.SetupWithManager(ctx, manager)
	})
	eventually := func(what string, holds func() bool) {
		t.Helper()
		err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) { return holds(), nil })
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for _, step := range []string{realm, defaults} {
		each := w.of(w.namespace, step)
		eventually("the Job of "+step, func() bool { return len(each.running()) == 1 })
		if jobs := w.of(w.namespace, name).running(); len(jobs) > 0 {
			t.Fatalf("the consumer's binding did not wait for %s", step)
		}
		each.finish(done())
	}
	// Nothing polls: the binding has nothing else to wake it.
	eventually("the consumer's Job", func() bool { return len(w.of(w.namespace, name).running()) == 1 })
}
