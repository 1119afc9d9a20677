package wire

import (
	"encoding/json"
	"fmt"
)

// object is a JSON Schema, or a part of one.
type object = map[string]any

// SchemaNames lists the names under which Schema knows the shapes of data.
func SchemaNames() []string { return []string{"deployment", "withdrawal", "inventory"} }

// Schema returns the JSON Schema (draft 2020-12) of an event's data by name. It says what Validate checks, as far as JSON
// Schema can say it; both are made from the same vocabularies and patterns.
func Schema(name string) ([]byte, error) {
	var schema object
	switch name {
	case "deployment":
		schema = deploymentSchema()
		schema["$id"], schema["title"] = DataSchema, "Snapshot of one deployment"
	case "withdrawal":
		schema = closed(object{"reason": word(withdrawals), "successor": text(uuidText, 36)}, "reason")
		schema["$id"], schema["title"] = WithdrawalSchema, "Withdrawal of a deployment"
	case "inventory":
		schema = inventorySchema()
		schema["$id"], schema["title"] = InventorySchema, "What a reporter reports"
	default:
		return nil, fmt.Errorf("no schema %q: there are %v", name, SchemaNames())
	}
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	data, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	return append(data, '\n'), nil
}

func deploymentSchema() object {
	moment := object{"type": "string", "format": "date-time", "pattern": `(Z|\+00:00)$`, "maxLength": 40}
	return closed(object{
		"schemaVersion":         object{"const": SchemaVersion},
		"deploymentId":          text(uuidText, 36),
		"organisation":          closed(object{"uri": organisationSchema(), "name": nameSchema()}, "uri"),
		"jurisdictions":         list(text(jurisdictionText, 16), 1, maxJurisdictions),
		"environment":           word(environments),
		"stage":                 word(stages),
		"reach":                 word(reaches),
		"state":                 word(states),
		"health":                word(healths),
		"conditions":            list(conditionSchema(moment), 0, maxConditions),
		"components":            list(componentSchema(moment), 1, maxComponents),
		"generation":            number(0, maxNumber),
		"observedGeneration":    number(0, maxNumber),
		"firstReadyAt":          moment,
		"stateSince":            moment,
		"observedAt":            moment,
		"reportIntervalSeconds": number(MinIntervalSeconds, MaxIntervalSeconds),
		"commitments":           list(text(labelText, 63), 0, maxCommitments),
		"evidence": list(closed(object{
			"kind": word(evidenceKinds), "uri": publicURL(), "digest": text(digestText, 71),
		}, "kind", "uri"), 0, maxEvidence),
		"disclosure": closed(object{"version": word(disclosures), "tier": word(tiers)}, "version", "tier"),
	}, "schemaVersion", "deploymentId", "organisation", "jurisdictions", "environment", "stage", "state", "health", "components",
		"observedAt", "reportIntervalSeconds", "disclosure")
}

func conditionSchema(moment object) object {
	return closed(object{
		"type": word(conditionTypes), "status": word(statuses), "reason": word(conditionReasons), "lastTransitionTime": moment,
	}, "type", "status", "reason", "lastTransitionTime")
}

func componentSchema(moment object) object {
	identifiers := object{}
	for scheme, pattern := range identifierTexts {
		identifiers[scheme] = text(pattern, 512)
	}
	identifiers["repo"] = publicURL()
	known := closed(identifiers)
	known["minProperties"] = 1
	return closed(object{
		"name":           text(labelText, 63),
		"good":           closed(object{"catalog": publicURL(), "identifiers": known}, "identifiers"),
		"buildingBlocks": list(text(labelText, 63), 0, maxBlocks),
		"version":        object{"type": "string", "maxLength": 64, "pattern": versionText, "not": object{"pattern": privateAddressText}},
		"artifacts":      list(text(artifactText, 256), 0, maxArtifacts),
		"state":          word(states),
		"health":         word(healths),
		"since":          moment,
	}, "name", "good", "state", "health")
}

func inventorySchema() object {
	entry := closed(object{
		"deploymentId": text(uuidText, 36), "sequence": number(1, maxNumber), "payloadDigest": text(digestText, 71),
	}, "deploymentId", "sequence", "payloadDigest")
	return closed(object{"complete": object{"type": "boolean"}, "entries": list(entry, 0, maxInventory)}, "complete", "entries")
}

func organisationSchema() object {
	return object{"type": "string", "maxLength": 512, "anyOf": []any{publicURL(), object{"pattern": urnText}}}
}

func publicURL() object {
	return object{"type": "string", "maxLength": 512, "pattern": publicURLText, "not": object{"pattern": privateHostText}}
}

func nameSchema() object {
	return object{"type": "string", "maxLength": maxName, "pattern": nameText, "not": object{"pattern": unnameText}}
}

// closed describes an object without room for more.
func closed(properties object, required ...string) object {
	out := object{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func list(items object, fewest, most int) object {
	return object{"type": "array", "items": items, "minItems": fewest, "maxItems": most}
}

func text(pattern string, longest int) object {
	return object{"type": "string", "pattern": pattern, "maxLength": longest}
}

func number(lowest, highest int64) object {
	return object{"type": "integer", "minimum": lowest, "maximum": highest}
}

// word describes an enumeration. The empty word stands for a missing field and is not one of the words of the wire.
func word(known []string) object {
	words := make([]string, 0, len(known))
	for _, each := range known {
		if each != "" {
			words = append(words, each)
		}
	}
	return object{"enum": words}
}
