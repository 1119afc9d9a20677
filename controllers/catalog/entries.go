package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"sort"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/expr"
	"github.com/dpi-operator/dpi-operator/internal/health"
	"github.com/dpi-operator/dpi-operator/internal/manifest"
	"github.com/dpi-operator/dpi-operator/internal/parameters"
	"github.com/dpi-operator/dpi-operator/internal/provision/httpupsert"
)

// entries is a parsed source.
type entries struct {
	objects []client.Object
	digest  string
}

// parse reads and judges every document of the source, named by file. It is pure. The first entry that cannot be
// accepted refuses the source.
func parse(documents map[string]string) (entries, error) {
	sum := sha256.New()
	var out entries
	seen := map[string]string{}
	for _, file := range sortedKeys(documents) {
		_, _ = fmt.Fprintln(sum, file, len(documents[file]))
		_, _ = sum.Write([]byte(documents[file]))
		objects, err := manifest.Decode([]byte(documents[file]))
		if err != nil {
			return entries{}, invalid("%s: %v", file, err)
		}
		for _, object := range objects {
			entry, ok := object.(client.Object)
			if !ok || !isEntry(entry) {
				return entries{}, invalid("%s: %T is no catalogue entry", file, object)
			}
			key := fmt.Sprintf("%T %s", entry, entry.GetName())
			if earlier, twice := seen[key]; twice {
				return entries{}, invalid("%s: %s is in %s already", file, entry.GetName(), earlier)
			}
			seen[key] = file
			if err := check(entry); err != nil {
				return entries{}, invalid("%s: %s: %v", file, entry.GetName(), err)
			}
			out.objects = append(out.objects, entry)
		}
	}
	out.digest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	return out, nil
}

func invalid(format string, args ...any) error {
	return &refusal{reason: v1alpha1.ReasonEntryInvalid, message: fmt.Sprintf(format, args...)}
}

func isEntry(object client.Object) bool {
	switch object.(type) {
	case *v1alpha1.DigitalPublicGood, *v1alpha1.InterfaceContract, *v1alpha1.StackTemplate:
		return object.GetName() != ""
	default:
		return false
	}
}

func (e entries) counts() (goods, contracts, templates int32) {
	for _, object := range e.objects {
		switch object.(type) {
		case *v1alpha1.DigitalPublicGood:
			goods++
		case *v1alpha1.InterfaceContract:
			contracts++
		case *v1alpha1.StackTemplate:
			templates++
		}
	}
	return goods, contracts, templates
}

// check type-checks expressions and schemas, so that a mistake shows when the catalogue is loaded and not when a country
// deploys.
func check(object client.Object) error {
	switch entry := object.(type) {
	case *v1alpha1.DigitalPublicGood:
		return checkGood(entry.Spec)
	case *v1alpha1.InterfaceContract:
		return checkContract(entry.Spec)
	case *v1alpha1.StackTemplate:
		return checkTemplate(entry.Spec)
	}
	return nil
}

var (
	mappingVariables = []string{"facts", "parameters", "component", "endpoints", "bindings"}
	edgeVariables    = []string{"binding", "parameters", "endpoint", "component", "facts", "item"}
)

func checkGood(spec v1alpha1.DigitalPublicGoodSpec) error {
	if err := checkMappings(spec.Values); err != nil {
		return err
	}
	if err := checkHealth(spec.Health); err != nil {
		return err
	}
	if err := checkProvisions(spec.Provides); err != nil {
		return err
	}
	if err := checkMediations(spec); err != nil {
		return err
	}
	if err := checkPreparations(spec.Prepare); err != nil {
		return err
	}
	if err := checkRequirements(spec.Requires); err != nil {
		return err
	}
	for _, endpoint := range spec.Endpoints {
		if endpoint.ServiceName == "" {
			continue
		}
		if err := expr.Check(endpoint.ServiceName, "component"); err != nil {
			return fmt.Errorf("endpoint %s: %w", endpoint.Name, err)
		}
	}
	return nil
}

func checkProvisions(provisions []v1alpha1.Provision) error {
	for _, provided := range provisions {
		for _, output := range provided.Outputs {
			if err := expr.Check(output.Expr, edgeVariables...); err != nil {
				return fmt.Errorf("provides %s, output %s: %w", provided.Contract, output.Name, err)
			}
		}
		if provided.ImageExpr != "" {
			if err := expr.Check(provided.ImageExpr, "facts", "component"); err != nil {
				return fmt.Errorf("provides %s, imageExpr: %w", provided.Contract, err)
			}
		}
		if provided.HTTP == nil {
			continue
		}
		if err := httpupsert.Check(*provided.HTTP); err != nil {
			return fmt.Errorf("provides %s, http: %w", provided.Contract, err)
		}
	}
	return nil
}

// checkMediations type-checks how a mediator registers those it stands between, and looks whether it says how under provides.
func checkMediations(spec v1alpha1.DigitalPublicGoodSpec) error {
	for _, mediation := range spec.Mediates {
		channel, client := mediation.Channel, mediation.Client
		expressions := map[string]string{"channel.parametersExpr": channel.ParametersExpr, "client.parametersExpr": client.ParametersExpr}
		for _, output := range mediation.Outputs {
			expressions["output "+output.Name] = output.Expr
		}
		for where, expression := range expressions {
			variables := []string{"upstream", "channel"}
			if where == "channel.parametersExpr" {
				variables = variables[:1]
			}
			if expression == "" {
				continue
			}
			if err := expr.Check(expression, variables...); err != nil {
				return fmt.Errorf("mediates %s: %s: %w", mediation.Contracts[0], where, err)
			}
		}
		for _, contract := range []v1alpha1.ContractName{channel.Contract, client.Contract} {
			if !slices.ContainsFunc(spec.Provides, func(p v1alpha1.Provision) bool { return p.Contract == string(contract) }) {
				return fmt.Errorf("mediates %s: the good has to provide %s", mediation.Contracts[0], contract)
			}
		}
	}
	return nil
}

// checkRequirements type-checks what slots ask for and the Secrets they declare, and the names of containers and workloads these
// are mounted into.
func checkRequirements(requirements []v1alpha1.Requirement) error {
	for _, requirement := range requirements {
		for _, input := range requirement.Inputs {
			if err := expr.Check(input.Expr, "facts", "parameters", "component", "endpoints"); err != nil {
				return fmt.Errorf("requires %s, input %s: %w", requirement.Name, input.Name, err)
			}
		}
		if err := checkForms(requirement); err != nil {
			return err
		}
		if requirement.Project == nil {
			continue
		}
		if _, err := regexp.Compile(requirement.Project.Workload); err != nil {
			return fmt.Errorf("requires %s, project: workload %q is not a regular expression: %w", requirement.Name, requirement.Project.Workload, err)
		}
	}
	return nil
}

func checkForms(requirement v1alpha1.Requirement) error {
	for _, secret := range requirement.Secrets {
		for _, key := range secret.Keys {
			if key.Expr == "" {
				continue
			}
			if err := expr.Check(key.Expr, "outputs"); err != nil {
				return fmt.Errorf("requires %s, secret %s, key %s: %w", requirement.Name, secret.Name, key.Name, err)
			}
		}
	}
	return nil
}

func checkHealth(rules []v1alpha1.HealthRule) error {
	from := make([]health.Rule, 0, len(rules))
	for _, rule := range rules {
		from = append(from, health.Rule(rule))
	}
	_, err := health.CompileRules(from)
	return err
}

func checkContract(spec v1alpha1.InterfaceContractSpec) error {
	if spec.Parameters != nil {
		if err := parameters.CheckSchema(spec.Parameters.Raw); err != nil {
			return err
		}
	}
	if expression := spec.Verification.ImageExpr; expression != "" {
		if err := expr.Check(expression, "facts"); err != nil {
			return fmt.Errorf("verification, imageExpr: %w", err)
		}
	}
	for _, output := range spec.Outputs {
		if err := checkOutput(spec, output); err != nil {
			return fmt.Errorf("output %s: %w", output.Name, err)
		}
		for _, expression := range []string{output.Expr, output.AlternateExpr} {
			if expression == "" {
				continue
			}
			if err := expr.Check(expression, edgeVariables...); err != nil {
				return fmt.Errorf("output %s: %w", output.Name, err)
			}
		}
	}
	return nil
}

// checkOutput looks at when an output exists, and whether a public key has a private one that exists as well.
func checkOutput(spec v1alpha1.InterfaceContractSpec, output v1alpha1.ContractOutput) error {
	if output.When != "" {
		if err := expr.Check(output.When, "parameters"); err != nil {
			return fmt.Errorf("when: %w", err)
		}
	}
	if err := checkRequest(output.Request); err != nil {
		return err
	}
	if of := output.CertificateOf; of != "" && !slices.ContainsFunc(spec.Outputs, func(o v1alpha1.ContractOutput) bool { return o.Name == of && o.KeyPair != nil }) {
		return fmt.Errorf("certificateOf names %q, which is no output with keyPair", of)
	}
	if output.PublicOf == "" {
		return nil
	}
	for _, other := range spec.Outputs {
		if other.Name == output.PublicOf && other.KeyPair != nil && (other.When == "" || other.When == output.When) {
			return nil
		}
	}
	return fmt.Errorf("publicOf names %q, which is no output with keyPair that exists under the same condition", output.PublicOf)
}

func checkRequest(request *v1alpha1.CertificateRequestTemplate) error {
	if request == nil {
		return nil
	}
	for _, expression := range []string{request.CommonNameExpr, request.OrganizationExpr, request.CountryExpr, request.DNSNamesExpr} {
		if expression == "" {
			continue
		}
		if err := expr.Check(expression, edgeVariables...); err != nil {
			return fmt.Errorf("request: %w", err)
		}
	}
	return nil
}

func checkTemplate(spec v1alpha1.StackTemplateSpec) error {
	if spec.Parameters != nil {
		if err := parameters.CheckSchema(spec.Parameters.Raw); err != nil {
			return err
		}
	}
	for _, component := range spec.Components {
		if err := checkMappings(component.Mappings); err != nil {
			return fmt.Errorf("component %s: %w", component.Name, err)
		}
		for _, need := range component.Needs {
			if need.Ready == "" {
				continue
			}
			if err := health.CheckExpression(need.Ready); err != nil {
				return fmt.Errorf("component %s needs %s %s: %w", component.Name, need.Kind, need.Name, err)
			}
		}
	}
	return nil
}

func checkMappings(mappings []v1alpha1.ValueMapping) error {
	for _, mapping := range mappings {
		expressions := []string{mapping.Expr, mapping.When}
		for _, variable := range mapping.Env {
			expressions = append(expressions, variable.Expr)
		}
		for _, expression := range expressions {
			if expression == "" {
				continue
			}
			if err := expr.Check(expression, mappingVariables...); err != nil {
				return fmt.Errorf("mapping of %s: %w", mapping.Path, err)
			}
		}
	}
	return nil
}

func sortedKeys(documents map[string]string) []string {
	keys := make([]string, 0, len(documents))
	for key := range documents {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
