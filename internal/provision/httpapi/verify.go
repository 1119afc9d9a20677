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

// api is an address with a client for it.
type api struct {
	url    string
	client *http.Client
}

func open(task provision.Task) (api, error) { return openAt(task, urlOutput) }

// openAt takes the address from an output of that name.
func openAt(task provision.Task, output string) (api, error) {
	address := strings.TrimSuffix(task.Value(output), "/")
	if address == "" {
		return api{}, provision.Failed(provision.ReasonInvalidRequest, "the binding has no output %s; correct the catalogue entry of the provider", output)
	}
	client, err := web.NewClient(task.Credentials[web.CAKey])
	return api{url: address, client: client}, err
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
	answer, err := web.Get(ctx, target.client, target.url+asked.Path, "*/*")
	if err != nil {
		return report, err
	}
	var unexpected error
	if asked.Status != 0 && answer.Status != asked.Status {
		unexpected = fmt.Errorf("%s answers %d, want %d", target.url+asked.Path, answer.Status, asked.Status)
	}
	report.Check("answer", unexpected)
	report.Message = fmt.Sprintf("%s answers %d", target.url+asked.Path, answer.Status)
	return report, nil
}

// VerifyFHIR proves that a FHIR R4 server states its capabilities.
func VerifyFHIR(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	target, err := open(task)
	if err != nil {
		return report, err
	}
	address := target.url + "/metadata"
	answer, err := web.Get(ctx, target.client, address, "application/fhir+json")
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
	return report, nil
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
