//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/credentials/catest"
	"github.com/dpi-operator/dpi-operator/internal/demo"
)

const (
	outside          = "outside"
	reports          = outside + "-reports"
	reportsDatabase  = reports + "-database"
	reportsLogin     = reports + "-login"
	reportsCertified = reports + "-certificate"
	dbaDatabase      = outside + "-dba-database"
)

// providersOutside has a second deployment use the servers of the first as if they ran elsewhere: their addresses and admin
// credentials are given. Its consumer is not in the cluster. A realm is prepared, an authority signs, a DBA hands a login over.
func (s *stack) providersOutside() {
	goods := s.goodsOutside()
	s.psql("CREATE ROLE by_dba LOGIN PASSWORD 'chosen-by-a-dba'")
	s.psql("CREATE DATABASE by_dba OWNER by_dba")
	s.handOver("from-the-dba", map[string]string{"username": "by_dba", "password": "chosen-by-a-dba", "database": "by_dba"})
	deployment := s.declareOutside()

	s.await(shortLimit, "the authority is waited for", func(ctx context.Context) error {
		var binding v1alpha1.Binding
		if err := s.Client.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: reportsCertified}, &binding); err != nil {
			return err
		}
		if turn := binding.Status.WaitingFor; turn == nil || turn.Who != "the authority" {
			return fmt.Errorf("waiting for %+v", turn)
		}
		return nil
	})
	request := s.binding(reportsCertified).Status.Published[0].Value
	s.handOver(reportsCertified+"-given", map[string]string{"tls.crt": catest.New(s.t).Sign(request, time.Now().Add(time.Hour))})
	if err := s.Follow(s.t.Context(), client.ObjectKeyFromObject(deployment), shortLimit); err != nil {
		s.t.Fatal(err)
	}

	login := s.secretOf(reportsDatabase)["username"]
	if got := s.psql("SELECT rolcanlogin FROM pg_roles WHERE rolname = '" + login + "'"); got != "t" {
		s.t.Errorf("the login %s is not there: %q", login, got)
	}
	if keys := s.secretOf(reportsLogin); keys["private-key"] == "" || keys["client-secret"] != "" {
		s.t.Error("the client does not prove itself by a key")
	}
	for _, name := range []string{reportsDatabase, reportsLogin, reportsCertified, dbaDatabase, outside + "-identity-prepare-realm"} {
		if binding := s.binding(name); binding.Status.VerifiedAt == nil || !conditions.IsTrue(binding, v1alpha1.ReadyCondition) {
			s.t.Errorf("%s was not proved: %+v", name, conditions.Get(binding, v1alpha1.ReadyCondition))
		}
	}
	s.mends(func() { s.psql("ALTER ROLE " + login + " PASSWORD 'changed by hand'") }, reportsDatabase)

	clientID := s.secretOf(reportsLogin)["client-id"]
	if got := s.clients(outside, clientID); got != 1 {
		s.t.Errorf("there are %d clients %s", got, clientID)
	}
	s.remove(deployment)
	if got := s.clients(outside, clientID); got != 0 {
		s.t.Errorf("the client %s is there after its binding went", clientID)
	}
	if got := s.psql("SELECT rolcanlogin FROM pg_roles WHERE rolname = '" + login + "'"); got != "f" {
		s.t.Errorf("the login %s is open after its binding went: %q", login, got)
	}
	if got := s.psql("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'by_dba'"); got != "t" {
		s.t.Errorf("the login of the DBA was taken away: %q", got)
	}
	for _, good := range goods {
		if err := s.Client.Delete(s.t.Context(), good); err != nil {
			s.t.Fatal(err)
		}
	}
}

// goodsOutside adds entries to the catalogue: a consumer outside, an authority, and Keycloak with a realm to prepare.
func (s *stack) goodsOutside() []*v1alpha1.DigitalPublicGood {
	s.t.Helper()
	var keycloak v1alpha1.DigitalPublicGood
	if err := s.Client.Get(s.t.Context(), client.ObjectKey{Namespace: demo.OperatorNamespace, Name: "keycloak"}, &keycloak); err != nil {
		s.t.Fatal(err)
	}
	named := func(name string, spec v1alpha1.DigitalPublicGoodSpec) *v1alpha1.DigitalPublicGood {
		spec.DisplayName, spec.Identity = name, keycloak.Spec.Identity
		return &v1alpha1.DigitalPublicGood{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: demo.OperatorNamespace, Labels: keycloak.Labels}, Spec: spec}
	}
	prepared := *keycloak.Spec.DeepCopy()
	prepared.Prepare = []v1alpha1.PrepareStep{{
		Name: "realm", Endpoint: "web", Provisioner: "keycloak", AdminCredential: "admin",
		Parameters: &apiextensionsv1.JSON{Raw: []byte(`{"realm": "outside", "roles": ["auditor"]}`)},
	}}
	versions := []v1alpha1.GoodVersion{{Version: "1.0.0"}}
	goods := []*v1alpha1.DigitalPublicGood{
		named("prepared-identity", prepared),
		named("authority", v1alpha1.DigitalPublicGoodSpec{
			Class: v1alpha1.ClassBackingService, Versions: []v1alpha1.GoodVersion{{Version: "1.0.0", Chart: &v1alpha1.ChartReference{Name: "none", Version: "1.0.0"}}},
			Endpoints: []v1alpha1.GoodEndpoint{{Name: "desk", Scheme: "https", Port: 443}},
			Provides:  []v1alpha1.Provision{{Contract: "certificate-v1", Person: &v1alpha1.PersonStep{Who: "the authority", Instruction: "Sign the request"}}},
		}),
		named("reports", v1alpha1.DigitalPublicGoodSpec{Class: v1alpha1.ClassClient, Versions: versions, Requires: []v1alpha1.Requirement{
			{Name: "database", Contract: "postgresql-v1"}, {Name: "login", Contract: "oidc-client-v1"}, {Name: "certificate", Contract: "certificate-v1"},
		}}),
		named("dba", v1alpha1.DigitalPublicGoodSpec{Class: v1alpha1.ClassClient, Versions: versions, Requires: []v1alpha1.Requirement{{Name: "database", Contract: "postgresql-v1"}}}),
	}
	for _, good := range goods {
		// An earlier run may have ended in the midst of this.
		if err := client.IgnoreNotFound(s.Client.Delete(s.t.Context(), good.DeepCopy())); err != nil {
			s.t.Fatal(err)
		}
		if err := s.Client.Create(s.t.Context(), good); err != nil {
			s.t.Fatal(err)
		}
	}
	return goods
}

func (s *stack) declareOutside() *v1alpha1.DPIDeployment {
	s.t.Helper()
	at := func(good, name, endpoint, scheme string, port int) v1alpha1.StackComponent {
		server := demo.DeploymentName + "-" + name
		return v1alpha1.StackComponent{Name: name, Good: good, External: &v1alpha1.ExternalComponent{
			Endpoints:   []v1alpha1.ExternalEndpoint{{Name: endpoint, URL: fmt.Sprintf("%s://%s.%s.svc.cluster.local:%d", scheme, server, key.Namespace, port)}},
			Credentials: []v1alpha1.ExternalCredential{{Name: "admin", SecretName: server + "-admin-credential"}},
		}}
	}
	parameters := func(text string) *apiextensionsv1.JSON { return &apiextensionsv1.JSON{Raw: []byte(text)} }
	deployment := &v1alpha1.DPIDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: outside, Namespace: key.Namespace},
		Spec: v1alpha1.DPIDeploymentSpec{Environment: v1alpha1.EnvironmentDemo, Components: []v1alpha1.StackComponent{
			at("postgresql", "postgres", "sql", "tcp", 5432),
			at("prepared-identity", "identity", "web", "http", 8080),
			{Name: "root", Good: "authority", External: &v1alpha1.ExternalComponent{Endpoints: []v1alpha1.ExternalEndpoint{{Name: "desk", URL: "https://ca.example.org"}}}},
			{Name: "reports", Good: "reports", Bindings: []v1alpha1.StackBinding{
				{Requirement: "login", Parameters: parameters(`{"realm": "outside", "roles": ["auditor"], "authentication": "private_key_jwt"}`)},
				{Requirement: "certificate", Parameters: parameters(`{"commonName": "reports"}`)},
			}},
			{Name: "dba", Good: "dba", Bindings: []v1alpha1.StackBinding{{Requirement: "database", Given: "from-the-dba", Parameters: parameters(`{"database": "by_dba"}`)}}},
		}},
	}
	if err := s.Client.Create(s.t.Context(), deployment); err != nil {
		s.t.Fatal(err)
	}
	return deployment
}

// handOver leaves a Secret, as people do.
func (s *stack) handOver(name string, values map[string]string) {
	s.t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: key.Namespace}, StringData: values}
	if err := s.Client.Create(s.t.Context(), secret); err != nil {
		s.t.Fatal(err)
	}
}
