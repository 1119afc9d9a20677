package runner_test

import (
	"context"
	"os"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/runner"
	"github.com/dpi-operator/dpi-operator/internal/testenv"
)

var cluster *rest.Config

func TestMain(m *testing.M) {
	os.Exit(testenv.Run(m, testenv.Options{}, func(_ context.Context, config *rest.Config) { cluster = config }))
}

const resultSecret = "binding-result"

// jobAccount makes the account a Job runs as, with all the rights it has, and returns its way into the cluster.
func jobAccount(t *testing.T, client kubernetes.Interface, namespace string) *rest.Config {
	t.Helper()
	ctx := context.Background()
	meta := metav1.ObjectMeta{Name: "provisioner", Namespace: namespace}
	_, err := client.CoreV1().ServiceAccounts(namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.RbacV1().Roles(namespace).Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{resultSecret}, Verbs: []string{"patch"}},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.RbacV1().RoleBindings(namespace).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: meta.Name, Namespace: namespace}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	token, err := client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, meta.Name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config := rest.AnonymousClientConfig(cluster)
	config.BearerToken = token.Status.Token
	return config
}

func TestPublish_reachesOneSecretAndNoOther(t *testing.T) {
	ctx := context.Background()
	client, err := kubernetes.NewForConfig(cluster)
	if err != nil {
		t.Fatal(err)
	}
	namespace := testenv.Namespace(t, cluster)
	for _, name := range []string{resultSecret, "another"} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string][]byte{"kept": []byte("as it is")}}
		if _, err := client.CoreV1().Secrets(namespace).Create(ctx, secret, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	config := jobAccount(t, client, namespace)
	publisher := runner.SecretPublisher{Config: config, Namespace: namespace, Name: resultSecret}
	for _, result := range []string{`{"phase":"retry"}`, `{"phase":"done"}`} {
		if err := publisher.Publish(ctx, []byte(result)); err != nil {
			t.Fatal(err)
		}
		secret, err := client.CoreV1().Secrets(namespace).Get(ctx, resultSecret, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if string(secret.Data[provision.ResultKey]) != result || string(secret.Data["kept"]) != "as it is" {
			t.Errorf("the Secret has %d keys, result %s", len(secret.Data), secret.Data[provision.ResultKey])
		}
	}
	for _, name := range []string{"another", "missing"} {
		publisher.Name = name
		if err := publisher.Publish(ctx, []byte(`{}`)); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("Secret %s: got %v", name, err)
		}
	}
}
