package binding_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// withKeys has the binding prove itself by signatures.
func (w *world) withKeys() {
	w.t.Helper()
	object := w.binding()
	object.Spec.Outputs = []v1alpha1.BindingOutput{
		{Name: "username", Origin: v1alpha1.OriginDerived, Value: new("he_ehr")},
		{Name: "public-key", Origin: v1alpha1.OriginGenerated, PublicOf: "private-key", Format: v1alpha1.FormatJWK},
		{Name: "private-key", Origin: v1alpha1.OriginGenerated, KeyPair: &v1alpha1.KeyPair{Algorithm: "EC-P256"}, Format: v1alpha1.FormatJWK},
		{Name: "password", Origin: v1alpha1.OriginGenerated},
	}
	if err := cluster.Update(w.t.Context(), object); err != nil {
		w.t.Fatal(err)
	}
}

// privateKey is the secret number of the key in a Secret.
func (w *world) privateKey(secret string) string {
	w.t.Helper()
	var kept corev1.Secret
	w.get(secret, &kept)
	var key struct {
		D string `json:"d"`
	}
	if err := json.Unmarshal(kept.Data["private-key"], &key); err != nil || key.D == "" {
		w.t.Fatalf("Secret %s has no private key: %v", secret, err)
	}
	return key.D
}

// mounted are the keys that a Job finds of the binding's Secret; nil means all of them.
func mounted(job *batchv1.Job) []string {
	for _, volume := range job.Spec.Template.Spec.Volumes {
		if volume.Name != "credentials" || volume.Secret == nil {
			continue
		}
		var keys []string
		for _, item := range volume.Secret.Items {
			keys = append(keys, item.Key)
		}
		return keys
	}
	return []string{}
}

// holds looks for a text in everything of a namespace that a Job, or anybody who reads it, could see.
func (w *world) holds(namespace, text string) []string {
	w.t.Helper()
	var found []string
	for _, list := range []client.ObjectList{&corev1.SecretList{}, &corev1.ConfigMapList{}, &batchv1.JobList{}, &v1alpha1.BindingList{}, &v1alpha1.ComponentList{}} {
		if err := cluster.List(w.t.Context(), list, client.InNamespace(namespace)); err != nil {
			w.t.Fatal(err)
		}
		if secrets, ok := list.(*corev1.SecretList); ok {
			for _, secret := range secrets.Items {
				for key, value := range secret.Data {
					if strings.Contains(string(value), text) {
						found = append(found, "Secret "+secret.Name+" "+key)
					}
				}
			}
			continue
		}
		raw, err := json.Marshal(list)
		if err != nil {
			w.t.Fatal(err)
		}
		if strings.Contains(string(raw), text) {
			found = append(found, list.GetObjectKind().GroupVersionKind().String())
		}
	}
	return found
}

func TestAPrivateKeyIsForTheConsumersOwnProofOnly(t *testing.T) {
	w := newWorld(t)
	w.withKeys()
	w.providerIsReady()
	w.reconcile()
	private := w.privateKey(name)
	jobs := w.jobs()
	if diff := cmp.Diff([]string{"password", "provider", "public-key", "type", "username"}, mounted(&jobs[0])); diff != "" {
		t.Errorf("the provisioner finds (-want +got):\n%s", diff)
	}
	var key jose.JSONWebKey
	if err := json.Unmarshal([]byte(w.requested().Outputs["public-key"]), &key); err != nil || !key.IsPublic() {
		t.Errorf("the request has public key %q: %v", w.requested().Outputs["public-key"], err)
	}
	if diff := cmp.Diff([]string{"Secret " + name + " private-key"}, w.holds(w.namespace, private)); diff != "" {
		t.Errorf("the private key is in (-want +got):\n%s", diff)
	}
	w.finishJob(provision.ActionProvision, done())
	w.reconcile()
	if jobs = w.jobs(); mounted(&jobs[0]) != nil {
		t.Errorf("the proof finds %v only", mounted(&jobs[0]))
	}
	w.finishJob(provision.ActionVerify, done())
	w.reconcile()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
	w.reconcile()
	if w.privateKey(name) != private {
		t.Error("the key was made anew")
	}
}

func TestAPrivateKeyThatIsNoneIsSaidAndNotRepeated(t *testing.T) {
	w := newWorld(t)
	w.withKeys()
	w.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace, Labels: map[string]string{v1alpha1.BindingLabel: name}},
		StringData: map[string]string{"private-key": "swordfish"},
	})
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonInvalid, "delete the Secret's key private-key")
	if found := w.holds(w.namespace, "swordfish"); len(found) != 1 {
		t.Errorf("it is repeated: %v", found)
	}
}

func TestAPrivateKeyIsExchangedByARotation(t *testing.T) {
	w := newWorld(t)
	w.withKeys()
	w.bind()
	before := w.privateKey(name)
	object := w.binding()
	metav1.SetMetaDataAnnotation(&object.ObjectMeta, v1alpha1.RotateAtAnnotation, "now")
	if err := cluster.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if jobs := w.jobs(); len(jobs) == 1 && strings.Contains(jobs[0].Name, "-stage-") {
			break
		}
		w.reconcile()
	}
	jobs := w.jobs()
	if len(jobs) != 1 || slices.Contains(mounted(&jobs[0]), "private-key") || !slices.Contains(mounted(&jobs[0]), "password") {
		t.Fatalf("want one Job without the key, got %v that finds %v", jobNames(jobs), mounted(&jobs[0]))
	}
	next := w.privateKey(name + "-next")
	var staged corev1.Secret
	w.get(name+"-next", &staged)
	if asked := w.requested().Outputs["public-key"]; next == before || asked != string(staged.Data["public-key"]) {
		t.Errorf("the provider is to take %s", asked)
	}
	w.finishJob("stage", done())
	for range 10 {
		if w.privateKey(name) == next {
			break
		}
		w.reconcile()
	}
	var kept corev1.Secret
	w.get(name, &kept)
	if w.privateKey(name) != next || string(kept.Data["public-key"]) != string(staged.Data["public-key"]) {
		t.Error("the consumer has not got the new pair")
	}
}

func TestAPrivateKeyNeverComesToTheProvidersNamespace(t *testing.T) {
	a := newAway(t, v1alpha1.Grant{})
	a.withKeys()
	a.reconcile()
	private := a.privateKey(name)
	check := func(when string) {
		t.Helper()
		if found := a.holds(a.platform, private); len(found) > 0 {
			t.Errorf("%s: the provider's namespace holds it in %v", when, found)
		}
	}
	check("before the Job runs")
	a.reconcile()
	lent := slices.Collect(maps.Values(a.lent()))
	if diff := cmp.Diff([][]string{{"password", "public-key"}}, lent); diff != "" {
		t.Errorf("lent (-want +got):\n%s", diff)
	}
	check("while the Job runs")
	a.finishAway(provision.ActionProvision, done())
	a.reconcile()
	check("after it")
	a.finishJob(provision.ActionVerify, done())
	a.reconcile()
	a.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "")
	if err := cluster.Delete(t.Context(), a.binding()); err != nil {
		t.Fatal(err)
	}
	a.reconcile()
	check("while access is taken away")
	a.finishAway(provision.ActionRevoke, done())
	check("in the end")
}
