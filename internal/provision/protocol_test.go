package provision_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

func validRequest() provision.Request {
	return provision.Request{
		APIVersion: provision.APIVersion, ID: "42", Action: provision.ActionProvision, Handler: "postgresql", Contract: "postgresql-v1",
		Binding: provision.Binding{UID: "u", Namespace: "n", Name: "b"}, Endpoint: provision.Endpoint{Host: "db", Port: 5432},
		Parameters: json.RawMessage(`{"schemas":["ehr"]}`), Outputs: map[string]string{"database": "x"},
	}
}

func TestParseRequest_readsBackWhatWasWritten(t *testing.T) {
	want := validRequest()
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := provision.ParseRequest(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestParseRequest_refusesWhatNoHandlerCouldActOn(t *testing.T) {
	for name, change := range map[string]func(*provision.Request){
		"another version": func(r *provision.Request) { r.APIVersion = "provision.dpi-operator.io/v2" },
		"an action":       func(r *provision.Request) { r.Action = "destroy" },
		"a policy":        func(r *provision.Request) { r.DataPolicy = "Shred" },
		"no handler":      func(r *provision.Request) { r.Handler = "" },
		"no uid":          func(r *provision.Request) { r.Binding.UID = "" },
	} {
		request := validRequest()
		change(&request)
		data, err := json.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := provision.ParseRequest(data); !errors.Is(err, provision.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := provision.ParseRequest([]byte("{")); !errors.Is(err, provision.ErrInvalid) {
		t.Errorf("half a document: got %v", err)
	}
}

func TestParseResult_believesNoProgramItself(t *testing.T) {
	tests := map[string]string{
		"not JSON":           `done`,
		"another version":    `{"apiVersion":"v0","id":"42","phase":"done","reason":"Done"}`,
		"an older request":   `{"apiVersion":"provision.dpi-operator.io/v1","id":"41","phase":"done","reason":"Done"}`,
		"an unknown phase":   `{"apiVersion":"provision.dpi-operator.io/v1","id":"42","phase":"great","reason":"Done"}`,
		"no reason":          `{"apiVersion":"provision.dpi-operator.io/v1","id":"42","phase":"done"}`,
		"a sentence":         `{"apiVersion":"provision.dpi-operator.io/v1","id":"42","phase":"done","reason":"It is done"}`,
		"done, but not all":  `{"apiVersion":"provision.dpi-operator.io/v1","id":"42","phase":"done","reason":"Done","checks":[{"name":"login","ok":false}]}`,
		"more than is kept":  `{"apiVersion":"provision.dpi-operator.io/v1","id":"42","phase":"done","reason":"Done","message":"` + strings.Repeat("x", 300<<10) + `"}`,
		"nothing whatsoever": ``,
	}
	for name, data := range tests {
		if _, err := provision.ParseResult([]byte(data), "42"); !errors.Is(err, provision.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestParseResult_makesMessagesOneBoundedLine(t *testing.T) {
	data := `{"apiVersion":"provision.dpi-operator.io/v1","id":"42","phase":"retry","reason":"Away","message":"one\n  two ` + strings.Repeat("ü", 2000) + `"}`
	result, err := provision.ParseResult([]byte(data), "42")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(result.Message, "one two ü") || len(result.Message) > 1024 || strings.ContainsRune(result.Message, '\uFFFD') {
		t.Errorf("got %d bytes: %.40q", len(result.Message), result.Message)
	}
}

func TestConclude_isDoneOnlyWhenEveryCheckHolds(t *testing.T) {
	good, bad := provision.Report{}, provision.Report{}
	good.Check("login", nil)
	bad.Check("login", nil)
	bad.Check("table", errors.New("no space\nleft"))
	tests := map[string]struct {
		action         provision.Action
		report         provision.Report
		err            error
		phase          provision.Phase
		reason, saying string
	}{
		"provisioned":         {action: provision.ActionProvision, report: good, phase: provision.PhaseDone, reason: "Provisioned"},
		"verified":            {action: provision.ActionVerify, report: good, phase: provision.PhaseDone, reason: "Verified"},
		"revoked":             {action: provision.ActionRevoke, phase: provision.PhaseDone, reason: "Revoked"},
		"a reason of its own": {action: provision.ActionRevoke, report: provision.Report{Reason: "Retained"}, phase: provision.PhaseDone, reason: "Retained"},
		"a check":             {action: provision.ActionVerify, report: bad, phase: provision.PhaseFailed, reason: "CheckFailed", saying: "table: no space left"},
		"a failure":           {report: good, err: fmt.Errorf("wrapped: %w", provision.Failed("ForeignObject", "it is %s", "theirs")), phase: provision.PhaseFailed, reason: "ForeignObject", saying: "wrapped: it is theirs"},
		"a retry":             {report: bad, err: provision.Retry("Away", "later"), phase: provision.PhaseRetry, reason: "Away", saying: "later"},
		"out of time":         {err: fmt.Errorf("waiting: %w", context.DeadlineExceeded), phase: provision.PhaseRetry, reason: "TimedOut", saying: "waiting: context deadline exceeded"},
		"anything else":       {err: errors.New("surprise"), phase: provision.PhaseRetry, reason: "ProviderError", saying: "surprise"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			result := provision.Conclude(provision.Request{ID: "42", Action: test.action}, test.report, test.err)
			if result.Phase != test.phase || result.Reason != test.reason || result.Message != test.saying || result.ID != "42" {
				t.Errorf("got %+v", result)
			}
			data, err := json.Marshal(result)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := provision.ParseResult(data, "42"); err != nil {
				t.Errorf("the operator would not read it: %v", err)
			}
		})
	}
}
