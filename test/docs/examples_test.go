package docs_test

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/dpi-operator/dpi-operator/internal/cli"
)

const (
	examplesPage   = "../../docs/wiring-examples.md"
	examplesFolder = "../../docs/examples"
)

func TestExamples_areAllPlannedAndOnThePage(t *testing.T) {
	page := read(t, examplesPage)
	stacks, err := filepath.Glob(filepath.Join(examplesFolder, "*.yaml"))
	if err != nil || len(stacks) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, stack := range stacks {
		var out, problems bytes.Buffer
		command := cli.NewCommand(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &problems})
		command.SetArgs([]string{"plan", "-f", stack, "--catalog", catalogFolder, "--catalog", filepath.Join(examplesFolder, "catalog")})
		if err := command.Execute(); err != nil {
			t.Errorf("%s: %v\n%s", stack, err, problems.String())
		}
		if !strings.Contains(page, "examples/"+filepath.Base(stack)) {
			t.Errorf("%s does not link to %s", examplesPage, stack)
		}
	}
}

var (
	fence  = regexp.MustCompile("(?s)```yaml\n(.*?)```")
	indent = regexp.MustCompile(`(?m)^ +`)
)

// What the page shows is in a file that is planned, with another indentation at most.
func TestExamples_areShownAsTheyAre(t *testing.T) {
	var files []string
	for _, pattern := range []string{"*.yaml", "catalog/*.yaml"} {
		found, err := filepath.Glob(filepath.Join(examplesFolder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	var all strings.Builder
	for _, file := range files {
		all.WriteString(indent.ReplaceAllString(read(t, file), "") + "\n")
	}
	blocks := fence.FindAllStringSubmatch(read(t, examplesPage), -1)
	if len(blocks) == 0 {
		t.Fatal("the page shows nothing")
	}
	for _, block := range blocks {
		if !strings.Contains(all.String(), indent.ReplaceAllString(block[1], "")) {
			t.Errorf("this is in no example:\n%s", block[1])
		}
	}
}
