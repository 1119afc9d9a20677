package exports

import (
	"reflect"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/values"
)

// Standing is how a consumer stands to what a component exports.
type Standing string

// Standings.
const (
	// Granted may use it.
	Granted Standing = "Granted"
	// NotExported: nobody may, under that contract.
	NotExported Standing = "NotExported"
	// NotGranted: others may, this one may not.
	NotGranted Standing = "NotGranted"
	// Revoked may no longer, and what is in use is to be ended.
	Revoked Standing = "Revoked"
)

// Use is what a consumer in another namespace asks for.
type Use struct {
	Contract, Namespace, Deployment string
}

// Judge returns the standing of a use, and the terms that grant it. One grant that revokes outweighs all that allow.
func Judge(terms []v1alpha1.ExportTerms, use Use) (Standing, v1alpha1.ExportTerms) {
	standing := NotExported
	var granting v1alpha1.ExportTerms
	for _, each := range terms {
		if !slices.Contains(each.Contracts, v1alpha1.ContractName(use.Contract)) {
			continue
		}
		if standing == NotExported {
			standing = NotGranted
		}
		for _, grant := range each.To {
			switch {
			case grant.Namespace != use.Namespace || grant.Deployment != "" && grant.Deployment != use.Deployment:
			case grant.Access == v1alpha1.AccessRevoked:
				return Revoked, v1alpha1.ExportTerms{}
			case standing != Granted:
				standing, granting = Granted, each
			}
		}
	}
	return standing, granting
}

// Of returns the terms on which one component of a stack is exported.
func Of(exports []v1alpha1.Export, component string) []v1alpha1.ExportTerms {
	var terms []v1alpha1.ExportTerms
	for _, each := range exports {
		if each.Component == component {
			terms = append(terms, each.ExportTerms)
		}
	}
	return terms
}

// Difference names what in a binding is not, or no longer, as the provider is, or returns nothing. A binding is believed none of
// it: with another address its Job would carry the provider's admin credential to a stranger.
func Difference(binding v1alpha1.BindingSpec, provider v1alpha1.ComponentSpec, terms v1alpha1.ExportTerms) string {
	endpoint, admin := binding.Provider.Endpoint, binding.Provider.AdminSecretName
	switch {
	case endpoint != nil && !slices.Contains(provider.Endpoints, *endpoint):
		return "address"
	case admin != "" && !slices.ContainsFunc(provider.Credentials, func(c v1alpha1.ComponentCredential) bool { return c.SecretName == admin }):
		return "admin credential"
	case binding.Provider.Registers != nil:
		// Who stands behind a mediator is for the mediator's owner to say, and an export knows no mediators of others.
		return "registration"
	case !keeps(binding.Parameters, terms.Parameters):
		return "parameters"
	}
	return ""
}

// keeps reports whether what was asked for already says what the terms insist on.
func keeps(asked, insisted *apiextensionsv1.JSON) bool {
	if insisted == nil {
		return true
	}
	over, err := values.Decode(insisted.Raw)
	if err != nil {
		return false
	}
	read := func() values.Tree {
		if asked == nil {
			return values.Tree{}
		}
		tree, err := values.Decode(asked.Raw)
		if err != nil {
			return nil
		}
		return tree
	}
	return reflect.DeepEqual(read(), values.Merge(read(), over))
}
