package binding_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// wantForms has the binding keep Secrets for a chart that knows one name, and for one that wants an address.
func (w *world) wantForms() {
	w.t.Helper()
	w.change(func(b *v1alpha1.Binding) {
		b.Spec.Secrets = []v1alpha1.BindingForm{
			{SecretName: "db-common-secrets", Keys: []v1alpha1.SecretKey{{Name: "db-dbuser-password", Output: "password"}}},
			{SecretName: "he-ehr-database-url", Keys: []v1alpha1.SecretKey{
				{Name: "URL", Expr: "'postgres://' + outputs.username + ':' + outputs.password + '@' + outputs.host"},
			}},
		}
	})
}

// checkForms compares both with the Secret that is in force.
func (w *world) checkForms() {
	w.t.Helper()
	own, _ := w.secret(name)
	fixed, exists := w.secret("db-common-secrets")
	if !exists || string(fixed.Data["db-dbuser-password"]) != string(own.Data["password"]) || len(fixed.Data) != 1 {
		w.t.Error("the Secret with the fixed name does not hold the password that is in force, and that alone")
	}
	address, exists := w.secret("he-ehr-database-url")
	want := "postgres://" + string(own.Data["username"]) + ":" + string(own.Data["password"]) + "@db"
	if !exists || string(address.Data["URL"]) != want {
		w.t.Error("the Secret with the address is not computed from what is in force")
	}
	if !metav1.IsControlledBy(fixed, w.binding()) {
		w.t.Error("the Secret is not removed with the binding")
	}
}

func TestReconcile_keepsTheSecretsThatTheConsumerInsistsOn(t *testing.T) {
	w := newWorld(t)
	w.wantForms()
	w.providerIsReady()
	w.bind()
	w.checkForms()
	before, _ := w.secret("db-common-secrets")

	w.installConsumer()
	w.ask("now")
	w.through()
	w.consumerTakesUp()
	w.pass()
	if after, _ := w.secret("db-common-secrets"); string(after.Data["db-dbuser-password"]) == string(before.Data["db-dbuser-password"]) {
		t.Fatal("the rotation left the old password in the Secret with the fixed name")
	}
	w.checkForms()

	tampered, _ := w.secret("db-common-secrets")
	tampered.Data["db-dbuser-password"] = []byte("by hand")
	if err := cluster.Update(t.Context(), tampered); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	w.checkForms()
}

func TestReconcile_leavesASecretOfAnotherAlone(t *testing.T) {
	w := newWorld(t)
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "db-common-secrets", Namespace: w.namespace}, Data: map[string][]byte{"mine": []byte("1")}})
	w.wantForms()
	w.providerIsReady()
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonForeignObject, "Secret db-common-secrets exists and is not this binding's")
	if found, _ := w.secret("db-common-secrets"); len(found.Data) != 1 || string(found.Data["mine"]) != "1" {
		t.Error("the Secret of another was changed")
	}
}

func TestReconcile_expressionsDoNotTellWhatTheySaw(t *testing.T) {
	w := newWorld(t)
	w.change(func(b *v1alpha1.Binding) {
		b.Spec.Secrets = []v1alpha1.BindingForm{{SecretName: "x", Keys: []v1alpha1.SecretKey{{Name: "N", Expr: "int(outputs.password)"}}}}
	})
	w.providerIsReady()
	w.reconcile()
	w.want(metav1.ConditionFalse, v1alpha1.ReasonMappingFailed, "Secret x: key N: its expression gives no text")
	own, _ := w.secret(name)
	for _, condition := range w.binding().Status.Conditions {
		if strings.Contains(condition.Message, string(own.Data["password"])) {
			t.Error("the condition tells the password")
		}
	}
}
