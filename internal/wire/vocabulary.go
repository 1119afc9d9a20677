package wire

import (
	"regexp"
	"slices"
	"strings"
)

// Vocabularies. The empty word stands for a field that may be missing.
var (
	environments   = []string{"production", "staging", "test", "development", "training"}
	stages         = []string{"planned", "pilot", "rollout", "operational", "retiring", "retired"}
	reaches        = []string{"", "national", "subnational", "sectoral", "institutional", "cross-border"}
	states         = []string{StatePending, StateProgressing, StateReady, StateDegraded, StateFailed, StateSuspended, StateTerminating}
	healths        = []string{HealthHealthy, HealthDegraded, HealthUnhealthy, HealthUnknown}
	statuses       = []string{"True", "False", "Unknown"}
	disclosures    = []string{"exact", "minor", "none"}
	tiers          = []string{TierPublic, TierPartner, TierPrivate}
	evidenceKinds  = []string{"policy", "safeguard-assessment", "conformance", "announcement", "contract", "audit"}
	withdrawals    = []string{WithdrawnDecommissioned, WithdrawnMigrated, WithdrawnReplaced, WithdrawnReportedInError, WithdrawnOptOut}
	conditionTypes = []string{
		"Ready", "Reconciling", "Stalled", "ComponentsReady", "BindingsReady", "SafeguardsMet", "Approved", "Available", "Progressing", "Degraded",
	}
	// conditionReasons is closed: a reason that is not in it is reported as Other.
	conditionReasons = []string{
		ReasonOther, "AmbiguousProvider", "BindingNotReady", "CatalogEmpty", "ChartInvalid", "ChartNotFound", "ChartUnreachable",
		"ComponentNotReady", "Deleting", "DependencyCycle", "ForeignObject", "Invalid", "MappingFailed", "NameConflict",
		"NoMatchingVersion", "NoProvider", "Pending", "Progressing", "Provisioning", "ProvisioningFailed", "Ready", "ReleaseFailed",
		"ReleaseInProgress", "RenderFailed", "Retrying", "Revoking", "RolloutInProgress", "Superseded", "Suspended", "Unhealthy",
		"UnknownComponent", "UnknownContract", "UnknownGood", "UnknownParameter", "UnknownRequirement", "UnknownTemplate",
		"VerificationFailed", "Verifying", "WaitingForBinding", "WaitingForConsumers", "WaitingForCredentials",
		"WaitingForDependency", "WaitingForProvider",
	}
	// classifications are the labels CloudEvents recommends; consumers must refuse events with others.
	classifications = []string{"", "public", "internal", "confidential", "restricted"}
)

// Bounds of lists and numbers.
const (
	maxName          = 200
	maxJurisdictions = 16
	maxConditions    = 16
	maxComponents    = 64
	maxBlocks        = 24
	maxArtifacts     = 16
	maxCommitments   = 16
	maxEvidence      = 8
	maxInventory     = 400
	// MinIntervalSeconds and MaxIntervalSeconds bound the promised interval.
	MinIntervalSeconds = 300
	MaxIntervalSeconds = 604800
	// maxNumber is the largest integer that every JSON reader keeps exactly.
	maxNumber = 1<<53 - 1
)

// Patterns are written so that ECMA-262 (JSON Schema) and Go read them alike.
const (
	uuidText         = `^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`
	publicURLText    = `^https://([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}(/[A-Za-z0-9._~/-]{0,256})?$`
	urnText          = `^urn:[a-z0-9][a-z0-9-]{1,31}:[A-Za-z0-9:_/-]{1,128}$`
	privateHostText  = `^https://[^/]*\.([Ll][Oo][Cc][Aa][Ll]|[Ii][Nn][Tt][Ee][Rr][Nn][Aa][Ll]|[Ss][Vv][Cc]|[Ll][Aa][Nn]|[Hh][Oo][Mm][Ee]|[Cc][Oo][Rr][Pp]|[Ii][Nn][Tt][Rr][Aa][Nn][Ee][Tt]|[Ll][Oo][Cc][Aa][Ll][Dd][Oo][Mm][Aa][Ii][Nn]|[Cc][Ll][Uu][Ss][Tt][Ee][Rr])(/|$)`
	jurisdictionText = `^(iso3166:[A-Z]{2}(-[A-Z0-9]{1,3})?|m49:[0-9]{3})$`
	labelText        = `^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`
	versionText      = `^v?[0-9][0-9A-Za-z.+_-]{0,62}$`
	// A version of four numbers is no address unless it lies in a range that only private networks use.
	privateAddressText = `^v?(10|127|192\.168|169\.254|172\.(1[6-9]|2[0-9]|3[01]))(\.[0-9]{1,3}){2,3}$`
	digestText         = `^sha256:[0-9a-f]{64}$`
	artifactText       = `^pkg:(oci|docker)/[a-z0-9][a-z0-9._-]{0,127}@sha256:[0-9a-f]{64}$`
	sequenceText       = `^[0-9]{20}$`
	traceText          = `^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`
	sourceText         = `^https?://[A-Za-z0-9.:\[\]-]{1,253}(/[A-Za-z0-9._~-]+)*/reporters/[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(/deployments/[0-9a-f-]{36})?$`
	// nameText admits letters of every script, digits, spaces and the marks names have; not what addresses, tokens and
	// assignments are written with. unnameText refuses what could be put together from the admitted characters.
	nameText   = `^[\p{L}\p{M}\p{Nd} .,'’()&–-]{0,200}$`
	unnameText = `--|[\p{L}\p{Nd}]{2}\.[\p{L}\p{Nd}]|[0-9]\.[0-9]|[A-Za-z0-9-]{41}`
)

// identifierTexts are the known schemes of identifiers and their patterns.
var identifierTexts = map[string]string{
	"repo":      publicURLText,
	"dpga-slug": `^[a-z0-9]([a-z0-9-]{0,126}[a-z0-9])?$`,
	"dpga-gid":  `^GID[0-9]{7}$`,
	"wikidata":  `^Q[1-9][0-9]{0,11}$`,
	"purl":      `^pkg:(github|gitlab|bitbucket|oci|docker|maven|npm|pypi|golang|generic)/[A-Za-z0-9][A-Za-z0-9._/-]{0,255}(@v?[0-9][0-9A-Za-z.+_-]{0,62})?$`,
	"dial-slug": `^[a-z0-9_]([a-z0-9_-]{0,126}[a-z0-9_])?$`,
}

var (
	uuidPattern           = regexp.MustCompile(uuidText)
	publicURLPattern      = regexp.MustCompile(publicURLText)
	urnPattern            = regexp.MustCompile(urnText)
	privateHostPattern    = regexp.MustCompile(privateHostText)
	jurisdictionPattern   = regexp.MustCompile(jurisdictionText)
	labelPattern          = regexp.MustCompile(labelText)
	versionPattern        = regexp.MustCompile(versionText)
	privateAddressPattern = regexp.MustCompile(privateAddressText)
	digestPattern         = regexp.MustCompile(digestText)
	artifactPattern       = regexp.MustCompile(artifactText)
	sequencePattern       = regexp.MustCompile(sequenceText)
	tracePattern          = regexp.MustCompile(traceText)
	sourcePattern         = regexp.MustCompile(sourceText)
	namePattern           = regexp.MustCompile(nameText)
	unnamePattern         = regexp.MustCompile(unnameText)
	identifierPatterns    = compile(identifierTexts)
)

func compile(texts map[string]string) map[string]*regexp.Regexp {
	out := make(map[string]*regexp.Regexp, len(texts))
	for name, text := range texts {
		out[name] = regexp.MustCompile(text)
	}
	return out
}

// Reason returns the reason if the protocol lists it, and Other if not: what is not listed never leaves the cluster.
func Reason(reason string) string {
	if slices.Contains(conditionReasons, reason) {
		return reason
	}
	return ReasonOther
}

// IsVersion reports whether a component's version may be reported. Reporters leave out what may not: a version that
// cannot be told is no reason to withhold the rest.
func IsVersion(version string) bool {
	return versionPattern.MatchString(version) && !privateAddressPattern.MatchString(version)
}

// IsIdentifier reports whether a value identifies a good by the scheme.
func IsIdentifier(scheme, value string) bool {
	pattern, known := identifierPatterns[scheme]
	return known && pattern.MatchString(value) && !privateHostPattern.MatchString(value)
}

// IsReporterID reports whether a reporter may be enrolled under the id.
func IsReporterID(id string) bool { return labelPattern.MatchString(id) }

// IsUUID reports whether the text is a UUID in lower case.
func IsUUID(text string) bool { return uuidPattern.MatchString(text) }

// IsJurisdiction reports whether the text is `iso3166:` with a country or subdivision, or `m49:` with a region.
func IsJurisdiction(text string) bool { return jurisdictionPattern.MatchString(text) }

// IsOrganisation reports whether the text identifies an organisation: a public https address, or a URN.
func IsOrganisation(uri string) bool { return isPublicURL(uri) || urnPattern.MatchString(uri) }

// Covers reports whether jurisdiction scope holds the other: itself, or for a country its subdivisions.
func Covers(scope, jurisdiction string) bool {
	return scope == jurisdiction || (strings.HasPrefix(scope, "iso3166:") && strings.HasPrefix(jurisdiction, scope+"-"))
}

func isPublicURL(text string) bool {
	return publicURLPattern.MatchString(text) && !privateHostPattern.MatchString(text)
}

func isName(text string) bool {
	return namePattern.MatchString(text) && !unnamePattern.MatchString(text)
}
