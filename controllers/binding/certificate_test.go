package binding_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/credentials/catest"
	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// signed has an authority outside sign for a key of the consumer's own.
func signed(b *v1alpha1.Binding) {
	b.Spec.Provider.Provisioner, b.Spec.Provider.AdminSecretName = "", ""
	b.Spec.Provider.Person = &v1alpha1.PersonStep{Who: "the certification authority", Instruction: "Sign the request."}
	b.Spec.Outputs = []v1alpha1.BindingOutput{
		{Name: "tls.crt", Origin: v1alpha1.OriginMinted, CertificateOf: "tls.key"},
		{
			Name: "tls.csr", Origin: v1alpha1.OriginGenerated, PublicOf: "tls.key", Format: v1alpha1.FormatCSR,
			Request: &v1alpha1.CertificateRequest{CommonName: "clinic", Country: "KE", DNSNames: []v1alpha1.DNSName{"clinic.example.org"}},
		},
		{Name: "tls.key", Origin: v1alpha1.OriginGenerated, KeyPair: &v1alpha1.KeyPair{Algorithm: "EC-P256"}, Format: v1alpha1.FormatPEM},
	}
}

func (w *world) publishedRequest() string {
	w.t.Helper()
	published := w.binding().Status.Published
	if len(published) != 1 || published[0].Name != "tls.csr" {
		w.t.Fatalf("published is %+v", published)
	}
	return published[0].Value
}

// leave puts a certificate where the binding waits for it.
func (w *world) leave(certificate string) {
	w.t.Helper()
	secret := corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name + "-given", Namespace: w.namespace}, Data: map[string][]byte{"tls.crt": []byte(certificate)}}
	err := cluster.Create(w.t.Context(), &secret)
	if err != nil {
		err = cluster.Patch(w.t.Context(), &secret, client.MergeFrom(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: secret.Name, Namespace: w.namespace}}))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.now = w.now.Add(time.Minute)
	w.reconcile()
}

func TestAnAuthoritySignsARequestAndTheKeyStays(t *testing.T) {
	w := newWorld(t)
	w.change(signed)
	w.providerIsReady()
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForPerson, "Waiting for the certification authority: Sign the request; put tls.crt into Secret "+
		name+"-given; to be signed is tls.csr in status.published of this binding")
	request := w.publishedRequest()
	if asked := catest.Request(t, request); asked.Subject.String() != "CN=clinic,C=KE" || asked.DNSNames[0] != "clinic.example.org" {
		t.Errorf("asked for %s, %v", asked.Subject, asked.DNSNames)
	}
	w.reconcile()
	if again := w.publishedRequest(); again != request {
		t.Error("the request is another one after a while: what was signed would fit nothing")
	}

	authority := catest.New(t)
	other := newWorld(t)
	other.change(signed)
	other.providerIsReady()
	other.reconcile()
	w.leave(authority.Sign(other.publishedRequest(), time.Now().Add(24*time.Hour)))
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForPerson, "tls.crt (it is for another key than the request) of Secret "+name+"-given cannot be taken")
	w.leave(authority.Sign(request, time.Now().Add(-time.Minute)))
	w.want(metav1.ConditionFalse, v1alpha1.ReasonWaitingForPerson, "tls.crt (it was valid until ")

	w.leave(authority.Sign(request, time.Now().Add(24*time.Hour)))
	w.finishJob(provision.ActionVerify, done())
	w.reconcile()
	w.want(metav1.ConditionTrue, v1alpha1.ReasonReady, "proved")
	if turn := w.binding().Status.WaitingFor; turn != nil {
		t.Errorf("still waits for %s", turn.Who)
	}
	own, _ := w.secret(name)
	if key := string(own.Data["tls.key"]); !strings.Contains(key, "PRIVATE KEY") || strings.Contains(w.publishedRequest(), "PRIVATE") {
		t.Error("the key is not where it belongs")
	}
}
