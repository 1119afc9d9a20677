//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/demo"
)

const (
	ehrDatabase = demo.DeploymentName + "-ehr-database"
	appLogin    = demo.DeploymentName + "-clinic-app-login"
	callerName  = "caller"
)

// talk asks EHRbase five times a second for something that it reads from its database, and counts what comes back.
const talk = `ok=0; failed=0
while :; do
  if exec 3<>"/dev/tcp/$HOST/$PORT" 2>/dev/null; then
    printf 'GET /ehrbase/rest/openehr/v1/definition/template/adl1.4 HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n' "$HOST" "$TOKEN" >&3
    read -r -t 20 line <&3; exec 3>&-
  else
    line='no connection'
  fi
  case "$line" in *' 200'*) ok=$((ok+1));; *) failed=$((failed+1)); echo "failed with: $line";; esac
  echo "ok=$ok failed=$failed"; line=; sleep 0.2
done`

// rotatesUnderLoad exchanges the logins of EHRbase's database while a client keeps talking to it.
func (s *stack) rotatesUnderLoad() {
	s.startCaller()
	before := s.binding(ehrDatabase)
	loginBefore := s.secretOf(ehrDatabase)["username"]
	s.await(shortLimit, "the caller gets answers", s.answered(20))

	s.run(filepath.Join(s.Root, "bin", "kubectl-dpi"), "rotate", key.Name, "--namespace", key.Namespace, "--binding", ehrDatabase)
	s.await(installLimit, "the rotation is done", func(ctx context.Context) error {
		var now v1alpha1.Binding
		if err := s.Client.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: ehrDatabase}, &now); err != nil {
			return err
		}
		if now.Status.Credentials.Version != before.Status.Credentials.Version+1 || now.Status.Rotation != nil || !conditions.IsTrue(&now, v1alpha1.ReadyCondition) {
			return fmt.Errorf("rotation %+v", now.Status.Rotation)
		}
		return nil
	})
	ok, _ := s.counted()
	s.await(shortLimit, "the caller gets answers with the new logins", s.answered(ok+20))
	if s.secretOf(ehrDatabase)["username"] == loginBefore {
		s.t.Error("the login in force is the old one")
	}
	if got := s.psql("SELECT rolcanlogin FROM pg_roles WHERE rolname = '" + loginBefore + "'"); got != "f" {
		s.t.Errorf("the old login %s is still open: %q", loginBefore, got)
	}
	answered, failed := s.counted()
	s.t.Logf("%d requests were answered, %d failed", answered, failed)
	if failed > 0 {
		s.t.Errorf("%d requests failed:\n%s", failed, s.failures())
	}
	s.stopCaller()
	if err := s.Follow(s.t.Context(), key, installLimit); err != nil {
		s.t.Fatal(err)
	}
}

// wrongPassword changes the passwords of all who use the database at the server, as a person with psql might.
func (s *stack) wrongPassword() {
	edges := []string{ehrDatabase, demo.DeploymentName + "-identity-database", demo.DeploymentName + "-fhir-database"}
	s.mends(func() {
		for _, edge := range edges {
			s.psql("ALTER ROLE " + s.secretOf(edge)["username"] + " PASSWORD 'changed by hand'")
		}
	}, edges...)
	if err := s.Follow(s.t.Context(), key, installLimit); err != nil {
		s.t.Fatal(err)
	}
}

// deletedClient deletes the app's client at Keycloak, as a person in its console might.
func (s *stack) deletedClient() {
	s.mends(func() {
		s.deleteClient(s.secretOf(appLogin)["client-id"])
		if _, err := s.Token(s.t.Context()); err == nil {
			s.t.Fatal("the client still gets a token")
		}
	}, appLogin)
	if _, err := s.Token(s.t.Context()); err != nil {
		s.t.Fatalf("the client that was made again gets no token: %v", err)
	}
}

// providerDown takes PostgreSQL away and gives it back. Nobody does anything else.
func (s *stack) providerDown() {
	database := demo.DeploymentName + "-postgres"
	s.kubectl("scale", "statefulset", database, "--namespace", key.Namespace, "--replicas=0")
	s.await(shortLimit, "the binding names the provider", func(ctx context.Context) error {
		var binding v1alpha1.Binding
		if err := s.Client.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: ehrDatabase}, &binding); err != nil {
			return err
		}
		ready := conditions.Get(&binding, v1alpha1.ReadyCondition)
		if ready.Reason != string(v1alpha1.ReasonWaitingForProvider) || ready.Message != "Waiting for component "+database {
			return fmt.Errorf("ready is %+v", ready)
		}
		return nil
	})
	if line := s.kubectl("get", "dpi", key.Name, "--namespace", key.Namespace, "--no-headers"); !strings.Contains(line, "False") {
		s.t.Errorf("kubectl get dpi says %s", line)
	}
	s.kubectl("scale", "statefulset", database, "--namespace", key.Namespace, "--replicas=1")
	s.await(shortLimit, "everything works again", s.Prove)
	if err := s.Follow(s.t.Context(), key, installLimit); err != nil {
		s.t.Fatal(err)
	}
}

// proofInterval is how often the edges of these tests are proved, instead of every ten minutes.
const proofInterval = time.Minute

// proveOften has the catalogue say so, before anything is planned from it.
func (s *stack) proveOften() {
	s.t.Helper()
	source := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "public-goods", Namespace: demo.OperatorNamespace}}
	if err := s.Client.Get(s.t.Context(), client.ObjectKeyFromObject(source), source); err != nil {
		s.t.Fatal(err)
	}
	contracts := []string{"postgresql-v1", "oidc-client-v1"}
	for _, contract := range contracts {
		method := "    method: " + contract + "\n"
		source.Data["catalog.yaml"] = strings.Replace(source.Data["catalog.yaml"], method, "    interval: "+proofInterval.String()+"\n"+method, 1)
	}
	if err := s.Client.Update(s.t.Context(), source); err != nil {
		s.t.Fatal(err)
	}
	s.await(shortLimit, "the catalogue says how often edges are proved", func(ctx context.Context) error {
		for _, name := range contracts {
			var contract v1alpha1.InterfaceContract
			if err := s.Client.Get(ctx, client.ObjectKey{Namespace: demo.OperatorNamespace, Name: name}, &contract); err != nil {
				return err
			}
			if interval := contract.Spec.Verification.Interval; interval == nil || interval.Duration != proofInterval {
				return fmt.Errorf("%s has %v", name, interval)
			}
		}
		return nil
	})
}

// mends breaks edges and waits: the operator finds each by itself, tells it, mends it and proves it. Nobody asks for anything.
func (s *stack) mends(breaks func(), edges ...string) {
	s.t.Helper()
	told := map[string]int{}
	for _, edge := range edges {
		told[edge] = s.eventsOf(edge, "VerificationFailed")
	}
	breaks()
	broken := time.Now()
	for _, edge := range edges {
		s.await(shortLimit, edge+" is found broken and mended", func(ctx context.Context) error {
			var binding v1alpha1.Binding
			if err := s.Client.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: edge}, &binding); err != nil {
				return err
			}
			if s.eventsOf(edge, "VerificationFailed") == told[edge] || !conditions.IsTrue(&binding, v1alpha1.ReadyCondition) { //nolint:contextcheck // kubectl runs for as long as the test does
				return fmt.Errorf("ready is %+v", conditions.Get(&binding, v1alpha1.ReadyCondition))
			}
			return nil
		})
		s.t.Logf("%s was found broken and mended within %s", edge, time.Since(broken).Round(time.Second))
	}
}

// eventsOf counts what was told about a binding for a reason.
func (s *stack) eventsOf(name, reason string) int {
	s.t.Helper()
	told := s.kubectl("get", "events", "--namespace", key.Namespace, "--field-selector", "involvedObject.name="+name+",reason="+reason,
		"--output", "jsonpath={range .items[*]}{.series.count}{.deprecatedCount}+{end}")
	total := 0
	for count := range strings.SplitSeq(told, "+") {
		if number, err := strconv.Atoi(count); err == nil {
			total += number
		}
	}
	return total + strings.Count(told, "+")
}

func (s *stack) binding(name string) *v1alpha1.Binding {
	s.t.Helper()
	var binding v1alpha1.Binding
	if err := s.Client.Get(s.t.Context(), client.ObjectKey{Namespace: key.Namespace, Name: name}, &binding); err != nil {
		s.t.Fatal(err)
	}
	return &binding
}

func (s *stack) secretOf(name string) map[string]string {
	s.t.Helper()
	return s.secretIn(key.Namespace, name)
}

func (s *stack) secretIn(namespace, name string) map[string]string {
	s.t.Helper()
	var secret corev1.Secret
	if err := s.Client.Get(s.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &secret); err != nil {
		s.t.Fatal(err)
	}
	out := map[string]string{}
	for name, value := range secret.Data {
		out[name] = string(value)
	}
	return out
}

func (s *stack) psql(command string) string {
	s.t.Helper()
	return strings.TrimSpace(s.kubectl("exec", "--namespace", key.Namespace, demo.DeploymentName+"-postgres-0", "--", "psql", "--tuples-only", "--no-align", "--command", command))
}

// startCaller runs a client in the cluster, in the image of the database, which has a shell.
func (s *stack) startCaller() {
	s.t.Helper()
	token, err := s.Token(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	address, err := url.Parse(s.secretOf(demo.DeploymentName + "-clinic-app-openehr")["url"])
	if err != nil {
		s.t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: callerName, Namespace: key.Namespace}, StringData: map[string]string{
		"TOKEN": token, "HOST": address.Hostname(), "PORT": address.Port(),
	}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: callerName, Namespace: key.Namespace}, Spec: corev1.PodSpec{
		TerminationGracePeriodSeconds: new(int64(0)),
		Containers: []corev1.Container{{
			Name: callerName, Image: s.imageOf(demo.DeploymentName + "-postgres-0"), Command: []string{"bash", "-c", talk},
			EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: callerName}}}},
		}},
	}}
	for _, object := range []client.Object{secret, pod} {
		if err := s.Client.Create(s.t.Context(), object); err != nil {
			s.t.Fatal(err)
		}
	}
	s.await(shortLimit, "the caller runs", func(ctx context.Context) error {
		if err := s.Client.Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
			return err
		}
		if pod.Status.Phase != corev1.PodRunning {
			return fmt.Errorf("it is %s", pod.Status.Phase)
		}
		return nil
	})
}

func (s *stack) stopCaller() {
	s.t.Helper()
	meta := metav1.ObjectMeta{Name: callerName, Namespace: key.Namespace}
	for _, object := range []client.Object{&corev1.Pod{ObjectMeta: meta}, &corev1.Secret{ObjectMeta: meta}} {
		if err := s.Client.Delete(s.t.Context(), object); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *stack) imageOf(pod string) string {
	s.t.Helper()
	var found corev1.Pod
	if err := s.Client.Get(s.t.Context(), client.ObjectKey{Namespace: key.Namespace, Name: pod}, &found); err != nil {
		s.t.Fatal(err)
	}
	return found.Spec.Containers[0].Image
}

var counts = regexp.MustCompile(`ok=(\d+) failed=(\d+)\s*$`)

// counted is how many requests of the caller were answered, and how many failed.
func (s *stack) counted() (ok, failed int) {
	s.t.Helper()
	found := counts.FindStringSubmatch(s.kubectl("logs", "--namespace", key.Namespace, callerName, "--tail=1"))
	if found == nil {
		return 0, 0
	}
	ok, _ = strconv.Atoi(found[1])
	failed, _ = strconv.Atoi(found[2])
	return ok, failed
}

func (s *stack) failures() string {
	s.t.Helper()
	var out []string
	for line := range strings.SplitSeq(s.kubectl("logs", "--namespace", key.Namespace, callerName), "\n") {
		if strings.HasPrefix(line, "failed with") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

func (s *stack) answered(want int) func(context.Context) error {
	return func(context.Context) error {
		if ok, failed := s.counted(); ok < want { //nolint:contextcheck // kubectl runs for as long as the test does
			return fmt.Errorf("%d answers, %d failures", ok, failed)
		}
		return nil
	}
}

// deleteClient deletes a client at Keycloak with the administrator's credential.
func (s *stack) deleteClient(clientID string) {
	s.t.Helper()
	issuer, err := url.Parse(s.secretOf(appLogin)["issuer-url"])
	if err != nil {
		s.t.Fatal(err)
	}
	s.atKeycloak(func(k keycloak) error { return k.deleteClient(s.t.Context(), filepath.Base(issuer.Path), clientID) })
}

// clients counts those of an identifier in a realm.
func (s *stack) clients(realm, clientID string) int {
	s.t.Helper()
	var found []string
	s.atKeycloak(func(k keycloak) (err error) {
		found, err = k.findClients(s.t.Context(), realm, clientID)
		return err
	})
	return len(found)
}

// atKeycloak does something there as its administrator.
func (s *stack) atKeycloak(do func(keycloak) error) {
	s.t.Helper()
	admin := s.secretOf(demo.DeploymentName + "-identity-admin-credential")
	issuer, err := url.Parse(s.secretOf(appLogin)["issuer-url"])
	if err != nil {
		s.t.Fatal(err)
	}
	tunnel := s.NewTunnel()
	defer tunnel.Close()
	k := keycloak{http: tunnel.HTTPClient(), server: issuer.Scheme + "://" + issuer.Host}
	if err := k.login(s.t.Context(), admin["username"], admin["password"]); err != nil {
		s.t.Fatal(err)
	}
	if err := do(k); err != nil {
		s.t.Fatal(err)
	}
}

// keycloak is the part of Keycloak's admin interface that a person would use to delete a client.
type keycloak struct {
	http          *http.Client
	server, token string
}

func (k *keycloak) login(ctx context.Context, username, password string) error {
	form := url.Values{"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {username}, "password": {password}}
	var answer struct {
		Token string `json:"access_token"`
	}
	err := k.call(ctx, http.MethodPost, "/realms/master/protocol/openid-connect/token", strings.NewReader(form.Encode()), &answer)
	k.token = answer.Token
	return err
}

func (k *keycloak) findClients(ctx context.Context, realm, clientID string) ([]string, error) {
	var found []struct {
		ID string `json:"id"`
	}
	err := k.call(ctx, http.MethodGet, "/admin/realms/"+realm+"/clients?clientId="+url.QueryEscape(clientID), nil, &found)
	ids := make([]string, 0, len(found))
	for _, each := range found {
		ids = append(ids, each.ID)
	}
	return ids, err
}

func (k *keycloak) deleteClient(ctx context.Context, realm, clientID string) error {
	found, err := k.findClients(ctx, realm, clientID)
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("there are %d clients %s", len(found), clientID)
	}
	return k.call(ctx, http.MethodDelete, "/admin/realms/"+realm+"/clients/"+found[0], nil, nil)
}

func (k *keycloak) call(ctx context.Context, method, path string, body io.Reader, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, k.server+path, body)
	if err != nil {
		return err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if k.token != "" {
		request.Header.Set("Authorization", "Bearer "+k.token)
	}
	response, err := k.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s", method, path, response.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}
