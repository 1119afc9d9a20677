package httpupsert_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/httpapi"
	"github.com/dpi-operator/dpi-operator/internal/provision/httpupsert"
	"github.com/dpi-operator/dpi-operator/internal/provision/httpupsert/himtest"
	"github.com/dpi-operator/dpi-operator/internal/provision/web"
)

// openhimTask asks the real OpenHIM, whose store is a stand-in.
func openhimTask(t *testing.T, contract, name, parameters string) provision.Task {
	t.Helper()
	return provision.Task{
		Request: provision.Request{
			APIVersion: provision.APIVersion, Handler: "http-upsert", Contract: contract, Parameters: json.RawMessage(parameters),
			Binding:  provision.Binding{UID: "uid-of-" + name, Namespace: "health", Name: name},
			Endpoint: provision.Endpoint{URL: openhim(t).Router, Host: "127.0.0.1"}, API: &provision.Endpoint{URL: openhim(t).API},
			HTTP:    registered(t, "openhim", contract),
			Outputs: map[string]string{"url": openhim(t).Router, "username": "health-" + name + "-a"},
		},
		Admin:       provision.Secrets{"username": himtest.Username, "password": himtest.Password, web.CAKey: openhim(t).CA},
		Credentials: provision.Secrets{"password": "password of " + name},
	}
}

// upstream is what a channel leads to. It counts.
func upstream(t *testing.T) (address *url.URL, count *atomic.Int64) {
	t.Helper()
	count = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count.Add(1)
		_, _ = w.Write([]byte("upstream got " + r.URL.Path))
	}))
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return address, count
}

func channelTask(t *testing.T, name string, to *url.URL) provision.Task {
	t.Helper()
	task := openhimTask(t, "openhim-channel-v1", name, fmt.Sprintf(`{"path": "/%s", "upstream": %q, "methods": ["POST", "GET"], "roles": ["%s-readers"]}`, name, to, name))
	task.Request.Outputs["channel"] = "health-" + name
	task.Request.Outputs["url"] = openhim(t).Router + "/" + name
	return task
}

// eventually repeats a proof until it ends as wanted: OpenHIM looks for changed channels once a second.
func eventually(t *testing.T, verify provision.HandlerFunc, task provision.Task, phase provision.Phase) {
	t.Helper()
	ctx := testContext(t)
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	task.Admin, task.Request.HTTP, task.Request.API = nil, nil, nil
	for until := time.Now().Add(time.Minute); ; {
		report, err := verify(ctx, task)
		result := provision.Conclude(provision.Request{Action: provision.ActionVerify}, report, err)
		if result.Phase == phase {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("the proof ends %s (%s): %s; want %s", result.Phase, result.Reason, result.Message, phase)
		}
		<-ticker.C
	}
}

func clientNamed(t *testing.T, id string) map[string]any {
	t.Helper()
	return oneOf(t, "/clients", "clientID", id)
}

func channelNamed(t *testing.T, name string) map[string]any {
	t.Helper()
	return oneOf(t, "/channels", "name", name)
}

// oneOf returns what has the name, nil where there is none, and without what the server makes up.
func oneOf(t *testing.T, path, key, value string) map[string]any {
	t.Helper()
	var list, found []map[string]any
	if err := openhim(t).Do(testContext(t), http.MethodGet, path, nil, &list); err != nil {
		t.Fatal(err)
	}
	for _, each := range list {
		if each[key] == value {
			found = append(found, each)
		}
	}
	if len(found) > 1 {
		t.Fatalf("%d of %s are called %s", len(found), path, value)
	}
	if len(found) == 0 {
		return nil
	}
	return found[0]
}

func TestOpenHIMWithAStandinStore_clientIsLetThroughUntilRevoked(t *testing.T) {
	address, count := upstream(t)
	mustProvision(t, channelTask(t, "lab-results", address))
	task := openhimTask(t, "openhim-client-v1", "lab", `{"roles": ["lab-results-readers"], "path": "/lab-results/1"}`)
	eventually(t, httpapi.VerifyExchangeClient, task, provision.PhaseFailed)
	before := count.Load()
	mustProvision(t, task)
	eventually(t, httpapi.VerifyExchangeClient, task, provision.PhaseDone)
	if count.Load() == before {
		t.Error("nothing arrived at the upstream")
	}
	kept := clientNamed(t, "health-lab-a")
	if text := fmt.Sprint(kept); strings.Contains(text, task.Credentials["password"]) || kept["passwordAlgorithm"] != "sha512" {
		t.Errorf("the exchange keeps the password as it is: %v", kept)
	}
	wrong := task
	wrong.Credentials = provision.Secrets{"password": "another"}
	eventually(t, httpapi.VerifyExchangeClient, wrong, provision.PhaseFailed)
	mustRevoke(t, task)
	eventually(t, httpapi.VerifyExchangeClient, task, provision.PhaseFailed)
	if clientNamed(t, "health-lab-a") != nil {
		t.Error("the client is still there")
	}
	mustRevoke(t, task)
}

// A consumer that goes through the exchange has a contract proved that the exchange knows nothing of: by its own client, at the
// channel's address, with what is behind it answering.
func TestOpenHIMWithAStandinStore_theContractBehindAChannelIsProvedThroughIt(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/fhir/metadata" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(`{"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}`))
	}))
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL + "/fhir")
	if err != nil {
		t.Fatal(err)
	}
	mustProvision(t, channelTask(t, "records", address))
	clinic := openhimTask(t, "openhim-client-v1", "clinic", `{"roles": ["records-readers"]}`)
	stranger := openhimTask(t, "openhim-client-v1", "stranger", `{"roles": ["others"]}`)
	for _, task := range []provision.Task{clinic, stranger} {
		mustProvision(t, task)
		task.Request.Outputs["url"] = openhim(t).Router + "/records"
	}
	eventually(t, httpapi.VerifyFHIR, clinic, provision.PhaseDone)
	eventually(t, httpapi.VerifyFHIR, stranger, provision.PhaseFailed)
	server.Close()
	eventually(t, httpapi.VerifyFHIR, clinic, provision.PhaseRetry)
	mustRevoke(t, clinic)
	eventually(t, httpapi.VerifyFHIR, clinic, provision.PhaseFailed)
}

func TestOpenHIMWithAStandinStore_channelRoutesToTheUpstreamUntilRevoked(t *testing.T) {
	address, count := upstream(t)
	task := channelTask(t, "births.v1", address)
	eventually(t, httpapi.VerifyExchangeChannel, task, provision.PhaseFailed)
	mustProvision(t, task)
	eventually(t, httpapi.VerifyExchangeChannel, task, provision.PhaseDone)
	arrived := count.Load()
	if arrived == 0 {
		t.Fatal("nothing arrived at the upstream")
	}
	eventually(t, httpapi.VerifyExchangeChannel, task, provision.PhaseDone)
	if count.Load() != arrived+1 {
		t.Errorf("a proof sent %d requests through the channel, want one", count.Load()-arrived)
	}
	// A dot of the path is a dot.
	other := task
	other.Request.Outputs = map[string]string{"url": openhim(t).Router + "/birthsxv1", "username": task.Request.Outputs["username"]}
	eventually(t, httpapi.VerifyExchangeChannel, other, provision.PhaseFailed)
	mustRevoke(t, task)
	eventually(t, httpapi.VerifyExchangeChannel, task, provision.PhaseFailed)
	mustRevoke(t, task)
	// Requests went through it: OpenHIM remembers the channel, which comes back for the next binding of that name.
	if channel := channelNamed(t, "health-births.v1"); channel["status"] != "deleted" {
		t.Errorf("the channel has status %v", channel["status"])
	}
	task.Request.Binding.UID = "uid-of-a-later-one"
	mustProvision(t, task)
	eventually(t, httpapi.VerifyExchangeChannel, task, provision.PhaseDone)
	mustRevoke(t, task)
}

func TestOpenHIMWithAStandinStore_channelWhoseUpstreamIsAwayIsNotProved(t *testing.T) {
	address, _ := upstream(t)
	address.Host = "127.0.0.1:1"
	task := channelTask(t, "nowhere", address)
	mustProvision(t, task)
	ctx, cancel := context.WithTimeout(testContext(t), 30*time.Second)
	defer cancel()
	eventually(t, func(_ context.Context, task provision.Task) (provision.Report, error) {
		return httpapi.VerifyExchangeChannel(ctx, task)
	}, task, provision.PhaseRetry)
}

func TestOpenHIMWithAStandinStore_driftIsMendedAndASecondRunChangesNothing(t *testing.T) {
	address, _ := upstream(t)
	task := channelTask(t, "drift", address)
	mustProvision(t, task)
	want, wantClient := channelNamed(t, "health-drift"), clientNamed(t, "health-drift-a")
	changed := channelNamed(t, "health-drift")
	changed["authType"], changed["allow"], changed["status"] = "public", []string{"everyone"}, "disabled"
	changed["priority"] = 7
	changed["routes"] = []map[string]any{{"name": "elsewhere", "host": "evil.example.org", "port": 80, "primary": true}}
	if err := openhim(t).Do(testContext(t), http.MethodPut, "/channels/"+changed["_id"].(string), changed, nil); err == nil {
		t.Log("the server takes the changes with an answer in JSON")
	}
	client := clientNamed(t, "health-drift-a")
	if err := openhim(t).Do(testContext(t), http.MethodPut, "/clients/"+client["_id"].(string), map[string]any{"roles": []string{"admin"}, "passwordHash": "00"}, nil); err != nil {
		t.Fatal(err)
	}
	if now := channelNamed(t, "health-drift"); now["authType"] != "public" {
		t.Fatalf("the test could not meddle: %v", now)
	}
	mustProvision(t, task)
	got := channelNamed(t, "health-drift")
	if got["priority"] != 7.0 {
		t.Error("what others set was taken away")
	}
	delete(got, "priority")
	if diff := cmp.Diff(anonymous(want), anonymous(got)); diff != "" {
		t.Errorf("the channel is not in shape (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(anonymous(wantClient), anonymous(clientNamed(t, "health-drift-a"))); diff != "" {
		t.Errorf("the client is not in shape (-want +got):\n%s", diff)
	}
	through := newRelay(t, openhim(t).API, openhim(t).CA, 100)
	task.Request.API.URL = through.URL
	mustProvision(t, task)
	if len(through.seen) < 3 {
		t.Fatalf("only %d requests were seen, the test proves nothing", len(through.seen))
	}
	for _, request := range through.seen {
		if !strings.HasPrefix(request, http.MethodGet+" ") {
			t.Errorf("the second run sent %s", request)
		}
	}
}

// anonymous takes out of an object what differs from run to run.
func anonymous(object map[string]any) map[string]any {
	for _, key := range []string{"_id", "__v", "name", "clientID", "clientDomain", "description", "passwordHash", "passwordSalt", "urlPattern", "allow", "roles"} {
		delete(object, key)
	}
	if routes, ok := object["routes"].([]any); ok {
		for _, route := range routes {
			delete(route.(map[string]any), "_id")
		}
	}
	return object
}

func TestOpenHIMWithAStandinStore_killedAfterAnyRequestAndRunAgainEndsTheSame(t *testing.T) {
	address, _ := upstream(t)
	mustProvision(t, channelTask(t, "reference", address))
	want, wantClient := anonymous(channelNamed(t, "health-reference")), anonymous(clientNamed(t, "health-reference-a"))
	for requests := 1; ; requests++ {
		name := fmt.Sprintf("killed%02d", requests)
		task := channelTask(t, name, address)
		through := newRelay(t, openhim(t).API, openhim(t).CA, requests)
		broken := task
		broken.Request.API = &provision.Endpoint{URL: through.URL}
		_, err := httpupsert.Provision(testContext(t), broken)
		through.Close()
		if err == nil {
			t.Logf("provision was killed after each of %d requests", requests-1)
			break
		}
		mustProvision(t, task)
		if diff := cmp.Diff(want, anonymous(channelNamed(t, "health-"+name))); diff != "" {
			t.Fatalf("killed after request %d (%s), then run again: the channel (-want +got):\n%s", requests, through.last(), diff)
		}
		if diff := cmp.Diff(wantClient, anonymous(clientNamed(t, "health-"+name+"-a"))); diff != "" {
			t.Fatalf("killed after request %d (%s), then run again: the client (-want +got):\n%s", requests, through.last(), diff)
		}
		eventually(t, httpapi.VerifyExchangeChannel, task, provision.PhaseDone)
	}
	for requests := 1; ; requests++ {
		name := fmt.Sprintf("ended%02d", requests)
		task := channelTask(t, name, address)
		mustProvision(t, task)
		through := newRelay(t, openhim(t).API, openhim(t).CA, requests)
		broken := task
		broken.Request.API = &provision.Endpoint{URL: through.URL}
		_, err := httpupsert.Revoke(testContext(t), broken)
		through.Close()
		if err == nil {
			t.Logf("revoke was killed after each of %d requests", requests-1)
			return
		}
		mustRevoke(t, task)
		if channelNamed(t, "health-"+name) != nil || clientNamed(t, "health-"+name+"-a") != nil {
			t.Fatalf("killed after request %d (%s), then run again: something is left", requests, through.last())
		}
	}
}

func TestOpenHIMWithAStandinStore_leavesForeignObjectsAlone(t *testing.T) {
	task := openhimTask(t, "openhim-client-v1", "contested", `{"roles": ["r"]}`)
	mustProvision(t, task)
	before := clientNamed(t, "health-contested-a")
	other := task
	other.Request.Binding = provision.Binding{UID: "uid-of-another", Namespace: "justice", Name: "contested"}
	report, err := httpupsert.Provision(testContext(t), other)
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonForeignObject)
	mustRevoke(t, other)
	if diff := cmp.Diff(before, clientNamed(t, "health-contested-a")); diff != "" {
		t.Errorf("something changed (-before +after):\n%s", diff)
	}
	if err := openhim(t).Do(testContext(t), http.MethodPost, "/channels", map[string]any{
		"name": "health-by-hand", "urlPattern": "^/by-hand$", "updatedBy": map[string]any{},
		"routes": []map[string]any{{"name": "r", "host": "localhost", "port": 1, "primary": true}},
	}, nil); err != nil {
		t.Logf("the server answers without JSON: %v", err)
	}
	byHand := channelNamed(t, "health-by-hand")
	if byHand == nil {
		t.Fatal("the test could not make a channel by hand")
	}
	address, _ := upstream(t)
	report, err = httpupsert.Provision(testContext(t), channelTask(t, "by-hand", address))
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonForeignObject)
	mustRevoke(t, channelTask(t, "by-hand", address))
	if diff := cmp.Diff(byHand, channelNamed(t, "health-by-hand")); diff != "" {
		t.Errorf("something changed (-before +after):\n%s", diff)
	}
}

func TestOpenHIMWithAStandinStore_rotationHasBothClientsAndThenRetiresOne(t *testing.T) {
	address, _ := upstream(t)
	mustProvision(t, channelTask(t, "turns", address))
	old := openhimTask(t, "openhim-client-v1", "turning", `{"roles": ["turns-readers"], "path": "/turns"}`)
	mustProvision(t, old)
	next := openhimTask(t, "openhim-client-v1", "turning", `{"roles": ["turns-readers"], "path": "/turns"}`)
	next.Request.Outputs["username"] = "health-turning-b"
	next.Credentials["password"] = "the next one"
	mustProvision(t, next)
	eventually(t, httpapi.VerifyExchangeClient, old, provision.PhaseDone)
	eventually(t, httpapi.VerifyExchangeClient, next, provision.PhaseDone)
	retiring := next
	retiring.Request.Retired = map[string]string{"username": "health-turning-a"}
	for range 2 {
		report, err := httpupsert.Retire(testContext(t), retiring)
		mustBeDone(t, report, err)
		eventually(t, httpapi.VerifyExchangeClient, old, provision.PhaseFailed)
		eventually(t, httpapi.VerifyExchangeClient, next, provision.PhaseDone)
	}
	// What the values in force lead to as well stays.
	retiring.Request.Retired = map[string]string{"username": "health-turning-b"}
	report, err := httpupsert.Retire(testContext(t), retiring)
	mustBeDone(t, report, err)
	eventually(t, httpapi.VerifyExchangeClient, next, provision.PhaseDone)
}

func TestOpenHIMWithAStandinStore_refuses(t *testing.T) {
	wrongAdmin := openhimTask(t, "openhim-client-v1", "refused", `{"roles": ["r"]}`)
	wrongAdmin.Admin = provision.Secrets{"username": himtest.Username, "password": "wrong", web.CAKey: openhim(t).CA}
	unknownAdmin := openhimTask(t, "openhim-client-v1", "refused", `{"roles": ["r"]}`)
	unknownAdmin.Admin = provision.Secrets{"username": "nobody@openhim.org", "password": "wrong", web.CAKey: openhim(t).CA}
	untrusted := openhimTask(t, "openhim-client-v1", "refused", `{"roles": ["r"]}`)
	untrusted.Admin = provision.Secrets{"username": himtest.Username, "password": himtest.Password}
	away := openhimTask(t, "openhim-client-v1", "refused", `{"roles": ["r"]}`)
	away.Request.API.URL = "https://127.0.0.1:1"
	bare := openhimTask(t, "openhim-client-v1", "refused", `{"roles": ["r"]}`)
	bare.Request.HTTP = nil
	tests := map[string]struct {
		task   provision.Task
		phase  provision.Phase
		reason string
	}{
		"a wrong password of the admin":  {wrongAdmin, provision.PhaseFailed, provision.ReasonAdminCredentialRejected},
		"an admin that nobody knows":     {unknownAdmin, provision.PhaseFailed, provision.ReasonAdminCredentialRejected},
		"a certificate nobody vouched":   {untrusted, provision.PhaseFailed, provision.ReasonProviderError},
		"a server that is not there":     {away, provision.PhaseRetry, provision.ReasonProviderUnavailable},
		"a request without registration": {bare, provision.PhaseFailed, provision.ReasonInvalidRequest},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			report, err := httpupsert.Provision(testContext(t), test.task)
			result := mustEnd(t, report, err, test.phase, test.reason)
			if strings.Contains(result.Message, himtest.Password) || strings.Contains(result.Message, "password of") {
				t.Errorf("the message holds a secret: %s", result.Message)
			}
			if clientNamed(t, "health-refused-a") != nil {
				t.Error("a client was made")
			}
		})
	}
}
