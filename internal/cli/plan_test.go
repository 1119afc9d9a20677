package cli

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/internal/plan"
)

const (
	catalogue = "../../config/catalog"
	sample    = "../../config/samples/health-exchange.yaml"
)

var digest = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

func TestPlanOfTheSample(t *testing.T) {
	got := run(t, "", "plan", "--catalog", catalogue, "-f", sample)
	if got.err != nil {
		t.Fatal(got.err)
	}
	if bad := trailingSpace(got.stdout); len(bad) > 0 {
		t.Errorf("lines end in blanks: %q", bad)
	}
	// The digest covers every value of the catalogue; that it is stable is the planner's to prove.
	golden(t, "testdata/plan/health-exchange.txt", digest.ReplaceAllString(got.stdout, "sha256:…"))
}

func TestPlanFromStandardInputIsTheSame(t *testing.T) {
	data, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	fromFile := run(t, "", "plan", "--catalog", catalogue, "-f", sample)
	piped := run(t, string(data), "plan", "--catalog", catalogue, "-f", "-")
	if piped.err != nil || piped.stdout != fromFile.stdout {
		t.Errorf("from standard input: error %v, output\n%s\nfrom the file:\n%s", piped.err, piped.stdout, fromFile.stdout)
	}
}

func TestPlanAsDataIsCompleteAndSpelledAsInManifests(t *testing.T) {
	asYAML := run(t, "", "plan", "--catalog", catalogue, "-f", sample, "-o", "yaml")
	asJSON := run(t, "", "plan", "--catalog", catalogue, "-f", sample, "-o", "json")
	if asYAML.err != nil || asJSON.err != nil {
		t.Fatal(asYAML.err, asJSON.err)
	}
	for format, decode := range map[string]func(into any) error{
		"yaml": func(into any) error { return yaml.UnmarshalStrict([]byte(asYAML.stdout), into) },
		"json": func(into any) error { return json.Unmarshal([]byte(asJSON.stdout), into) },
	} {
		var fields map[string]any
		if err := decode(&fields); err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		for _, name := range []string{"template", "components", "bindings", "steps", "digest"} {
			if fields[name] == nil {
				t.Errorf("%s: field %q is missing", format, name)
			}
		}
		var computed plan.Plan
		if err := decode(&computed); err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		if len(computed.Components) != 5 || len(computed.Bindings) != 7 || computed.Components[0].Spec.Values == nil {
			t.Errorf("%s: %d components, %d bindings, first component %+v", format, len(computed.Components), len(computed.Bindings), computed.Components[0])
		}
	}
}

func TestPlanSaysByItsExitThatSomethingWouldChange(t *testing.T) {
	got := run(t, "", "plan", "--catalog", catalogue, "-f", sample, "--exit-code")
	if !errors.Is(got.err, ErrWouldChange) || got.stdout == "" {
		t.Errorf("error %v, output %q", got.err, got.stdout)
	}
}

// Each folder of testdata/plan is a bad deployment, with the one line that is said about it.
func TestPlanRefusesBadInput(t *testing.T) {
	for _, name := range cases(t, "plan") {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("testdata", "plan", name)
			entries := catalogue
			if own := filepath.Join(dir, "catalog"); isDir(own) {
				entries = own
			}
			got := run(t, "", "plan", "--catalog", entries, "-f", filepath.Join(dir, "in.yaml"))
			golden(t, filepath.Join(dir, "want"), got.refused(t))
		})
	}
}

func TestPlanRefusesBadCommandLines(t *testing.T) {
	for name, each := range map[string]struct {
		args []string
		want string
	}{
		"no file": {
			args: []string{"--catalog", catalogue},
			want: "name the file with the DPIDeployment: -f FILE\n",
		},
		"missing file": {
			args: []string{"--catalog", catalogue, "-f", "testdata/none.yaml"},
			want: "read the DPIDeployment: open testdata/none.yaml: no such file or directory\n",
		},
		"folder instead of file": {
			args: []string{"--catalog", catalogue, "-f", "testdata"},
			want: "read the DPIDeployment: read testdata: is a directory\n",
		},
		"missing catalogue": {
			args: []string{"--catalog", "testdata/none", "-f", sample},
			want: "read the catalogue: lstat testdata/none: no such file or directory\n",
		},
		"folder without entries": {
			args: []string{"--catalog", "testdata/empty", "-f", sample},
			want: "testdata/empty holds no catalogue entries; name the directory of a catalogue, such as config/catalog\n",
		},
		"unknown format": {
			args: []string{"--catalog", catalogue, "-f", sample, "-o", "xml"},
			want: "--output \"xml\" is not known; choose json or yaml\n",
		},
		"argument too many": {
			args: []string{"--catalog", catalogue, "-f", sample, "more"},
			want: "plan one DPIDeployment: give either -f FILE or one NAME\n",
		},
		"neither file nor name": {
			want: "name a DPIDeployment of the cluster, or the file with one: -f FILE\n",
		},
		"two names": {
			args: []string{"one", "two"},
			want: "plan one DPIDeployment: give either -f FILE or one NAME\n",
		},
		"name without a cluster": {
			args: []string{"--catalog", catalogue, "health-exchange"},
			want: "NAME is looked up in a cluster, and --catalog asks none; leave out one of the two\n",
		},
		"revision of a file": {
			args: []string{"-f", sample, "--revision", "2"},
			want: "--revision is about a DPIDeployment of the cluster: give its NAME instead of -f\n",
		},
		"revision below one": {
			args: []string{"health-exchange", "--revision", "-1"},
			want: "a revision is a number from 1; see kubectl get stackrevisions\n",
		},
		"comparison without a cluster": {
			args: []string{"--catalog", catalogue, "-f", sample, "--diff"},
			want: "--diff asks the cluster, and --catalog asks none; leave out one of the two\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := run(t, "", append([]string{"plan"}, each.args...)...)
			if text := got.refused(t); text != each.want {
				t.Errorf("said %q, want %q", text, each.want)
			}
		})
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
