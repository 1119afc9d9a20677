package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/web"
)

// urlOutput is the output of these contracts that names the address.
const urlOutput = "url"

// api is an address with a client for it, and the credentials that the consumer has for it, if any: those of a mediator in front
// of it, as a rule.
type api struct {
	url                string
	client             *http.Client
	username, password string
}

func open(task provision.Task) (api, error) { return openAt(task, urlOutput) }

// openAt takes the address from an output of that name.
func openAt(task provision.Task, output string) (api, error) {
	address := strings.TrimSuffix(task.Value(output), "/")
	if address == "" {
		return api{}, provision.Failed(provision.ReasonInvalidRequest, "the binding has no output %s; correct the catalogue entry of the provider", output)
	}
	client, err := web.NewClient(task.Credentials[web.CAKey])
	return api{url: address, client: client, username: task.Value("username"), password: task.Credentials["password"]}, err
}

func (a api) hasCredentials() bool { return a.username != "" && a.password != "" }

// get asks for a path as the consumer does.
func (a api) get(ctx context.Context, path, accept string) (web.Response, error) {
	answer, err := a.ask(ctx, http.MethodGet, path, func(r *http.Request) {
		r.Header.Set("Accept", accept)
		if a.hasCredentials() {
			r.SetBasicAuth(a.username, a.password)
		}
	})
	if err == nil && a.hasCredentials() && slices.Contains(refusals, answer.Status) {
		err = provision.Failed(provision.ReasonCredentialsRejected, "%s answers %d to %s", a.url+path, answer.Status, a.username)
	}
	return answer, err
}

// checkClosed makes sure that credentials, where the consumer has any, are asked for.
func (a api) checkClosed(ctx context.Context, report *provision.Report, path string) error {
	if !a.hasCredentials() {
		return nil
	}
	answer, err := a.ask(ctx, http.MethodGet, path, func(*http.Request) {})
	if err == nil {
		report.Check("closed to strangers", refused(answer, a.url+path))
	}
	return err
}

// genericParameters narrow what VerifyAny accepts.
type genericParameters struct {
	// Path below the address, with a slash at its beginning.
	Path string `json:"path"`
	// Status that is expected; 0 means any below 500: the server is there and has understood HTTP.
	Status int `json:"status"`
}

// VerifyAny proves that something answers at the address.
func VerifyAny(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	var asked genericParameters
	if len(task.Request.Parameters) > 0 {
		if err := json.Unmarshal(task.Request.Parameters, &asked); err != nil {
			return report, provision.Failed(provision.ReasonInvalidRequest, "the parameters are not those of http-api-v1: %w", err)
		}
	}
	target, err := open(task)
	if err != nil {
		return report, err
	}
	answer, err := target.get(ctx, asked.Path, "*/*")
	if err != nil {
		return report, err
	}
	var unexpected error
	if asked.Status != 0 && answer.Status != asked.Status {
		unexpected = fmt.Errorf("%s answers %d, want %d", target.url+asked.Path, answer.Status, asked.Status)
	}
	report.Check("answer", unexpected)
	report.Message = fmt.Sprintf("%s answers %d", target.url+asked.Path, answer.Status)
	err = target.checkClosed(ctx, &report, asked.Path)
	return report, err
}

// VerifyFHIR proves that a FHIR R4 server states its capabilities.
func VerifyFHIR(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	target, err := open(task)
	if err != nil {
		return report, err
	}
	address := target.url + "/metadata"
	answer, err := target.get(ctx, "/metadata", "application/fhir+json")
	if err != nil {
		return report, err
	}
	if answer.Status != http.StatusOK {
		report.Check("CapabilityStatement", fmt.Errorf("%s answers %d, want 200", address, answer.Status))
		return report, nil
	}
	var statement struct {
		ResourceType string `json:"resourceType"`
		FHIRVersion  string `json:"fhirVersion"`
	}
	err = json.Unmarshal(answer.Body, &statement)
	if err == nil && statement.ResourceType != "CapabilityStatement" {
		err = fmt.Errorf("%s answers with a %q", address, statement.ResourceType)
	}
	report.Check("CapabilityStatement", err)
	var other error
	if !strings.HasPrefix(statement.FHIRVersion, "4.") {
		other = fmt.Errorf("the server has FHIR %q, want 4.x", statement.FHIRVersion)
	}
	report.Check("FHIR R4", other)
	report.Message = "FHIR " + statement.FHIRVersion + " at " + target.url
	err = target.checkClosed(ctx, &report, "/metadata")
	return report, err
}

// VerifyOpenEHR proves that an openEHR REST API answers: with its templates, or by asking for a token. A consumer without
// credentials of its own cannot see more.
func VerifyOpenEHR(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	target, err := open(task)
	if err != nil {
		return report, err
	}
	address := target.url + "/definition/template/adl1.4"
	answer, err := web.Get(ctx, target.client, address, "application/json")
	if err != nil {
		return report, err
	}
	if !slices.Contains([]int{http.StatusOK, http.StatusNoContent, http.StatusUnauthorized, http.StatusForbidden}, answer.Status) {
		err = fmt.Errorf("%s answers %d, want 200 or 401", address, answer.Status)
	}
	report.Check("templates", err)
	report.Message = fmt.Sprintf("openEHR REST API at %s answers %d", target.url, answer.Status)
	return report, nil
}
