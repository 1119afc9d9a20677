package docs_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/manifest"
)

const (
	contractsPage = "../../docs/contracts.md"
	catalogFolder = "../../config/catalog"
	// generatedMark separates what people write from what is made of the catalogue.
	generatedMark = "<!-- Everything below is made of config/catalog by `make generate`. -->\n"
)

var update = flag.Bool("update", false, "write the generated pages anew")

func TestContractsPage_saysWhatTheCatalogueSays(t *testing.T) {
	page := read(t, contractsPage)
	written, _, found := strings.Cut(page, generatedMark)
	if !found {
		t.Fatalf("%s lacks the line %q", contractsPage, generatedMark)
	}
	want := written + generatedMark + contractSections(t)
	if *update {
		if err := os.WriteFile(contractsPage, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		page = want
	}
	if diff := gocmp.Diff(want, page); diff != "" {
		t.Errorf("%s is stale, run `make generate` (-catalogue +page):\n%s", contractsPage, diff)
	}
}

func TestContracts_describeEachOutputAndParameterAndTheirProof(t *testing.T) {
	for _, contract := range contracts(t) {
		if contract.Spec.Verification.Proves == "" {
			t.Errorf("%s does not say what its verification proves", contract.Name)
		}
		for _, output := range contract.Spec.Outputs {
			if output.Description == "" {
				t.Errorf("%s: output %s has no description", contract.Name, output.Name)
			}
		}
		for name, parameter := range properties(t, contract) {
			if parameter.Description == "" {
				t.Errorf("%s: parameter %s has no description", contract.Name, name)
			}
		}
	}
}

func contracts(t *testing.T) []*v1alpha1.InterfaceContract {
	t.Helper()
	return decoded[*v1alpha1.InterfaceContract](t, "contracts")
}

func decoded[T any](t *testing.T, folder string) []T {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(catalogFolder, folder, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", folder, err)
	}
	var out []T
	for _, file := range files {
		objects, err := manifest.Decode([]byte(read(t, file)))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, object := range objects {
			out = append(out, object.(T))
		}
	}
	return out
}

// property is what a page says of a parameter.
type property struct {
	Description string `json:"description"`
	Type        string `json:"type"`
	Enum        []any  `json:"enum"`
	Default     any    `json:"default"`
	required    bool
}

func properties(t *testing.T, contract *v1alpha1.InterfaceContract) map[string]property {
	t.Helper()
	if contract.Spec.Parameters == nil {
		return nil
	}
	var schema struct {
		Properties map[string]property `json:"properties"`
		Required   []string            `json:"required"`
	}
	if err := yaml.Unmarshal(contract.Spec.Parameters.Raw, &schema); err != nil {
		t.Fatalf("%s: %v", contract.Name, err)
	}
	for _, name := range schema.Required {
		each := schema.Properties[name]
		each.required = true
		schema.Properties[name] = each
	}
	return schema.Properties
}

func contractSections(t *testing.T) string {
	t.Helper()
	goods := decoded[*v1alpha1.DigitalPublicGood](t, "goods")
	var b strings.Builder
	for _, contract := range contracts(t) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\nThe Secret has `type: %s`.\n", contract.Name, strings.TrimSpace(contract.Spec.Description), contract.Spec.Type)
		writeParameters(&b, properties(t, contract))
		writeOutputs(&b, contract.Spec.Outputs)
		fmt.Fprintf(&b, "\n**A provider states** %s.\n", stated(contract.Spec))
		every := cmp.Or(intervalOf(contract), "10 minutes")
		fmt.Fprintf(&b, "\n**Proof** (`%s`, every %s): %s\n", contract.Spec.Verification.Method, every, contract.Spec.Verification.Proves)
		fmt.Fprintf(&b, "\n**In the catalogue:** %s.\n", providers(goods, contract.Name))
	}
	return b.String()
}

func intervalOf(contract *v1alpha1.InterfaceContract) string {
	if interval := contract.Spec.Verification.Interval; interval != nil {
		if interval.Hours() == 1 {
			return "hour"
		}
		return fmt.Sprintf("%g hours", interval.Hours())
	}
	return ""
}

func writeParameters(b *strings.Builder, parameters map[string]property) {
	if len(parameters) == 0 {
		b.WriteString("\nA consumer asks for nothing.\n")
		return
	}
	b.WriteString("\n| Parameter | Type | Default | Meaning |\n| --- | --- | --- | --- |\n")
	names := make([]string, 0, len(parameters))
	for name := range parameters {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		each := parameters[name]
		kind := each.Type
		if len(each.Enum) > 0 {
			var choices []string
			for _, choice := range each.Enum {
				choices = append(choices, fmt.Sprintf("`%v`", choice))
			}
			kind = strings.Join(choices, ", ")
		}
		byDefault := "–"
		switch {
		case each.required:
			byDefault = "required"
		case each.Default != nil:
			byDefault = fmt.Sprintf("`%s`", jsonOf(each.Default))
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", name, kind, byDefault, each.Description)
	}
}

func jsonOf(value any) string {
	out, err := yaml.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	text, err := yaml.YAMLToJSON(out)
	if err != nil {
		return fmt.Sprint(value)
	}
	return strings.Trim(string(text), "\n")
}

func writeOutputs(b *strings.Builder, outputs []v1alpha1.ContractOutput) {
	b.WriteString("\n| Output | Type | Secret | Made by | Meaning |\n| --- | --- | --- | --- | --- |\n")
	made := map[v1alpha1.OutputOrigin]string{
		v1alpha1.OriginProvider: "provider's entry", v1alpha1.OriginDerived: "contract",
		v1alpha1.OriginGenerated: "operator", v1alpha1.OriginMinted: "provisioner or person",
	}
	for _, output := range outputs {
		name, secret, kind := output.Name, "no", string(output.GetType())
		if output.ForEach != "" {
			name = "<" + output.ForEach + "[].name>-" + name
		}
		if output.Secret {
			secret = "yes"
		}
		if output.Format != "" {
			kind += ", " + string(output.Format)
		}
		by := made[output.Origin]
		if output.AlternateExpr != "" {
			by += ", alternating"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", name, kind, secret, by, output.Description)
	}
}

// stated is what the entry of a provider has to say.
func stated(spec v1alpha1.InterfaceContractSpec) string {
	var parts []string
	if spec.Provider != nil && len(spec.Provider.Schemes) > 0 {
		var schemes []string
		for _, scheme := range spec.Provider.Schemes {
			schemes = append(schemes, "`"+string(scheme)+"`")
		}
		parts = append(parts, "an endpoint of scheme "+strings.Join(schemes, " or "))
	}
	var outputs []string
	for _, output := range spec.Outputs {
		ofEndpoint := slices.Contains([]string{"host", "port", "url", "scheme", "path"}, output.Name)
		if output.Origin == v1alpha1.OriginProvider && !ofEndpoint {
			outputs = append(outputs, "`"+output.Name+"`")
		}
	}
	if len(outputs) > 0 {
		parts = append(parts, "the outputs "+strings.Join(outputs, ", "))
	}
	if spec.IsMade() {
		parts = append(parts, "a provisioner or a person")
	}
	if spec.Provider != nil && spec.Provider.AdminCredential {
		parts = append(parts, "with a provisioner, the `adminCredential` it works with")
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}

func providers(goods []*v1alpha1.DigitalPublicGood, contract string) string {
	var found []string
	for _, good := range goods {
		for _, provides := range good.Spec.Provides {
			if provides.Contract != contract {
				continue
			}
			switch {
			case provides.Provisioner != "":
				found = append(found, fmt.Sprintf("`%s` by its provisioner `%s`", good.Name, provides.Provisioner))
			case provides.Person != nil:
				found = append(found, fmt.Sprintf("`%s` by a person", good.Name))
			default:
				found = append(found, fmt.Sprintf("`%s`", good.Name))
			}
		}
	}
	if len(found) == 0 {
		return "nothing provides it yet"
	}
	return strings.Join(found, ", ")
}
