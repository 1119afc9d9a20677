package plan

import (
	"errors"
	"fmt"
	"regexp"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/expr"
)

var countryPattern = regexp.MustCompile(`^[A-Z]{2}$`)

// maxSubject is how long a common name or an organization may be (RFC 5280, appendix A.1).
const maxSubject = 64

// certificateRequest is what an output of format csr asks for, nil for others.
func certificateRequest(template *v1alpha1.CertificateRequestTemplate, scope expr.Scope) (*v1alpha1.CertificateRequest, error) {
	if template == nil {
		return nil, nil
	}
	var out v1alpha1.CertificateRequest
	for _, part := range []struct {
		name, expression string
		into             *string
	}{
		{"common name", template.CommonNameExpr, &out.CommonName},
		{"organization", template.OrganizationExpr, &out.Organization},
		{"country", template.CountryExpr, &out.Country},
	} {
		if part.expression == "" {
			continue
		}
		value, err := expr.EvaluateString(part.expression, scope)
		if err != nil {
			return nil, fmt.Errorf("request: %s: %w", part.name, err)
		}
		if len(value) > maxSubject {
			return nil, fmt.Errorf("request: the %s %q has more than %d characters", part.name, value, maxSubject)
		}
		*part.into = value
	}
	switch {
	case out.CommonName == "":
		return nil, errors.New("request: the common name is empty")
	case out.Country != "" && !countryPattern.MatchString(out.Country):
		return nil, fmt.Errorf("request: the country %q is not two capital letters", out.Country)
	case template.DNSNamesExpr == "":
		return &out, nil
	}
	value, err := expr.Evaluate(template.DNSNamesExpr, scope)
	if err != nil {
		return nil, fmt.Errorf("request: host names: %w", err)
	}
	names, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf("request: host names: %q gives %T, want a list", template.DNSNamesExpr, value)
	}
	for _, each := range names {
		name, _ := each.(string)
		if len(validation.IsDNS1123Subdomain(name)) > 0 && len(validation.IsWildcardDNS1123Subdomain(name)) > 0 {
			return nil, fmt.Errorf("request: %v is no host name", each)
		}
		out.DNSNames = append(out.DNSNames, v1alpha1.DNSName(name))
	}
	return &out, nil
}
