package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

const unreachable = `{"apiVersion":"provision.dpi-operator.io/v1","id":"7","action":"verify","handler":"http-api-v1","contract":"http-api-v1",
	"binding":{"uid":"u","namespace":"n","name":"b"},"endpoint":{"host":"127.0.0.1","port":1},"outputs":{"url":"http://127.0.0.1:1"}}`

func execute(t *testing.T, request string) (string, provision.Result, error) {
	t.Helper()
	dir := t.TempDir()
	path, resultPath := filepath.Join(dir, "request.json"), filepath.Join(dir, "result.json")
	if err := os.WriteFile(path, []byte(request), 0o600); err != nil {
		t.Fatal(err)
	}
	command := newCommand("test")
	var out bytes.Buffer
	command.SetOut(&out)
	command.SetErr(&out)
	command.SetArgs([]string{"run", "--request", path, "--admin", dir, "--credentials", filepath.Join(dir, "none"), "--result", resultPath, "--termination-message", ""})
	failure := command.Execute()
	data, err := os.ReadFile(resultPath)
	if err != nil {
		return out.String(), provision.Result{}, failure
	}
	result, err := provision.ParseResult(data, "7")
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), result, failure
}

func TestRun_leavesAResultAndTellsByItsExitThatItIsNotDone(t *testing.T) {
	out, result, err := execute(t, unreachable)
	if err == nil || result.Phase != provision.PhaseRetry || result.Reason != provision.ReasonProviderUnavailable {
		t.Errorf("got %+v, %v", result, err)
	}
	if !strings.Contains(out, "retry: ProviderUnavailable") {
		t.Errorf("the log says %q", out)
	}
}

func TestRun_wantsBothOrNoneOfTheVariables(t *testing.T) {
	t.Setenv(provision.ResultSecretEnv, "result")
	if _, _, err := execute(t, unreachable); err == nil || !strings.Contains(err.Error(), provision.ResultNamespaceEnv) {
		t.Errorf("got %v", err)
	}
	t.Setenv(provision.ResultNamespaceEnv, "n")
	if _, _, err := execute(t, unreachable); err == nil || !strings.Contains(err.Error(), "outside a cluster") {
		t.Errorf("got %v", err)
	}
}
