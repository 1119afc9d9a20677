package wire

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// checker collects broken rules.
type checker struct{ errors []FieldError }

func (c *checker) must(holds bool, field, rule string) {
	if !holds {
		c.errors = append(c.errors, FieldError{Field: field, Rule: rule})
	}
}

func (c *checker) oneOf(value string, known []string, field string) {
	c.must(slices.Contains(known, value), field, "is not one of the known words")
}

func (c *checker) unique(values []string, field string) {
	sorted := slices.Sorted(slices.Values(values))
	c.must(len(slices.Compact(sorted)) == len(values), field, "has an entry twice")
}

func (c *checker) number(value, lowest, highest int64, field string) {
	c.must(value >= lowest && value <= highest, field, fmt.Sprintf("is not within %d and %d", lowest, highest))
}

// moment admits what RFC 3339 can say in UTC, so that the text of one moment is always the same.
func (c *checker) moment(value *time.Time, field string) {
	if value == nil {
		return
	}
	_, offset := value.Zone()
	c.must(!value.IsZero() && offset == 0 && value.Year() > 1970 && value.Year() < 9999, field, "is not a moment in UTC")
}

// Validate lists the rules a snapshot breaks; none means that it may be sent and kept. It never repeats a value.
func (d Deployment) Validate() []FieldError {
	c := &checker{}
	c.must(d.SchemaVersion == SchemaVersion, "schemaVersion", "is not "+SchemaVersion)
	c.must(IsUUID(d.DeploymentID), "deploymentId", "is not a UUID in lower case")
	d.validateDeclared(c)
	c.oneOf(d.State, states, "state")
	c.oneOf(d.Health, healths, "health")
	c.must(len(d.Conditions) <= maxConditions, "conditions", "has too many entries")
	for i, condition := range d.Conditions {
		condition.validate(c, fmt.Sprintf("conditions[%d]", i))
	}
	c.must(len(d.Components) >= 1 && len(d.Components) <= maxComponents, "components", "needs 1 to 64 entries")
	names := make([]string, 0, len(d.Components))
	for i, component := range d.Components {
		component.validate(c, fmt.Sprintf("components[%d]", i))
		names = append(names, component.Name)
	}
	c.unique(names, "components")
	c.number(d.Generation, 0, maxNumber, "generation")
	c.number(d.ObservedGeneration, 0, maxNumber, "observedGeneration")
	c.number(d.ReportIntervalSeconds, MinIntervalSeconds, MaxIntervalSeconds, "reportIntervalSeconds")
	c.moment(d.FirstReadyAt, "firstReadyAt")
	c.moment(d.StateSince, "stateSince")
	c.moment(&d.ObservedAt, "observedAt")
	return c.errors
}

// validateDeclared checks what people state about a deployment.
func (d Deployment) validateDeclared(c *checker) {
	c.must(IsOrganisation(d.Organisation.URI), "organisation.uri", "is not a public https address without query, nor a URN")
	c.must(isName(d.Organisation.Name), "organisation.name", "has more than 200 characters, or characters that no name has")
	c.must(len(d.Jurisdictions) >= 1 && len(d.Jurisdictions) <= maxJurisdictions, "jurisdictions", "needs 1 to 16 entries")
	for i, each := range d.Jurisdictions {
		c.must(IsJurisdiction(each), fmt.Sprintf("jurisdictions[%d]", i), "is not iso3166:<country or subdivision> or m49:<region>")
	}
	c.unique(d.Jurisdictions, "jurisdictions")
	c.oneOf(d.Environment, environments, "environment")
	c.oneOf(d.Stage, stages, "stage")
	c.oneOf(d.Reach, reaches, "reach")
	c.must(len(d.Commitments) <= maxCommitments, "commitments", "has more than 16 entries")
	for i, each := range d.Commitments {
		c.must(labelPattern.MatchString(each), fmt.Sprintf("commitments[%d]", i), "is not an id")
	}
	c.must(len(d.Evidence) <= maxEvidence, "evidence", "has more than 8 entries")
	for i, each := range d.Evidence {
		at := fmt.Sprintf("evidence[%d]", i)
		c.oneOf(each.Kind, evidenceKinds, at+".kind")
		c.must(isPublicURL(each.URI), at+".uri", "is not a public https address without query")
		c.must(each.Digest == "" || digestPattern.MatchString(each.Digest), at+".digest", "is not a sha256 digest")
	}
	c.oneOf(d.Disclosure.Version, disclosures, "disclosure.version")
	c.oneOf(d.Disclosure.Tier, tiers, "disclosure.tier")
}

func (condition Condition) validate(c *checker, at string) {
	c.oneOf(condition.Type, conditionTypes, at+".type")
	c.oneOf(condition.Status, statuses, at+".status")
	c.oneOf(condition.Reason, conditionReasons, at+".reason")
	c.moment(&condition.LastTransitionTime, at+".lastTransitionTime")
}

func (component Component) validate(c *checker, at string) {
	c.must(labelPattern.MatchString(component.Name), at+".name", "is not a DNS label")
	c.must(component.Version == "" || IsVersion(component.Version), at+".version", "is not a version")
	c.oneOf(component.State, states, at+".state")
	c.oneOf(component.Health, healths, at+".health")
	c.moment(component.Since, at+".since")
	c.must(component.Good.Catalog == "" || isPublicURL(component.Good.Catalog), at+".good.catalog", "is not a public https address without query")
	c.must(len(component.Good.Identifiers) >= 1, at+".good.identifiers", "needs at least one known identifier")
	for scheme, value := range component.Good.Identifiers {
		field := at + ".good.identifiers"
		if _, known := identifierPatterns[scheme]; known {
			field += "." + scheme
		}
		c.must(IsIdentifier(scheme, value), field, "is not an identifier of a known scheme")
	}
	c.must(len(component.BuildingBlocks) <= maxBlocks, at+".buildingBlocks", "has more than 24 entries")
	for i, block := range component.BuildingBlocks {
		c.must(labelPattern.MatchString(block), fmt.Sprintf("%s.buildingBlocks[%d]", at, i), "is not a slug")
	}
	c.must(len(component.Artifacts) <= maxArtifacts, at+".artifacts", "has more than 16 entries")
	for i, artifact := range component.Artifacts {
		c.must(artifactPattern.MatchString(artifact), fmt.Sprintf("%s.artifacts[%d]", at, i), "is not a package URL with digest and without qualifiers")
	}
}

// Validate lists the rules a withdrawal breaks.
func (w Withdrawal) Validate() []FieldError {
	c := &checker{}
	c.oneOf(w.Reason, withdrawals, "reason")
	c.must(w.Successor == "" || IsUUID(w.Successor), "successor", "is not a UUID in lower case")
	c.must(w.Successor == "" || w.Reason == WithdrawnMigrated || w.Reason == WithdrawnReplaced, "successor", "goes with Migrated and Replaced only")
	return c.errors
}

// Validate lists the rules an inventory breaks.
func (i Inventory) Validate() []FieldError {
	c := &checker{}
	c.must(len(i.Entries) <= maxInventory, "entries", "has more than 400 entries")
	ids := make([]string, 0, len(i.Entries))
	for index, entry := range i.Entries {
		at := fmt.Sprintf("entries[%d]", index)
		c.must(IsUUID(entry.DeploymentID), at+".deploymentId", "is not a UUID in lower case")
		c.number(entry.Sequence, 1, maxNumber, at+".sequence")
		c.must(digestPattern.MatchString(entry.PayloadDigest), at+".payloadDigest", "is not a sha256 digest")
		ids = append(ids, entry.DeploymentID)
	}
	c.unique(ids, "entries")
	return c.errors
}

// Validate lists the rules an envelope breaks, the relations between its attributes among them.
func (e Event) Validate() []FieldError {
	c := &checker{}
	c.must(e.SpecVersion == "1.0", "specversion", "is not 1.0")
	c.oneOf(e.Type, eventTypes, "type")
	c.must(e.DataContentType == "application/json", "datacontenttype", "is not application/json")
	c.must(e.DataSchema == "" || e.DataSchema == schemaOf(e.Type), "dataschema", "is not the schema of this type")
	c.oneOf(e.DataClassification, classifications, "dataclassification")
	c.must(e.TraceParent == "" || tracePattern.MatchString(e.TraceParent), "traceparent", "is not a trace context")
	c.moment(&e.Time, "time")
	c.moment(e.RecordedTime, "recordedtime")
	c.must(len(e.Data) > 0, "data", "is missing")
	c.must(len(e.Source) <= 1024 && sourcePattern.MatchString(e.Source), "source", "is not an address of a reporter or its deployment")
	sequence, err := e.SequenceNumber()
	c.must(err == nil && sequence >= 1 && sequence <= maxNumber, "sequence", "is not a positive decimal of 20 digits")
	c.must(err == nil && e.ID == EventID(e.Subject, sequence), "id", "is not subject:sequence")
	if e.Type == TypeInventory {
		c.must(IsReporterID(e.Subject), "subject", "is not a reporter's id")
		c.must(strings.HasSuffix(e.Source, "/reporters/"+e.Subject), "source", "does not end in the subject")
		return c.errors
	}
	c.must(IsUUID(e.Subject), "subject", "is not a UUID in lower case")
	c.must(strings.HasSuffix(e.Source, "/deployments/"+e.Subject), "source", "does not end in the subject")
	return c.errors
}
