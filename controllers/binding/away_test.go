package binding_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// away is a world whose binding has its provider in another namespace.
type away struct {
	*world
	platform string
}

const adminPassword = "opens everything"

func newAway(t *testing.T, to ...v1alpha1.Grant) *away {
	t.Helper()
	var a away
	namespaces := make([]string, 2)
	for i := range namespaces {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "away-"}}
		if err := cluster.Create(t.Context(), namespace); err != nil {
			t.Fatal(err)
		}
		namespaces[i] = namespace.Name
	}
	a.world, a.platform = worldIn(t, namespaces[0]), namespaces[1]
	served := v1alpha1.Endpoint{Name: "sql", URL: "tcp://db:5432", Host: "db", Port: 5432}
	for i := range to {
		to[i].Namespace = a.namespace
	}
	a.create(&v1alpha1.Component{
		ObjectMeta: metav1.ObjectMeta{Name: "shared-db", Namespace: a.platform},
		Spec: v1alpha1.ComponentSpec{
			Good: v1alpha1.GoodReference{Name: "postgresql", Version: "15"}, Endpoints: []v1alpha1.Endpoint{served},
			Credentials: []v1alpha1.ComponentCredential{{Name: "admin", SecretName: "shared-db-admin"}},
			Exports:     []v1alpha1.ExportTerms{{Contracts: []v1alpha1.ContractName{"postgresql-v1"}, To: to}},
		},
	})
	a.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "shared-db-admin", Namespace: a.platform}, StringData: map[string]string{"password": adminPassword}})
	a.create(&v1alpha1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: a.namespace},
		Spec: v1alpha1.BindingSpec{
			Contract: "postgresql-v1", Type: "postgresql", SecretName: name,
			Provider: v1alpha1.BindingProvider{
				Namespace: a.platform, Component: "shared-db", Provisioner: "postgresql", AdminSecretName: "shared-db-admin", Endpoint: &served,
			},
			Consumer: v1alpha1.BindingConsumer{Component: "he-ehr", Requirement: "database"},
			Outputs: []v1alpha1.BindingOutput{
				{Name: "host", Origin: v1alpha1.OriginProvider, Value: new("db")},
				{Name: "username", Origin: v1alpha1.OriginDerived, Value: new("he_ehr_a"), Alternate: new("he_ehr_b")},
				{Name: "password", Origin: v1alpha1.OriginGenerated},
			},
			Verification:   v1alpha1.BindingVerification{Method: "postgresql-v1"},
			DeletionPolicy: v1alpha1.DeleteData,
		},
	})
	var provider v1alpha1.Component
	a.read("shared-db", &provider)
	conditions.MarkReady(&provider, conditions.True(v1alpha1.ReasonReady, "Works"), conditions.Resting)
	if err := cluster.Status().Update(t.Context(), &provider); err != nil {
		t.Fatal(err)
	}
	return &a
}

// read gets an object of the provider's namespace.
func (a *away) read(name string, into client.Object) {
	a.t.Helper()
	if err := cluster.Get(a.t.Context(), client.ObjectKey{Namespace: a.platform, Name: name}, into); err != nil {
		a.t.Fatal(err)
	}
}

// export replaces what the provider grants.
func (a *away) export(to ...v1alpha1.Grant) {
	a.t.Helper()
	a.changeProvider(func(c *v1alpha1.Component) {
		for i := range to {
			to[i].Namespace = a.namespace
		}
		c.Spec.Exports[0].To = to
	})
}

func (a *away) changeProvider(change func(*v1alpha1.Component)) {
	a.t.Helper()
	var provider v1alpha1.Component
	a.read("shared-db", &provider)
	change(&provider)
	if err := cluster.Update(a.t.Context(), &provider); err != nil {
		a.t.Fatal(err)
	}
	conditions.MarkReady(&provider, conditions.True(v1alpha1.ReasonReady, "Works"), conditions.Resting)
	if err := cluster.Status().Update(a.t.Context(), &provider); err != nil {
		a.t.Fatal(err)
	}
}

func (a *away) jobAway() *batchv1.Job {
	a.t.Helper()
	beside := *a.world
	beside.namespace = a.platform
	jobs := beside.jobs()
	if len(jobs) != 1 {
		a.t.Fatalf("want one Job beside the provider, got %v", jobNames(jobs))
	}
	return &jobs[0]
}

// finishAway plays the node in the provider's namespace.
func (a *away) finishAway(action provision.Action, result *provision.Result) {
	a.t.Helper()
	job := a.jobAway()
	if job.Spec.Suspend == nil || *job.Spec.Suspend {
		a.t.Fatal("the Job does not run")
	}
	beside := *a.world
	beside.namespace = a.platform
	if result != nil {
		result.APIVersion, result.ID = provision.APIVersion, job.Name
		data, err := json.Marshal(result)
		if err != nil {
			a.t.Fatal(err)
		}
		var secret corev1.Secret
		a.read(environment(job)[provision.ResultSecretEnv], &secret)
		secret.Data = map[string][]byte{provision.ResultKey: data}
		if err := cluster.Update(a.t.Context(), &secret); err != nil {
			a.t.Fatal(err)
		}
	}
	beside.finishJob(action, nil)
}

func environment(job *batchv1.Job) map[string]string {
	out := map[string]string{}
	for _, each := range job.Spec.Template.Spec.Containers[0].Env {
		out[each.Name] = each.Value
	}
	return out
}

// secrets lists the Secrets of a namespace by name with their keys.
func (a *away) secrets(namespace string) map[string][]string {
	a.t.Helper()
	var list corev1.SecretList
	if err := cluster.List(a.t.Context(), &list, client.InNamespace(namespace)); err != nil {
		a.t.Fatal(err)
	}
	out := map[string][]string{}
	for _, secret := range list.Items {
		out[secret.Name] = slices.Sorted(maps.Keys(secret.Data))
		for key, value := range secret.Data {
			if namespace == a.namespace && strings.Contains(string(value), adminPassword) {
				a.t.Errorf("Secret %s of the consumer has the admin credential in %s", secret.Name, key)
			}
		}
	}
	return out
}

// lent lists the credentials that are lent to Jobs beside the provider.
func (a *away) lent() map[string][]string {
	out := a.secrets(a.platform)
	maps.DeleteFunc(out, func(name string, _ []string) bool { return !strings.HasSuffix(name, "-credentials") })
	return out
}

func (a *away) bind() {
	a.t.Helper()
	a.reconcile()
	a.finishAway(provision.ActionProvision, done())
	a.reconcile()
	a.finishJob(provision.ActionVerify, done())
	a.reconcile()
	a.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "proved")
}

func TestAProviderInAnotherNamespaceIsUsedWithAGrantOnly(t *testing.T) {
	a := newAway(t)
	a.reconcile()
	a.want(metav1.ConditionFalse, v1alpha1.ReasonNotGranted, "No export grants "+a.platform+"/shared-db under postgresql-v1 to namespace "+a.namespace)
	if conditions.Get(a.binding(), v1alpha1.StalledCondition) == nil {
		t.Error("nobody is told to act")
	}
	a.changeProvider(func(c *v1alpha1.Component) { c.Spec.Exports = nil })
	a.reconcile()
	a.want(metav1.ConditionFalse, v1alpha1.ReasonNotGranted, "No export grants")
	if got := a.jobs(); len(got) != 0 || len(a.lent()) != 0 {
		t.Errorf("started %v, lent %v", jobNames(got), a.lent())
	}
}

func TestTheJobRunsBesideTheProviderWithWhatItNeedsAndNoMore(t *testing.T) {
	a := newAway(t, v1alpha1.Grant{})
	a.reconcile()
	a.want(metav1.ConditionFalse, v1alpha1.ReasonProvisioning, "Provisioning postgresql-v1 at "+a.platform+"/shared-db")
	job := a.jobAway()
	if diff := cmp.Diff(map[string][]string{job.Name + "-credentials": {"password"}}, a.lent()); diff != "" {
		t.Error(diff)
	}
	if got := a.binding().Status.Provider; got != a.platform+"/shared-db" {
		t.Errorf("the provider is shown as %q", got)
	}
	mounted := map[string]string{}
	for _, volume := range job.Spec.Template.Spec.Volumes {
		if volume.Secret != nil {
			mounted[volume.Name] = volume.Secret.SecretName
		}
	}
	if diff := cmp.Diff(map[string]string{"admin": "shared-db-admin", "credentials": job.Name + "-credentials"}, mounted); diff != "" {
		t.Error(diff)
	}
	for _, object := range []client.Object{&corev1.ServiceAccount{}, &corev1.ConfigMap{}} {
		a.read(job.Name, object)
		if owners := object.GetOwnerReferences(); len(owners) != 1 || owners[0].UID != job.UID {
			t.Errorf("%T does not go with its Job: %v", object, owners)
		}
	}
	a.finishAway(provision.ActionProvision, done())
	a.reconcile()
	if got := a.lent(); len(got) != 0 {
		t.Errorf("not taken back: %v", got)
	}
	if len(a.jobs()) != 1 {
		t.Errorf("the proof does not run beside the consumer: %v", jobNames(a.jobs()))
	}
	a.finishJob(provision.ActionVerify, done())
	a.reconcile()
	a.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
	if diff := cmp.Diff(map[string][]string{
		name: {"host", "password", "provider", "type", "username"}, name + "-result": {provision.ResultKey},
	}, a.secrets(a.namespace)); diff != "" {
		t.Error(diff)
	}
}

func TestAFailedJobBesideTheProviderLeavesNoCredentials(t *testing.T) {
	a := newAway(t, v1alpha1.Grant{})
	a.reconcile()
	a.finishAway(provision.ActionProvision, nil)
	a.reconcile()
	a.want(metav1.ConditionFalse, v1alpha1.ReasonProvisioningFailed, "ended without a result")
	if got := a.lent(); len(got) != 0 {
		t.Errorf("not taken back: %v", got)
	}
	a.now = a.now.Add(time.Hour)
	a.bind()
}

func TestABindingIsNotBelievedWhereTheAdminCredentialGoes(t *testing.T) {
	for want, change := range map[string]func(*v1alpha1.BindingSpec){
		"address":          func(s *v1alpha1.BindingSpec) { s.Provider.Endpoint.Host = "stranger.example.org" },
		"admin credential": func(s *v1alpha1.BindingSpec) { s.Provider.AdminSecretName = "payroll" },
	} {
		a := newAway(t, v1alpha1.Grant{})
		a.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "payroll", Namespace: a.platform}})
		a.change(func(b *v1alpha1.Binding) { change(&b.Spec) })
		a.reconcile()
		a.want(metav1.ConditionFalse, v1alpha1.ReasonProviderChanged, "The "+want+" of "+a.platform+"/shared-db changed")
		if got := a.lent(); len(got) != 0 {
			t.Errorf("%s: lent %v", want, got)
		}
	}
}

func TestParametersTheExportInsistsOnAreNotEvaded(t *testing.T) {
	a := newAway(t, v1alpha1.Grant{})
	a.changeProvider(func(c *v1alpha1.Component) {
		c.Spec.Exports[0].Parameters = &apiextensionsv1.JSON{Raw: []byte(`{"extensions":[]}`)}
	})
	a.reconcile()
	a.want(metav1.ConditionFalse, v1alpha1.ReasonProviderChanged, "The parameters of")
}

func TestAWithdrawnGrantEndsNothingThatRuns(t *testing.T) {
	a := newAway(t, v1alpha1.Grant{})
	a.bind()
	before := a.secrets(a.namespace)
	a.export()
	a.ask("now")
	a.now = a.now.Add(2 * v1alpha1.DefaultVerificationInterval)
	a.reconcile()
	a.want(metav1.ConditionFalse, v1alpha1.ReasonGrantWithdrawn, "any more: nothing is made, proved or rotated; the credentials in use still work")
	a.reconcile()
	a.want(metav1.ConditionFalse, v1alpha1.ReasonGrantWithdrawn, "any more")
	beside := *a.world
	beside.namespace = a.platform
	if len(a.jobs())+len(beside.jobs()) != 0 {
		t.Error("a Job runs without a grant")
	}
	if diff := cmp.Diff(before, a.secrets(a.namespace)); diff != "" {
		t.Error(diff)
	}
	a.export(v1alpha1.Grant{})
	a.reconcile()
	a.finishJob(provision.ActionVerify, done())
	a.reconcile()
	a.reconcile()
	a.want(metav1.ConditionTrue, v1alpha1.ReasonRotating, "")
}

func TestAGrantWithdrawnMidwayStopsTheJobAndTakesItsCredentialsBack(t *testing.T) {
	a := newAway(t, v1alpha1.Grant{})
	a.reconcile()
	a.export()
	a.reconcile()
	a.want(metav1.ConditionFalse, v1alpha1.ReasonNotGranted, "")
	beside := *a.world
	beside.namespace = a.platform
	if len(beside.jobs()) != 0 || len(a.lent()) != 0 {
		t.Errorf("goes on: %v %v", jobNames(beside.jobs()), a.lent())
	}
}

func TestRevokedEndsTheAccessAndKeepsTheData(t *testing.T) {
	a := newAway(t, v1alpha1.Grant{})
	a.bind()
	for range 2 {
		a.export(v1alpha1.Grant{Access: v1alpha1.AccessRevoked})
		a.reconcile()
		a.want(metav1.ConditionFalse, v1alpha1.ReasonGrantWithdrawn, "revoked access; ending it")
		var request corev1.ConfigMap
		a.read(a.jobAway().Name, &request)
		if !strings.Contains(request.Data["request.json"], `"dataPolicy":"RetainData"`) {
			t.Errorf("the provider's owner would delete the consumer's data: %s", request.Data["request.json"])
		}
		if len(a.lent()) != 0 {
			t.Errorf("lent %v to a revocation", a.lent())
		}
		a.finishAway(provision.ActionRevoke, &provision.Result{Phase: provision.PhaseRetry, Reason: "Away"})
		a.reconcile()
		a.want(metav1.ConditionFalse, v1alpha1.ReasonGrantWithdrawn, "Away")
		a.now = a.now.Add(time.Minute)
		a.reconcile()
		a.finishAway(provision.ActionRevoke, done())
		a.reconcile()
		a.want(metav1.ConditionFalse, v1alpha1.ReasonGrantWithdrawn, "revoked access; data is kept there")
		a.reconcile()
		a.want(metav1.ConditionFalse, v1alpha1.ReasonGrantWithdrawn, "revoked access; data is kept there")
		a.export(v1alpha1.Grant{})
		a.bind()
	}
}

func TestRotationBesideAProviderElsewhereLendsTheNewCredentials(t *testing.T) {
	a := newAway(t, v1alpha1.Grant{})
	a.bind()
	old, _ := a.secret(name)
	a.ask("now")
	a.settle()
	var lent corev1.Secret
	a.read(a.jobAway().Name+"-credentials", &lent)
	next, _ := a.secret(name + "-next")
	if diff := cmp.Diff(map[string][]byte{"password": next.Data["password"]}, lent.Data); diff != "" || string(next.Data["password"]) == string(old.Data["password"]) {
		t.Error("other than the new credentials are lent")
	}
	a.finishAway("stage", done())
	a.settle()
	if len(a.lent()) != 0 {
		t.Errorf("not taken back: %v", a.lent())
	}
}

// settle reconciles until nothing is asked for at once.
func (a *away) settle() {
	a.t.Helper()
	for range 10 {
		if result := a.reconcile(); result.RequeueAfter == 0 || result.RequeueAfter > time.Second {
			return
		}
	}
	a.t.Fatal("does not settle")
}

func TestDeletionRevokesBesideTheProviderAlthoughTheGrantAndTheNamespaceAreGone(t *testing.T) {
	a := newAway(t, v1alpha1.Grant{})
	a.bind()
	a.export()
	a.reconcile()
	for _, object := range []client.Object{a.binding(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: a.namespace}}} {
		if err := cluster.Delete(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	a.reconcile()
	a.want(metav1.ConditionFalse, v1alpha1.ReasonRevoking, "Taking access away at "+a.platform+"/shared-db")
	a.finishAway(provision.ActionRevoke, done())
	a.reconcile()
	a.wantGone()
	beside := *a.world
	beside.namespace = a.platform
	if len(beside.jobs()) != 0 {
		t.Errorf("left %v", jobNames(beside.jobs()))
	}
	if diff := cmp.Diff(map[string][]string{"shared-db-admin": {"password"}}, a.secrets(a.platform)); diff != "" {
		t.Error(diff)
	}
}

func TestTheProviderKnowsABindingByAnIdentityOfItsNamespace(t *testing.T) {
	a := newAway(t, v1alpha1.Grant{})
	identity := func() string {
		a.reconcile()
		var request provision.Request
		var config corev1.ConfigMap
		a.read(a.jobAway().Name, &config)
		if err := json.Unmarshal([]byte(config.Data["request.json"]), &request); err != nil {
			t.Fatal(err)
		}
		return request.Binding.UID
	}
	// A person with rights in the consumer's namespace only claims to be the binding whose identity they read at the provider.
	stolen := identity()
	a.finishAway(provision.ActionProvision, &provision.Result{Phase: provision.PhaseRetry, Reason: "Away"})
	a.reconcile()
	secret, _ := a.secret(name)
	secret.Annotations[v1alpha1.BindingUIDAnnotation] = stolen
	if err := cluster.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	a.now = a.now.Add(time.Hour)
	if claimed := identity(); claimed == stolen {
		t.Error("the identity is what the Secret says")
	}
}

// Killed at the k-th write, for every k, a fresh operator goes on with the same Job and lends nothing for longer than it runs.
func TestKilledAtAnyWriteBesideAProviderElsewhereItConverges(t *testing.T) {
	for kill := 1; ; kill++ {
		a := newAway(t, v1alpha1.Grant{})
		died := a.reconcileKilledAt(kill)
		for range 2 {
			a.reconcile()
		}
		a.finishAway(provision.ActionProvision, done())
		diedLater := a.reconcileKilledAt(kill)
		for range 2 {
			a.reconcile()
		}
		beside := *a.world
		beside.namespace = a.platform
		if len(beside.jobs()) > 0 { // killed between the end of the Job and its being noted: it runs again
			a.finishAway(provision.ActionProvision, done())
			a.reconcile()
		}
		if len(a.lent()) != 0 {
			t.Errorf("killed at write %d: still lent %v", kill, a.lent())
		}
		a.finishJob(provision.ActionVerify, done())
		a.reconcile()
		a.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
		if !died && !diedLater {
			t.Logf("killed at each of %d writes", kill-1)
			return
		}
	}
}
