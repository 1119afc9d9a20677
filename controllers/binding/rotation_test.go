package binding_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/controllers/binding"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// ask sets the annotation that asks for a rotation.
func (w *world) ask(value string) {
	w.t.Helper()
	w.change(func(b *v1alpha1.Binding) { b.Annotations = map[string]string{v1alpha1.RotateAtAnnotation: value} })
}

func (w *world) change(change func(*v1alpha1.Binding)) {
	w.t.Helper()
	object := w.binding()
	change(object)
	if err := cluster.Update(w.t.Context(), object); err != nil {
		w.t.Fatal(err)
	}
}

// installConsumer makes the component that consumes; no controller runs it.
func (w *world) installConsumer() {
	w.t.Helper()
	w.create(&v1alpha1.Component{
		ObjectMeta: metav1.ObjectMeta{Name: "he-ehr", Namespace: w.namespace},
		Spec: v1alpha1.ComponentSpec{
			Good: v1alpha1.GoodReference{Name: "ehrbase", Version: "2"}, Bindings: []v1alpha1.ComponentBinding{{Name: name}},
			Chart: &v1alpha1.ChartReference{Repository: "oci://registry.example.org", Name: "ehrbase", Version: "1.0.0"}, ReleaseName: "he-ehr",
		},
	})
}

// consumerTakesUp plays the component controller: the release works with what is in force.
func (w *world) consumerTakesUp() {
	w.t.Helper()
	var consumer v1alpha1.Component
	w.get("he-ehr", &consumer)
	consumer.Status.Credentials, consumer.Status.ObservedGeneration = nil, consumer.Generation
	if version := w.binding().Status.Credentials.Version; version > 0 {
		consumer.Status.Credentials = []v1alpha1.CredentialsVersion{{Binding: name, Version: version}}
	}
	conditions.MarkReady(&consumer, conditions.True(v1alpha1.ReasonReady, "Works"), conditions.Resting)
	if err := cluster.Status().Update(w.t.Context(), &consumer); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) secret(name string) (*corev1.Secret, bool) {
	w.t.Helper()
	var secret corev1.Secret
	err := cluster.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, &secret)
	if client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
	return &secret, err == nil
}

// job is the one Job that runs, with what it was asked for.
func (w *world) job() (*batchv1.Job, provision.Request) {
	w.t.Helper()
	jobs := w.jobs()
	if len(jobs) != 1 {
		w.t.Fatalf("want one Job, got %v", jobNames(jobs))
	}
	var config corev1.ConfigMap
	w.get(name+"-request", &config)
	var request provision.Request
	if err := json.Unmarshal([]byte(config.Data["request.json"]), &request); err != nil {
		w.t.Fatal(err)
	}
	return &jobs[0], request
}

// pass reconciles until the rotation waits for a Job or for someone else.
func (w *world) pass() {
	w.t.Helper()
	for w.reconcile().RequeueAfter == time.Millisecond {
		w.now = w.now.Add(time.Second)
	}
}

// through takes the rotation from its request to the wait for the consumer.
func (w *world) through() {
	w.t.Helper()
	w.pass()
	w.finishJob("stage", done())
	w.pass()
	w.finishJob("prove", done())
	w.pass()
	w.finishJob(provision.ActionVerify, done())
	w.pass()
}

func (w *world) wantPhase(phase v1alpha1.RotationPhase) {
	w.t.Helper()
	if rotation := w.binding().Status.Rotation; rotation == nil || rotation.Phase != phase {
		w.t.Fatalf("got %+v, want phase %s", rotation, phase)
	}
}

func (w *world) told() string {
	var out []string
	for len(w.events.Events) > 0 {
		out = append(out, <-w.events.Events)
	}
	return strings.Join(out, "\n")
}

func credentialOf(job *batchv1.Job) string {
	for _, volume := range job.Spec.Template.Spec.Volumes {
		if volume.Name == "credentials" {
			return volume.Secret.SecretName
		}
	}
	return ""
}

func TestARotationGoesThroughItsPhasesAndStaysReady(t *testing.T) {
	w := newWorld(t)
	w.installConsumer()
	w.bind()
	w.consumerTakesUp()
	before, _ := w.secret(name)
	w.ask("monday")
	w.pass()
	w.wantPhase(v1alpha1.RotationProvisioning)
	w.want(metav1.ConditionTrue, v1alpha1.ReasonRotating, "making new ones at he-db")
	staging, _ := w.secret(name + "-next")
	job, request := w.job()
	if credentialOf(job) != staging.Name || request.Action != provision.ActionProvision || request.Outputs["username"] != "he_ehr_b" {
		t.Errorf("asked for %+v with %s", request, credentialOf(job))
	}
	w.finishJob("stage", done())
	w.pass()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonRotating, "proving the new ones")
	if job, request = w.job(); credentialOf(job) != staging.Name || request.Action != provision.ActionVerify || request.Handler != "postgresql-v1" {
		t.Errorf("asked for %+v with %s", request, credentialOf(job))
	}
	if now, _ := w.secret(name); now.ResourceVersion != before.ResourceVersion {
		t.Error("the consumer's Secret changed before the new credentials were proved")
	}
	w.finishJob("prove", done())
	w.pass()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonRotating, "waiting until component he-ehr works with the new ones")
	w.wantSwitched(before, staging)
	w.finishJob(provision.ActionVerify, done())
	w.pass()
	w.wantPhase(v1alpha1.RotationRolling)
	if len(w.jobs()) > 0 {
		t.Errorf("did not wait for the consumer: %v", jobNames(w.jobs()))
	}
	w.consumerTakesUp()
	w.pass()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonRotating, "proving the new ones as the consumer has them")
	w.finishJob(provision.ActionVerify, done())
	w.pass()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonRotating, "taking the old ones away")
	_, request = w.job()
	if diff := cmp.Diff(map[string]string{"username": "he_ehr_a"}, request.Retired); diff != "" || request.Outputs["username"] != "he_ehr_b" {
		t.Errorf("retires %v while %v is in force", request.Retired, request.Outputs)
	}
	w.finishJob(provision.ActionRetire, done())
	w.pass()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
	status := w.binding().Status
	if status.Rotation != nil || status.Credentials.Version != 1 || status.Credentials.Requested != "monday" || len(w.jobs()) > 0 {
		t.Errorf("ended with %+v, %+v", status.Credentials, status.Rotation)
	}
	if told := w.told(); strings.Count(told, "Rotated the credentials") != 1 {
		t.Errorf("told %s", told)
	}
}

// wantSwitched expects the staged values in the consumer's Secret, everything else as before, and no staging Secret.
func (w *world) wantSwitched(before, staging *corev1.Secret) {
	w.t.Helper()
	now, _ := w.secret(name)
	if string(now.Data["username"]) != "he_ehr_b" || string(now.Data["password"]) != string(staging.Data["password"]) {
		w.t.Error("the staged credentials are not in force")
	}
	if string(staging.Data["password"]) == string(before.Data["password"]) || len(staging.Data["password"]) != 32 {
		w.t.Error("the password is not a new one")
	}
	if len(now.Data) != len(before.Data) || string(now.Data["host"]) != string(before.Data["host"]) {
		w.t.Error("other keys changed")
	}
	if _, found := w.secret(staging.Name); found {
		w.t.Error("the staging Secret is left")
	}
}

// Killed at the k-th write of a whole rotation, for every k, a fresh operator finishes it: with one password minted, one
// switch, and the consumer's Secret never mixed.
func TestKilledAtAnyWriteARotationIsFinished(t *testing.T) {
	for kill := 1; ; kill++ {
		w := newWorld(t)
		w.installConsumer()
		w.bind()
		w.consumerTakesUp()
		w.ask("monday")
		if !w.rotateKilledAt(kill) {
			t.Logf("killed at each of %d writes", kill-1)
			return
		}
	}
}

func (w *world) rotateKilledAt(kill int) bool {
	w.t.Helper()
	writes, died := 0, false
	current := w.mortal(func() bool { writes++; return writes >= kill })
	states, stagedPasswords := map[string]bool{}, map[string]bool{}
	for range 60 {
		_, err := current.Reconcile(w.t.Context(), w.request())
		if err != nil && !errors.Is(err, errKilled) {
			w.t.Fatal(err)
		}
		if err != nil {
			died, current = true, w.reconciler
		}
		secret, _ := w.secret(name)
		states[fmt.Sprintf("%s %s", secret.Data["username"], secret.Data["password"])] = true
		if staging, found := w.secret(name + "-next"); found {
			stagedPasswords[string(staging.Data["password"])] = true
		}
		w.playTheCluster(current)
		w.now = w.now.Add(time.Second)
		if status := w.binding().Status; status.Rotation == nil && status.Credentials.Version == 1 {
			break
		}
	}
	status := w.binding().Status
	if status.Rotation != nil || status.Credentials.Version != 1 || status.Credentials.Requested != "monday" {
		w.t.Fatalf("killed at write %d: %+v, %+v", kill, status.Credentials, status.Rotation)
	}
	if len(states) != 2 || len(stagedPasswords) != 1 {
		w.t.Errorf("killed at write %d: the consumer's Secret had %d states, %d passwords were staged", kill, len(states), len(stagedPasswords))
	}
	if _, found := w.secret(name + "-next"); found {
		w.t.Errorf("killed at write %d: the staging Secret is left", kill)
	}
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
	return died
}

// playTheCluster ends what runs and lets the consumer take up what is in force, once a living operator has seen it.
func (w *world) playTheCluster(current *binding.Reconciler) {
	w.t.Helper()
	w.endJobs()
	if w.binding().Status.Rotation != nil && current != nil {
		w.consumerTakesUp()
	}
}

// endJobs plays the node: what runs ends well.
func (w *world) endJobs() {
	w.t.Helper()
	for _, job := range w.jobs() {
		if len(job.Status.Conditions) == 0 {
			action, _, _ := strings.Cut(strings.TrimPrefix(job.Name, name+"-"), "-")
			if secret, found := w.secret(name + "-result"); found && secret.UID != "" {
				w.finishJob(provision.Action(action), done())
			}
		}
	}
}

func TestCredentialsAreRotatedByAgeButNotWhenAdopted(t *testing.T) {
	w := newWorld(t)
	w.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: w.namespace, Labels: map[string]string{v1alpha1.BindingLabel: name},
			Annotations: map[string]string{v1alpha1.CredentialsVersionAnnotation: "3"},
		},
		Data: map[string][]byte{"username": []byte("he_ehr_b"), "password": []byte("of an earlier binding")},
	})
	w.change(func(b *v1alpha1.Binding) {
		b.Spec.RotateAfter = &metav1.Duration{Duration: 24 * time.Hour}
		b.Annotations = map[string]string{v1alpha1.RotateAtAnnotation: "before it was made"}
	})
	w.bind()
	if adopted, _ := w.secret(name); string(adopted.Data["password"]) != "of an earlier binding" || string(adopted.Data["username"]) != "he_ehr_b" {
		t.Error("adopted credentials changed")
	}
	if got := w.binding().Status; got.Rotation != nil || got.Credentials.Version != 3 {
		t.Errorf("got %+v, %+v", got.Credentials, got.Rotation)
	}
	w.now = w.now.Add(23*time.Hour + 55*time.Minute)
	w.reconcile()
	w.finishJob(provision.ActionVerify, done())
	if again := w.reconcile().RequeueAfter; again > 5*time.Minute || w.binding().Status.Rotation != nil {
		t.Errorf("looks again after %s; %+v", again, w.binding().Status.Rotation)
	}
	w.now = w.now.Add(6 * time.Minute)
	w.reconcile()
	rotation := w.binding().Status.Rotation
	if rotation == nil || rotation.Number != 4 || rotation.Requested != "" {
		t.Fatalf("got %+v", rotation)
	}
	w.through()
	if now, _ := w.secret(name); string(now.Data["username"]) != "he_ehr_a" {
		t.Errorf("in force is %s", now.Data["username"])
	}
}

func TestAConsumerOutsideTheClusterHasAGrace(t *testing.T) {
	w := newWorld(t)
	w.change(func(b *v1alpha1.Binding) { b.Spec.RotationGrace = &metav1.Duration{Duration: 30 * time.Minute} })
	w.bind()
	w.ask("monday")
	w.through()
	w.wantPhase(v1alpha1.RotationRolling)
	w.want(metav1.ConditionTrue, v1alpha1.ReasonRotating, "fetch the new ones from Secret "+name)
	w.now = w.now.Add(31 * time.Minute)
	w.pass()
	w.finishJob(provision.ActionVerify, done())
	w.pass()
	w.finishJob(provision.ActionRetire, done())
	w.pass()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
}

func TestAFailedRotationKeepsWhatIsInForceAndTellsAPerson(t *testing.T) {
	w := newWorld(t)
	w.installConsumer()
	w.bind()
	before, _ := w.secret(name)
	w.ask("monday")
	for attempt := range 6 {
		w.pass()
		w.finishJob("stage", done())
		w.pass()
		w.finishJob("prove", &provision.Result{Phase: provision.PhaseFailed, Reason: provision.ReasonCredentialsRejected, Message: "The server refuses the login"})
		result := w.reconcile()
		w.want(metav1.ConditionTrue, v1alpha1.ReasonRotationFailed, "those in force work on; trying again: CredentialsRejected: The server refuses the login")
		stalled := conditions.Get(w.binding(), v1alpha1.StalledCondition) != nil
		if stalled != (attempt == 5) {
			t.Errorf("attempt %d: stalled is %v", attempt+1, stalled)
		}
		w.now = w.now.Add(result.RequeueAfter + time.Second)
	}
	if now, _ := w.secret(name); now.ResourceVersion != before.ResourceVersion {
		t.Error("the consumer's Secret changed")
	}
	if told := w.told(); strings.Count(told, "Warning RotationFailed") != 1 {
		t.Errorf("told %s", told)
	}
	w.ask("tuesday")
	w.through()
	w.wantPhase(v1alpha1.RotationRolling)
	w.want(metav1.ConditionTrue, v1alpha1.ReasonRotating, "")
	if got := w.binding().Status.Rotation; got.Requested != "tuesday" || got.Number != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestWhereTheProviderKnowsOneSecretItIsSwitchedRightAfter(t *testing.T) {
	w := newWorld(t)
	w.change(func(b *v1alpha1.Binding) { b.Spec.Outputs[1].Alternate = nil })
	w.installConsumer()
	w.bind()
	w.consumerTakesUp()
	w.ask("monday")
	w.pass()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonRotating, "")
	staging, _ := w.secret(name + "-next")
	w.finishJob("stage", done())
	w.pass()
	now, _ := w.secret(name)
	if string(now.Data["password"]) != string(staging.Data["password"]) || string(now.Data["username"]) != "he_ehr_a" {
		t.Error("the consumer's Secret was not switched right after the provider")
	}
	w.want(metav1.ConditionTrue, v1alpha1.ReasonRotating, "waiting until component he-ehr")
	w.finishJob(provision.ActionVerify, done())
	w.consumerTakesUp()
	w.pass()
	w.finishJob(provision.ActionVerify, done())
	w.pass()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
}

func TestASpecificationThatChangesDuringARotationIsCarriedOutFirst(t *testing.T) {
	w := newWorld(t)
	w.installConsumer()
	w.bind()
	w.consumerTakesUp()
	w.ask("monday")
	w.pass()
	w.finishJob("stage", done())
	w.pass()
	w.change(func(b *v1alpha1.Binding) {
		b.Spec.Outputs = append(b.Spec.Outputs,
			v1alpha1.BindingOutput{Name: "app-username", Origin: v1alpha1.OriginDerived, Value: new("he_ehr_app_a"), Alternate: new("he_ehr_app_b")},
			v1alpha1.BindingOutput{Name: "app-password", Origin: v1alpha1.OriginGenerated})
	})
	w.pass()
	if _, request := w.job(); request.Outputs["username"] != "he_ehr_a" || request.Outputs["app-username"] != "he_ehr_app_a" {
		t.Errorf("asked for %v", request.Outputs)
	}
	w.finishJob(provision.ActionProvision, done())
	w.pass()
	w.finishJob(provision.ActionVerify, done())
	w.pass()
	if _, request := w.job(); request.Outputs["username"] != "he_ehr_b" || request.Outputs["app-username"] != "he_ehr_app_b" {
		t.Errorf("asked for %v", request.Outputs)
	}
	if staging, _ := w.secret(name + "-next"); len(staging.Data["app-password"]) != 32 {
		t.Error("the new login has no staged password")
	}
}

func TestNothingToRotateIsSaidOnce(t *testing.T) {
	w := newWorld(t)
	w.change(func(b *v1alpha1.Binding) { b.Spec.Outputs = b.Spec.Outputs[:1] })
	w.bind()
	w.ask("monday")
	w.pass()
	w.pass()
	if told := w.told(); strings.Count(told, "NotRotated") != 1 || w.binding().Status.Rotation != nil {
		t.Errorf("told %s; %+v", told, w.binding().Status.Rotation)
	}
}

func TestAForeignStagingSecretIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name + "-next", Namespace: w.namespace}, Data: map[string][]byte{"password": []byte("mine")}})
	w.bind()
	w.ask("monday")
	w.pass()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonRotationFailed, "is not this rotation's")
	if secret, _ := w.secret(name + "-next"); string(secret.Data["password"]) != "mine" || len(secret.Data) != 1 {
		t.Error("overwritten")
	}
}

func TestStagedSecretsAreNowhereElse(t *testing.T) {
	w := newWorld(t)
	w.bind()
	w.ask("monday")
	w.pass()
	staging, _ := w.secret(name + "-next")
	told := []any{}
	for _, action := range []provision.Action{"stage", "prove", provision.ActionVerify} {
		job, request := w.job()
		told = append(told, *job, request)
		w.finishJob(action, done())
		w.pass()
	}
	told = append(told, w.binding(), w.told())
	if password := string(staging.Data["password"]); password == "" || strings.Contains(fmt.Sprint(told...), password) {
		t.Error("a new password is in a request, a Job, the status or an event")
	}
}
