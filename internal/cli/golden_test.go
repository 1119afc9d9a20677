package cli

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// golden compares a text with a file, or writes the file with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run the test with -update to write it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// cases lists the folders below testdata/<group>.
func cases(t *testing.T, group string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join("testdata", group))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	if len(names) == 0 {
		t.Fatalf("testdata/%s has no cases", group)
	}
	return names
}

// runResult is what a person sees of a command.
type runResult struct {
	stdout string
	err    error
}

// run carries out a command line. What is sent to standard error has to come back as the error instead.
func run(t *testing.T, stdin string, args ...string) runResult {
	t.Helper()
	streams, in, out, errOut := genericiooptions.NewTestIOStreams()
	in.WriteString(stdin)
	command := NewCommand(streams)
	command.SetArgs(args)
	err := command.ExecuteContext(t.Context())
	if errOut.Len() > 0 {
		t.Errorf("written to standard error: %s", errOut)
	}
	return runResult{stdout: out.String(), err: err}
}

// refused is the message of a command that failed as it should: with one line, and with nothing half done.
func (r runResult) refused(t *testing.T) string {
	t.Helper()
	if r.err == nil {
		t.Fatalf("the command succeeded and printed:\n%s", r.stdout)
	}
	if r.stdout != "" {
		t.Errorf("the command failed and printed all the same:\n%s", r.stdout)
	}
	text := r.err.Error()
	if text == "" || strings.ContainsAny(text, "\r\n") {
		t.Errorf("the error is not one line: %q", text)
	}
	return text + "\n"
}

// trailingSpace reports the lines that end in blanks.
func trailingSpace(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if len(bytes.TrimRight([]byte(line), " \t")) != len(line) {
			lines = append(lines, line)
		}
	}
	return lines
}
