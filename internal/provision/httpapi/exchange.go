package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/web"
)

// refusals are the answers to a caller who is not known or not let in.
var refusals = []int{http.StatusUnauthorized, http.StatusForbidden}

// exchangeParameters are what the proof of openhim-client-v1 looks at.
type exchangeParameters struct {
	// Path of a channel that the client may call.
	Path string `json:"path"`
}

// VerifyExchangeClient proves that an exchange lets the consumer through to a channel by its credentials, and no one
// without any.
func VerifyExchangeClient(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	var asked exchangeParameters
	if err := json.Unmarshal(task.Request.Parameters, &asked); err != nil {
		return report, provision.Failed(provision.ReasonInvalidRequest, "the parameters are not those of openhim-client-v1: %w", err)
	}
	username, password := task.Value("username"), task.Credentials["password"]
	if username == "" || password == "" {
		return report, provision.Failed(provision.ReasonInvalidRequest, "the binding's Secret needs the keys username and password")
	}
	target, err := open(task)
	if err != nil {
		return report, err
	}
	answer, err := target.ask(ctx, http.MethodGet, asked.Path, func(r *http.Request) { r.SetBasicAuth(username, password) })
	if err != nil {
		return report, err
	}
	if slices.Contains(refusals, answer.Status) {
		return report, provision.Failed(provision.ReasonCredentialsRejected, "%s answers %d to the client %s", target.url+asked.Path, answer.Status, username)
	}
	report.Check("let through", found(answer, target.url+asked.Path))
	stranger, err := target.ask(ctx, http.MethodGet, asked.Path, func(*http.Request) {})
	if err != nil {
		return report, err
	}
	report.Check("closed to strangers", refused(stranger, target.url+asked.Path))
	report.Message = fmt.Sprintf("%s answers %d to the client %s", target.url+asked.Path, answer.Status, username)
	return report, nil
}

// VerifyExchangeChannel proves that what is at the other end of a channel answers a client that the channel lets in, and that
// nobody else gets there. An exchange refuses strangers at any address, channel or not: without a client nothing is proved.
func VerifyExchangeChannel(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	username, password := task.Value("username"), task.Credentials["password"]
	if username == "" || password == "" {
		return report, provision.Failed(provision.ReasonInvalidRequest, "the binding's Secret needs the keys username and password")
	}
	target, err := open(task)
	if err != nil {
		return report, err
	}
	answer, err := target.ask(ctx, http.MethodGet, "", func(r *http.Request) { r.SetBasicAuth(username, password) })
	if err != nil {
		return report, err
	}
	if slices.Contains(refusals, answer.Status) {
		return report, provision.Failed(provision.ReasonCredentialsRejected, "%s answers %d to the client %s: there is no channel, or it does not let the client in", target.url, answer.Status, username)
	}
	report.Check("channel", nil)
	stranger, err := target.ask(ctx, http.MethodGet, "", func(*http.Request) {})
	if err != nil {
		return report, err
	}
	report.Check("closed to strangers", refused(stranger, target.url))
	report.Message = fmt.Sprintf("%s leads somewhere that answers %d", target.url, answer.Status)
	return report, nil
}

// VerifyWebhook proves that the provider named the registration and that the callback's address answers.
func VerifyWebhook(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	var unnamed error
	if task.Value("subscription") == "" {
		unnamed = errors.New("the provider gave it no name")
	}
	report.Check("registration", unnamed)
	target, err := openAt(task, "callback-url")
	if err != nil {
		return report, err
	}
	answer, err := target.ask(ctx, http.MethodOptions, "", func(*http.Request) {})
	if err != nil {
		return report, err
	}
	report.Check("callback address", found(answer, target.url))
	report.Message = fmt.Sprintf("%s answers %d to OPTIONS", target.url, answer.Status)
	return report, nil
}

// account is what is used of a participant's account at the central ledger.
type account struct {
	Currency string `json:"currency"`
	IsActive int    `json:"isActive"`
}

// VerifyMojaloopParticipant proves that the central ledger of a hub knows the participant as active, with an active account.
func VerifyMojaloopParticipant(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	participant, currency := task.Value("participant"), task.Value("currency")
	ledger, err := openAt(task, "ledger-url")
	if err != nil {
		return report, err
	}
	var known struct {
		Name     string    `json:"name"`
		IsActive int       `json:"isActive"`
		Accounts []account `json:"accounts"`
	}
	if err := web.GetJSON(ctx, ledger.client, ledger.url+"/participants/"+url.PathEscape(participant), &known); err != nil {
		report.Check("participant", err)
		return report, err
	}
	var inactive error
	if known.Name != participant || known.IsActive != 1 {
		inactive = fmt.Errorf("the ledger has %q, active: %t", known.Name, known.IsActive == 1)
	}
	report.Check("participant", inactive)
	var closed error
	if !slices.Contains(known.Accounts, account{Currency: currency, IsActive: 1}) {
		closed = fmt.Errorf("participant %s has no active account in %s", participant, currency)
	}
	report.Check("account", closed)
	report.Message = "participant " + participant + " has an account in " + currency
	return report, nil
}

// VerifyXRoadService proves that the provider of an X-Road service allows this client to call it, as the provider itself
// lists it through the consumer's security server (protocol PR-MREST, allowedMethods).
func VerifyXRoadService(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	var asked struct {
		Client  string `json:"client"`
		Service string `json:"service"`
	}
	err := json.Unmarshal(task.Request.Parameters, &asked)
	cut := strings.LastIndex(asked.Service, "/")
	if err != nil || cut < 0 || asked.Client == "" {
		return report, provision.Failed(provision.ReasonInvalidRequest, "the parameters are not those of xroad-service-v1: client and service are needed")
	}
	server, err := openAt(task, "security-server-url")
	if err != nil {
		return report, err
	}
	path := "/r1/" + asked.Service[:cut] + "/allowedMethods"
	answer, err := server.ask(ctx, http.MethodGet, path, func(r *http.Request) { r.Header.Set("X-Road-Client", asked.Client) })
	if err != nil {
		return report, err
	}
	if answer.Status != http.StatusOK {
		return report, provision.Failed(provision.ReasonProviderError, "%s answers %d to %s, want 200", server.url+path, answer.Status, asked.Client)
	}
	var allowed struct {
		Service []struct {
			Code string `json:"service_code"`
		} `json:"service"`
	}
	if err := json.Unmarshal(answer.Body, &allowed); err != nil {
		return report, provision.Failed(provision.ReasonProviderError, "%s does not answer with JSON of the expected shape: %w", server.url+path, err)
	}
	var denied error
	codes := make([]string, 0, len(allowed.Service))
	for _, service := range allowed.Service {
		codes = append(codes, service.Code)
	}
	if code := asked.Service[cut+1:]; !slices.Contains(codes, code) {
		denied = fmt.Errorf("%s may call %q there, %s is not among them", asked.Client, codes, code)
	}
	report.Check("access right", denied)
	report.Message = asked.Client + " may call " + asked.Service
	return report, nil
}

// ask sends a request without a body to a path below the address.
func (a api) ask(ctx context.Context, method, path string, prepare func(*http.Request)) (web.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, a.url+path, http.NoBody)
	if err != nil {
		return web.Response{}, provision.Failed(provision.ReasonInvalidRequest, "the address %q is not one: %w", a.url+path, err)
	}
	request.Header.Set("Accept", "application/json, */*;q=0.5")
	prepare(request)
	return web.Do(a.client, request)
}

func found(answer web.Response, address string) error {
	if answer.Status == http.StatusNotFound || answer.Status == http.StatusGone {
		return fmt.Errorf("%s answers %d", address, answer.Status)
	}
	return nil
}

func refused(answer web.Response, address string) error {
	if !slices.Contains(refusals, answer.Status) {
		return fmt.Errorf("%s answers %d to a caller without credentials, want 401 or 403", address, answer.Status)
	}
	return nil
}
