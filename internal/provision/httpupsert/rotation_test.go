package httpupsert_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/httpapi"
	"github.com/dpi-operator/dpi-operator/internal/provision/httpupsert"
)

// withLogin is the task with another login of its binding in force.
func withLogin(task provision.Task, username, password string) provision.Task {
	task.Request.Outputs = maps.Clone(task.Request.Outputs)
	task.Request.Outputs["username"] = username
	task.Credentials = provision.Secrets{"password": password}
	return task
}

// turnedChannel has a channel with the clients of both sides of a rotation, the second in force.
func turnedChannel(t *testing.T, name string, to *url.URL) (old, next provision.Task) {
	t.Helper()
	old = channelTask(t, name, to)
	mustProvision(t, old)
	next = withLogin(old, "health-"+name+"-b", "the next one")
	mustProvision(t, next)
	if clientNamed(t, "health-"+name+"-a") == nil || clientNamed(t, "health-"+name+"-b") == nil {
		t.Fatal("there are not two clients, the test proves nothing")
	}
	next.Request.Retired = map[string]string{"username": "health-" + name + "-a"}
	return old, next
}

// killed runs the action until it is killed after so many requests. It reports whether it came to its end before.
func killed(t *testing.T, act provision.HandlerFunc, task provision.Task, requests int) (last string, ended bool) {
	t.Helper()
	through := newRelay(t, openhim(t).API, openhim(t).CA, requests)
	defer through.Close()
	task.Request.API = &provision.Endpoint{URL: through.URL}
	_, err := act(testContext(t), task)
	return through.last(), err == nil
}

func TestOpenHIMWithAStandinStore_retireKilledAfterAnyRequestAndRunAgainEndsTheSame(t *testing.T) {
	address, _ := upstream(t)
	for requests := 1; ; requests++ {
		name := fmt.Sprintf("turned%02d", requests)
		old, next := turnedChannel(t, name, address)
		channel, client := channelNamed(t, "health-"+name), clientNamed(t, "health-"+name+"-b")
		last, ended := killed(t, httpupsert.Retire, next, requests)
		for _, when := range []string{"killed", "run again", "run a third time"} {
			if when != "killed" {
				report, err := httpupsert.Retire(testContext(t), next)
				mustBeDone(t, report, err)
				if clientNamed(t, "health-"+name+"-a") != nil {
					t.Fatalf("killed after request %d (%s), %s: the old client is still there", requests, last, when)
				}
			}
			if diff := cmp.Diff(channel, channelNamed(t, "health-"+name)); diff != "" {
				t.Fatalf("killed after request %d (%s), %s: the channel changed (-want +got):\n%s", requests, last, when, diff)
			}
			if diff := cmp.Diff(client, clientNamed(t, "health-"+name+"-b")); diff != "" {
				t.Fatalf("killed after request %d (%s), %s: the client in force changed (-want +got):\n%s", requests, last, when, diff)
			}
		}
		eventually(t, httpapi.VerifyExchangeChannel, next, provision.PhaseDone)
		eventually(t, httpapi.VerifyExchangeChannel, old, provision.PhaseFailed)
		if ended {
			t.Logf("retire was killed after each of %d requests", requests-1)
			return
		}
	}
}

func TestOpenHIMWithAStandinStore_revokeAmidARotationKilledAfterAnyRequestAndRunAgainLeavesNothing(t *testing.T) {
	address, _ := upstream(t)
	for requests := 1; ; requests++ {
		name := fmt.Sprintf("left%02d", requests)
		_, next := turnedChannel(t, name, address)
		next.Credentials = nil
		last, ended := killed(t, httpupsert.Revoke, next, requests)
		for range 2 {
			mustRevoke(t, next)
			if a, b, channel := clientNamed(t, "health-"+name+"-a"), clientNamed(t, "health-"+name+"-b"), channelNamed(t, "health-"+name); a != nil || b != nil || channel != nil {
				t.Fatalf("killed after request %d (%s), then run again: left the clients %v and %v, the channel %v", requests, last, a, b, channel)
			}
		}
		if ended {
			t.Logf("revoke amid a rotation was killed after each of %d requests", requests-1)
			return
		}
	}
}

func TestOpenHIMWithAStandinStore_revokeWithoutRetiredValuesTakesWhatIsInForce(t *testing.T) {
	address, _ := upstream(t)
	_, next := turnedChannel(t, "plain", address)
	next.Request.Retired = nil
	mustRevoke(t, next)
	if clientNamed(t, "health-plain-b") != nil || channelNamed(t, "health-plain") != nil {
		t.Error("what is in force is still there")
	}
	if clientNamed(t, "health-plain-a") == nil {
		t.Error("something went that the request does not name")
	}
}

func TestOpenHIMWithAStandinStore_nothingIsRetiredBeforeTheClientInForceIsThere(t *testing.T) {
	address, _ := upstream(t)
	remove := func(t *testing.T, client map[string]any) error {
		t.Helper()
		return openhim(t).Do(testContext(t), http.MethodDelete, "/clients/"+client["_id"].(string), nil, nil)
	}
	for name, meddle := range map[string]func(*testing.T, map[string]any) error{
		"gone": remove,
		"altered": func(t *testing.T, client map[string]any) error {
			t.Helper()
			return openhim(t).Do(testContext(t), http.MethodPut, "/clients/"+client["_id"].(string), map[string]any{"passwordHash": "00"}, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			old, next := turnedChannel(t, name, address)
			if err := meddle(t, clientNamed(t, "health-"+name+"-b")); err != nil {
				t.Log(err)
			}
			eventually(t, httpapi.VerifyExchangeChannel, next, provision.PhaseFailed)
			report, err := httpupsert.Retire(testContext(t), next)
			result := mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCredentialsRejected)
			if strings.Contains(result.Message, "the next one") || !strings.Contains(result.Message, "nothing is retired") {
				t.Errorf("it says %q", result.Message)
			}
			eventually(t, httpapi.VerifyExchangeChannel, old, provision.PhaseDone)
			mustProvision(t, next)
			report, err = httpupsert.Retire(testContext(t), next)
			mustBeDone(t, report, err)
			eventually(t, httpapi.VerifyExchangeChannel, next, provision.PhaseDone)
			if clientNamed(t, "health-"+name+"-a") != nil {
				t.Error("the old client is still there")
			}
		})
	}
}

func TestKeycloak_retireKilledAfterAnyRequestAndRunAgainEndsTheSame(t *testing.T) {
	for requests := 1; ; requests++ {
		first, second := fmt.Sprintf("turned%02da", requests), fmt.Sprintf("turned%02db", requests)
		task := scopeTask(t, "kill-retire", first)
		mustProvision(t, task)
		task.Request.Outputs = map[string]string{"scope": "scope-" + second}
		mustProvision(t, task)
		want := scopeState(t, "kill-retire", second)
		task.Request.Retired = map[string]string{"scope": "scope-" + first}
		through := newRelay(t, keycloak(t).URL, "", requests)
		broken := task
		broken.Request.Endpoint.URL = through.URL
		_, failure := httpupsert.Retire(testContext(t), broken)
		through.Close()
		report, err := httpupsert.Retire(testContext(t), task)
		mustBeDone(t, report, err)
		if left := scopeState(t, "kill-retire", first); len(left) > 0 {
			t.Fatalf("killed after request %d (%s), then run again: left %v", requests, through.last(), left)
		}
		if diff := cmp.Diff(want, scopeState(t, "kill-retire", second)); diff != "" {
			t.Fatalf("killed after request %d (%s), then run again: what is in force changed (-want +got):\n%s", requests, through.last(), diff)
		}
		if failure == nil {
			t.Logf("retire was killed after each of %d requests", requests-1)
			return
		}
	}
}
