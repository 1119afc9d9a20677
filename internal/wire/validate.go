package wire

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"unicode"
)

// Vocabularies.
var (
	environments = []string{"production", "staging", "test", "development", "training"}
	stages       = []string{"planned", "pilot", "rollout", "operational", "retiring", "retired"}
	reaches      = []string{"", "national", "subnational", "sectoral", "institutional", "cross-border"}
	states       = []string{StatePending, StateProgressing, StateReady, StateDegraded, StateFailed, StateSuspended, StateTerminating}
	healths      = []string{HealthHealthy, HealthDegraded, HealthUnhealthy, HealthUnknown}
	statuses     = []string{"True", "False", "Unknown"}
	schemes      = []string{"repo", "dpga-slug", "dpga-gid", "wikidata", "purl", "dial-slug"}
	disclosures  = []string{"exact", "minor", "none"}
	tiers        = []string{"public", "partner", "private"}
)

var (
	uuidPattern         = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	organisationPattern = regexp.MustCompile(`^https://[A-Za-z0-9.-]{3,253}(/[A-Za-z0-9._~/-]{0,256})?$`)
	jurisdictionPattern = regexp.MustCompile(`^[a-z0-9]{2,16}:[A-Za-z0-9-]{1,32}$`)
	tokenPattern        = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,62}$`)
	labelPattern        = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	versionPattern      = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}$`)
	identifierPattern   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:/._@%+~-]{0,511}$`)
	sequencePattern     = regexp.MustCompile(`^[0-9]{20}$`)
)

// Checker collects broken rules.
type checker struct{ errors []FieldError }

func (c *checker) must(holds bool, field, rule string) {
	if !holds {
		c.errors = append(c.errors, FieldError{Field: field, Rule: rule})
	}
}

func (c *checker) oneOf(value string, known []string, field string) {
	c.must(slices.Contains(known, value), field, "is not one of the known words")
}

// Validate lists the rules a snapshot breaks; none means that it may be sent and kept.
func (d Deployment) Validate() []FieldError {
	c := &checker{}
	c.must(d.SchemaVersion == SchemaVersion, "schemaVersion", "is not "+SchemaVersion)
	c.must(uuidPattern.MatchString(d.DeploymentID), "deploymentId", "is not a UUID")
	c.must(organisationPattern.MatchString(d.Organisation.URI), "organisation.uri", "is not an https address without query")
	c.must(isName(d.Organisation.Name), "organisation.name", "has more than 200 characters, or characters no name has")
	c.must(len(d.Jurisdictions) >= 1 && len(d.Jurisdictions) <= 16, "jurisdictions", "needs 1 to 16 entries")
	for i, each := range d.Jurisdictions {
		c.must(jurisdictionPattern.MatchString(each), fmt.Sprintf("jurisdictions[%d]", i), "is not scheme:code")
	}
	c.oneOf(d.Environment, environments, "environment")
	c.oneOf(d.Stage, stages, "stage")
	c.oneOf(d.Reach, reaches, "reach")
	c.oneOf(d.State, states, "state")
	c.oneOf(d.Health, healths, "health")
	c.must(len(d.Conditions) <= 16, "conditions", "has more than 16 entries")
	for i, condition := range d.Conditions {
		condition.validate(c, fmt.Sprintf("conditions[%d]", i))
	}
	c.must(len(d.Components) >= 1 && len(d.Components) <= 64, "components", "needs 1 to 64 entries")
	for i, component := range d.Components {
		component.validate(c, fmt.Sprintf("components[%d]", i))
	}
	c.must(d.Generation >= 0 && d.ObservedGeneration >= 0, "generation", "is negative")
	c.must(d.ReportIntervalSeconds >= 300 && d.ReportIntervalSeconds <= 604800, "reportIntervalSeconds", "is not within 300 and 604800")
	c.must(!d.ObservedAt.IsZero(), "observedAt", "is missing")
	c.oneOf(d.Disclosure.Version, disclosures, "disclosure.version")
	c.oneOf(d.Disclosure.Tier, tiers, "disclosure.tier")
	return c.errors
}

func (condition Condition) validate(c *checker, at string) {
	c.must(tokenPattern.MatchString(condition.Type), at+".type", "is not a CamelCase word")
	c.oneOf(condition.Status, statuses, at+".status")
	c.must(tokenPattern.MatchString(condition.Reason), at+".reason", "is not a CamelCase word")
}

func (component Component) validate(c *checker, at string) {
	c.must(labelPattern.MatchString(component.Name), at+".name", "is not a DNS label")
	c.must(component.Version == "" || versionPattern.MatchString(component.Version), at+".version", "is not a version")
	c.oneOf(component.State, states, at+".state")
	c.oneOf(component.Health, healths, at+".health")
	c.must(len(component.Good.Identifiers) >= 1 && len(component.Good.Identifiers) <= len(schemes), at+".good.identifiers", "needs at least one known identifier")
	for scheme, value := range component.Good.Identifiers {
		c.oneOf(scheme, schemes, at+".good.identifiers")
		c.must(identifierPattern.MatchString(value), at+".good.identifiers", "has a value that is no identifier")
	}
	c.must(len(component.BuildingBlocks) <= 24, at+".buildingBlocks", "has more than 24 entries")
	for i, block := range component.BuildingBlocks {
		c.must(labelPattern.MatchString(block), fmt.Sprintf("%s.buildingBlocks[%d]", at, i), "is not a slug")
	}
}

// isName admits letters of every script, digits, spaces and the marks names have; nothing that addresses, tokens or
// assignments need.
func isName(text string) bool {
	runes := []rune(text)
	if len(runes) > 200 {
		return false
	}
	for _, r := range runes {
		if !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && !slices.Contains([]rune(" .,'’()&-–"), r) {
			return false
		}
	}
	return true
}

// Validate lists the rules an envelope breaks.
func (e Event) Validate() []FieldError {
	c := &checker{}
	c.must(e.SpecVersion == "1.0", "specversion", "is not 1.0")
	c.oneOf(e.Type, []string{TypeReported, TypeWithdrawn, TypeInventory}, "type")
	c.must(sequencePattern.MatchString(e.Sequence), "sequence", "is not a decimal of 20 digits")
	c.must(e.DataContentType == "application/json", "datacontenttype", "is not application/json")
	c.must(len(e.Source) > 0 && len(e.Source) <= 1024, "source", "is missing or too long")
	c.must(!e.Time.IsZero(), "time", "is missing")
	if e.Type == TypeReported || e.Type == TypeWithdrawn {
		c.must(uuidPattern.MatchString(e.Subject), "subject", "is not a UUID")
		sequence, err := e.SequenceNumber()
		c.must(err == nil && e.ID == EventID(e.Subject, sequence), "id", "is not subject:sequence")
	}
	return c.errors
}

// SequenceNumber reads the sequence.
func (e Event) SequenceNumber() (int64, error) { return strconv.ParseInt(e.Sequence, 10, 64) }
