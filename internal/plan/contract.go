package plan

import (
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

var sha256Pattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// checkProvider makes sure that the provider's entry states what the contract wants of it.
func (s slot) checkProvider(consumer *member) error {
	provides := fmt.Sprintf("good %s provides %s", s.provider.good, s.contract.Name)
	handedOver := consumer.bindings[s.requirement.Name].Given != ""
	if s.contract.Spec.IsMade() && s.provision.Provisioner == "" && s.provision.Person == nil && !handedOver {
		return problem(v1alpha1.ReasonInvalid, "%s but names neither a provisioner nor a person; add one to the entry, or hand the consumer's credentials over with given", provides)
	}
	wanted := s.contract.Spec.Provider
	if wanted == nil {
		return nil
	}
	if wanted.AdminCredential && s.provision.Provisioner != "" && s.provision.AdminCredential == "" {
		return problem(v1alpha1.ReasonInvalid, "%s by provisioner %s but names no adminCredential; add it to the entry", provides, s.provision.Provisioner)
	}
	if len(wanted.Schemes) == 0 {
		return nil
	}
	for _, declared := range s.provider.entry.Spec.Endpoints {
		if declared.Name == s.provision.Endpoint {
			if !slices.Contains(wanted.Schemes, v1alpha1.EndpointScheme(declared.Scheme)) {
				return problem(v1alpha1.ReasonInvalid, "%s at endpoint %s, whose scheme is %s; the contract takes %s", provides, declared.Name, declared.Scheme, words(wanted.Schemes))
			}
			return nil
		}
	}
	return problem(v1alpha1.ReasonInvalid, "%s but names no endpoint that serves it; add one to the entry", provides)
}

func words(schemes []v1alpha1.EndpointScheme) string {
	out := make([]string, 0, len(schemes))
	for _, scheme := range schemes {
		out = append(out, string(scheme))
	}
	return strings.Join(out, " or ")
}

// checkValue makes sure that a value that is known now is of the type and format the contract declares. Values that are
// made later are proved, not read.
func checkValue(declared v1alpha1.ContractOutput, value string) error {
	switch declared.GetType() {
	case v1alpha1.TypeInteger:
		if _, err := strconv.ParseInt(value, 10, 64); err != nil {
			return fmt.Errorf("%q is not a whole number", value)
		}
	case v1alpha1.TypeBoolean:
		if value != "true" && value != "false" {
			return fmt.Errorf("%q is neither true nor false", value)
		}
	case v1alpha1.TypeString:
	}
	if declared.Format != "" && !hasFormat(declared.Format, value) {
		return fmt.Errorf("%q is not of format %s", value, declared.Format)
	}
	return nil
}

func hasFormat(format v1alpha1.OutputFormat, value string) bool {
	switch format {
	case v1alpha1.FormatHostname:
		return net.ParseIP(value) != nil || len(validation.IsDNS1123Subdomain(strings.ToLower(value))) == 0
	case v1alpha1.FormatPort:
		port, err := strconv.ParseUint(value, 10, 16)
		return err == nil && port > 0
	case v1alpha1.FormatURI:
		parsed, err := url.Parse(value)
		return err == nil && parsed.IsAbs() && parsed.Host != ""
	case v1alpha1.FormatEmail:
		address, err := mail.ParseAddress(value)
		return err == nil && address.Address == value
	case v1alpha1.FormatSHA256:
		return sha256Pattern.MatchString(value)
	default:
		return true // keys and certificates are made later, and proved then
	}
}
