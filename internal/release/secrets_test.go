package release_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/placeholder"
	"github.com/dpi-operator/dpi-operator/internal/release"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

var bound = placeholder.Reference{Secret: "shop-web-database", Key: "password"}

// inlineWorld has the Secret of a binding, with this password.
func inlineWorld(t *testing.T, password string) *world {
	t.Helper()
	w := newWorld(t)
	w.check(w.client.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: bound.Secret, Namespace: w.namespace, Labels: map[string]string{v1alpha1.BindingLabel: "x"}},
		Data:       map[string][]byte{bound.Key: []byte(password)},
	}))
	return w
}

func (w *world) inline(values map[string]any) release.Request {
	values["password"] = bound.Text()
	return w.request("inline", values)
}

// wantPassword looks at what the chart's Secret holds.
func (w *world) wantPassword(want string) {
	w.t.Helper()
	var secret corev1.Secret
	w.read("app-auth", &secret)
	if string(secret.Data["password"]) != want || string(secret.Data["url"]) != "postgres://u:"+want+"@h/d" {
		w.t.Error("the chart's Secret does not hold the value that is bound")
	}
}

// wantNowhere looks for a value in all that Helm keeps and shows.
func (w *world) wantNowhere(value string) {
	w.t.Helper()
	var records corev1.SecretList
	w.check(w.client.List(w.t.Context(), &records, client.InNamespace(w.namespace), client.MatchingLabels{"owner": "helm"}))
	for _, record := range records.Items {
		written := unpacked(w.t, record.Data["release"])
		if strings.Contains(written, value) || strings.Contains(written, base64.StdEncoding.EncodeToString([]byte(value))) {
			w.t.Errorf("record %s holds the value", record.Name)
		}
		if !strings.Contains(written, bound.Text()) {
			w.t.Errorf("record %s does not say where the value goes", record.Name)
		}
	}
}

func TestReconcile_putsSecretsThatAreGivenAsTextWhereTheyBelong(t *testing.T) {
	const first, second = "first-password-of-32-characters-", "second-password-of-32-characters"
	for name, keep := range map[string]bool{"plain": false, "a chart that keeps what it finds": true} {
		t.Run(name, func(t *testing.T) {
			w := inlineWorld(t, first)
			w.wantState(w.settle(w.inline(map[string]any{"keep": keep})), release.StateDeployed, 1)
			w.wantPassword(first)
			var web appsv1.Deployment
			w.read("app", &web)
			variable := web.Spec.Template.Spec.Containers[0].Env[0]
			if variable.Value != "" || variable.ValueFrom == nil || variable.ValueFrom.SecretKeyRef.Name != bound.Secret {
				t.Errorf("the pod reads its password from %+v", variable)
			}
			w.wantNowhere(first)

			w.bind(second)
			rotated := w.inline(map[string]any{"keep": keep})
			rotated.Transform.WorkloadAnnotations = map[string]string{v1alpha1.CredentialsAnnotation: "1"}
			w.wantState(w.settle(rotated), release.StateDeployed, 2)
			w.wantPassword(second)
			w.wantNowhere(second)
			w.wantNowhere(first)
		})
	}
}

func TestDrift_knowsSecretsThatAreGivenAsText(t *testing.T) {
	w := inlineWorld(t, "a-password-that-is-long-enough")
	outcome := w.settle(w.inline(map[string]any{}))
	auth := render.ID{Version: "v1", Kind: "Secret", Namespace: w.namespace, Name: "app-auth"}
	asked := release.DriftRequest{
		Namespace: w.namespace, Name: "app", Owner: release.Owner{Component: "app", Deployment: "shop"}, Revision: outcome.Revision, Objects: []render.ID{auth},
	}
	if found := must(w.engine.Drift(t.Context(), asked))(t); len(found) != 1 || found[0].State != release.DriftNone {
		t.Errorf("what was just applied drifted: %+v", found)
	}
	var secret corev1.Secret
	w.read("app-auth", &secret)
	secret.Data["password"] = []byte("by hand")
	w.check(w.client.Update(t.Context(), &secret))
	found := must(w.engine.Drift(t.Context(), asked))(t)
	if len(found) != 1 || found[0].State != release.DriftChanged {
		t.Fatalf("a changed password is no drift: %+v", found)
	}
	w.check(w.engine.Correct(t.Context(), asked, found[0]))
	w.wantPassword("a-password-that-is-long-enough")
}

func TestReconcile_refusesSecretsAsTextThatDoNotArrive(t *testing.T) {
	for name, test := range map[string]struct{ values, want string }{
		"in a ConfigMap": {"exposed", "ConfigMap " + "app-config: a secret value would stand in clear text: .data.config takes key password of Secret shop-web-database"},
		"hashed":         {"hashed", "key password of Secret shop-web-database, given as text: the chart does not use it as it is"},
	} {
		t.Run(name, func(t *testing.T) {
			w := inlineWorld(t, "a-password-that-is-long-enough")
			outcome := w.settle(w.inline(map[string]any{test.values: true}))
			message := strings.ReplaceAll(outcome.Message, w.namespace+"/", "")
			if outcome.State != release.StateBlocked || outcome.Reason != release.ReasonRenderFailed || !strings.Contains(message, test.want) {
				t.Errorf("got %s %s: %s", outcome.State, outcome.Reason, outcome.Message)
			}
			if w.exists("app-auth", &corev1.Secret{}) {
				t.Error("something was installed")
			}
		})
	}
}

// A tenant may write values, and must not read other Secrets of the namespace through the operator by them.
func TestReconcile_readsNoOtherSecretsForCharts(t *testing.T) {
	w := inlineWorld(t, "a-password-that-is-long-enough")
	w.check(w.client.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "of-somebody-else", Namespace: w.namespace}, Data: map[string][]byte{"token": []byte("private-token-of-somebody")},
	}))
	other := placeholder.Reference{Secret: "of-somebody-else", Key: "token"}
	_, err := w.engine.Reconcile(t.Context(), w.request("inline", map[string]any{"password": other.Text()}))
	if err == nil || !strings.Contains(err.Error(), "key token of Secret of-somebody-else: does not exist yet") {
		t.Errorf("got %v", err)
	}
	if w.exists("app-auth", &corev1.Secret{}) {
		t.Error("the Secret was copied")
	}
}

// unpacked is the JSON of a record of Helm's.
func unpacked(tb testing.TB, release []byte) string {
	tb.Helper()
	packed := must(base64.StdEncoding.DecodeString(string(release)))(tb)
	reader := must(gzip.NewReader(bytes.NewReader(packed)))(tb)
	return string(must(io.ReadAll(reader))(tb))
}

// bind exchanges the bound password.
func (w *world) bind(password string) {
	w.t.Helper()
	var secret corev1.Secret
	w.read(bound.Secret, &secret)
	secret.Data[bound.Key] = []byte(password)
	w.check(w.client.Update(w.t.Context(), &secret, client.FieldOwner("test")))
}
