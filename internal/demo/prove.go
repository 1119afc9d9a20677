package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// maxBody bounds what is read of an answer.
const maxBody = 1 << 20

// Prove uses the stack as an app in a clinic would, with what the bindings gave it, and asks the registry what it knows.
func (d *Demo) Prove(ctx context.Context) error {
	tunnel := d.NewTunnel()
	defer tunnel.Close()
	p := &proof{demo: d, http: tunnel.HTTPClient()}
	for _, check := range []struct {
		title string
		run   func(context.Context) (string, error)
	}{
		{"EHRbase refuses callers without a token", p.refusal},
		{"Keycloak gives the clinic's app a token", p.login},
		{"EHRbase makes and returns a record with it", p.record},
		{"HAPI FHIR stores and returns a patient", p.patient},
		{"The coordination registry lists the deployment", p.listing},
	} {
		found, err := check.run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", check.title, err)
		}
		d.say("      ✔ %s: %s", check.title, found)
	}
	return nil
}

// Token is what the clinic's app shows to EHRbase, got with what its binding holds.
func (d *Demo) Token(ctx context.Context) (string, error) {
	tunnel := d.NewTunnel()
	defer tunnel.Close()
	p := &proof{demo: d, http: tunnel.HTTPClient()}
	_, err := p.login(ctx)
	return p.token, err
}

type proof struct {
	demo  *Demo
	http  *http.Client
	token string
}

// given reads what a binding of the clinic's app holds.
func (p *proof) given(ctx context.Context, requirement string) (map[string]string, error) {
	var binding v1alpha1.Binding
	key := client.ObjectKey{Namespace: DeploymentNamespace, Name: DeploymentName + "-clinic-app-" + requirement}
	if err := p.demo.Client.Get(ctx, key, &binding); err != nil {
		return nil, err
	}
	var secret corev1.Secret
	if err := p.demo.Client.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: binding.Spec.SecretName}, &secret); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for name, value := range secret.Data {
		out[name] = string(value)
	}
	return out, nil
}

func (p *proof) refusal(ctx context.Context) (string, error) {
	openehr, err := p.given(ctx, "openehr")
	if err != nil {
		return "", err
	}
	answer, err := p.call(ctx, http.MethodPost, openehr["url"]+"/ehr", nil, nil)
	if err != nil {
		return "", err
	}
	return "401", answer.want(http.StatusUnauthorized)
}

func (p *proof) login(ctx context.Context) (string, error) {
	login, err := p.given(ctx, "login")
	if err != nil {
		return "", err
	}
	var discovery struct {
		Issuer        string `json:"issuer"`
		TokenEndpoint string `json:"token_endpoint"`
	}
	answer, err := p.call(ctx, http.MethodGet, login["issuer-url"]+"/.well-known/openid-configuration", nil, nil)
	if err == nil {
		err = answer.into(http.StatusOK, &discovery)
	}
	if err != nil {
		return "", err
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {login["client-id"]}, "client_secret": {login["client-secret"]}}
	answer, err = p.call(ctx, http.MethodPost, discovery.TokenEndpoint, strings.NewReader(form.Encode()), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	if err != nil {
		return "", err
	}
	var token struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	if err := answer.into(http.StatusOK, &token); err != nil {
		return "", err
	}
	p.token = token.AccessToken
	return fmt.Sprintf("valid for %d s, issued by %s", token.ExpiresIn, discovery.Issuer), nil
}

func (p *proof) record(ctx context.Context) (string, error) {
	openehr, err := p.given(ctx, "openehr")
	if err != nil {
		return "", err
	}
	headers := http.Header{"Authorization": {"Bearer " + p.token}, "Prefer": {"return=representation"}, "Accept": {"application/json"}}
	var made, read struct {
		ID struct {
			Value string `json:"value"`
		} `json:"ehr_id"`
	}
	answer, err := p.call(ctx, http.MethodPost, openehr["url"]+"/ehr", nil, headers)
	if err == nil {
		err = answer.into(http.StatusCreated, &made)
	}
	if err != nil {
		return "", err
	}
	answer, err = p.call(ctx, http.MethodGet, openehr["url"]+"/ehr/"+made.ID.Value, nil, headers)
	if err == nil {
		err = answer.into(http.StatusOK, &read)
	}
	if err != nil {
		return "", err
	}
	if made.ID.Value == "" || read.ID.Value != made.ID.Value {
		return "", fmt.Errorf("made record %q, read back %q", made.ID.Value, read.ID.Value)
	}
	return "201, and read back as " + read.ID.Value, nil
}

func (p *proof) patient(ctx context.Context) (string, error) {
	fhir, err := p.given(ctx, "fhir")
	if err != nil {
		return "", err
	}
	const family = "Wanjiru"
	headers := http.Header{"Content-Type": {"application/fhir+json"}, "Accept": {"application/fhir+json"}}
	body := `{"resourceType":"Patient","name":[{"family":"` + family + `","given":["Achieng"]}]}`
	var made, read struct {
		ID   string `json:"id"`
		Name []struct {
			Family string `json:"family"`
		} `json:"name"`
	}
	answer, err := p.call(ctx, http.MethodPost, fhir["url"]+"/Patient", strings.NewReader(body), headers)
	if err == nil {
		err = answer.into(http.StatusCreated, &made)
	}
	if err != nil {
		return "", err
	}
	answer, err = p.call(ctx, http.MethodGet, fhir["url"]+"/Patient/"+made.ID, nil, headers)
	if err == nil {
		err = answer.into(http.StatusOK, &read)
	}
	if err != nil {
		return "", err
	}
	if len(read.Name) != 1 || read.Name[0].Family != family {
		return "", fmt.Errorf("patient %s came back without its name", made.ID)
	}
	return fmt.Sprintf("201, and Patient/%s read back with its name", made.ID), nil
}

// listing waits for the report that says Ready: it is sent after the deployment became so.
func (p *proof) listing(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		answer, err := p.call(ctx, http.MethodGet, registryURL+"/", nil, http.Header{"Accept": {"text/html"}})
		if err == nil && answer.status == http.StatusOK &&
			bytes.Contains(answer.body, []byte("Ministry of Health")) && bytes.Contains(answer.body, []byte("Ready")) {
			return "Ministry of Health, Ready", nil
		}
		select {
		case <-ctx.Done():
			if err == nil {
				err = fmt.Errorf("%s does not show it: HTTP %d", registryURL, answer.status)
			}
			return "", err
		case <-ticker.C:
		}
	}
}

// answer is an HTTP answer that was read.
type answer struct {
	url    string
	status int
	body   []byte
}

func (p *proof) call(ctx context.Context, method, address string, body io.Reader, headers http.Header) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return answer{}, err
	}
	maps.Copy(request.Header, headers)
	response, err := p.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	return answer{url: address, status: response.StatusCode, body: data}, err
}

func (a answer) want(status int) error {
	if a.status != status {
		return fmt.Errorf("%s answered %d, want %d", a.url, a.status, status)
	}
	return nil
}

func (a answer) into(status int, target any) error {
	if err := a.want(status); err != nil {
		return err
	}
	if err := json.Unmarshal(a.body, target); err != nil {
		return fmt.Errorf("%s: %w", a.url, err)
	}
	return nil
}

// farewell prints where to look next.
func (d *Demo) farewell(ctx context.Context) {
	d.say("\nThe health exchange works (%s). Look around:\n", d.elapsed())
	d.say("  export KUBECONFIG=%s PATH=%s/bin:$PATH", d.Kubeconfig, d.Root)
	d.say("  kubectl dpi status -n %s", DeploymentNamespace)
	d.say("  kubectl get dpi,components.dpi-operator.io,bindings.dpi-operator.io -n %s", DeploymentNamespace)
	var service corev1.Service
	if err := d.Client.Get(ctx, client.ObjectKey{Namespace: RegistryNamespace, Name: "dpi-registry"}, &service); err == nil && !d.Existing {
		d.say("  the registry's page: http://%s:8080/", service.Spec.ClusterIP)
	}
	d.say("  kubectl port-forward -n %s service/dpi-registry 8088:8080   then http://127.0.0.1:8088/", RegistryNamespace)
	d.say("\nTake it away with: make demo-down")
}
