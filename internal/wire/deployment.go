package wire

import "time"

// SchemaVersion of a deployment. Minor additions are optional fields; a major change is a new event type.
const SchemaVersion = "1.0"

// Deployment is a full snapshot of one stack: level, not change, so that losing one in between is harmless.
type Deployment struct {
	SchemaVersion string       `json:"schemaVersion"`
	DeploymentID  string       `json:"deploymentId"`
	Organisation  Organisation `json:"organisation"`
	// Jurisdictions as `scheme:code`, e.g. `iso3166:KE`.
	Jurisdictions []string `json:"jurisdictions"`
	Environment   string   `json:"environment"`
	// Stage and Reach are declared by people, State and Health are observed.
	Stage              string      `json:"stage"`
	Reach              string      `json:"reach,omitempty"`
	State              string      `json:"state"`
	Health             string      `json:"health"`
	Conditions         []Condition `json:"conditions,omitempty"`
	Components         []Component `json:"components"`
	Generation         int64       `json:"generation"`
	ObservedGeneration int64       `json:"observedGeneration"`
	// FirstReadyAt, StateSince and ObservedAt are three clocks on purpose: one alone would be moved by the other's event.
	FirstReadyAt *time.Time `json:"firstReadyAt,omitempty"`
	StateSince   *time.Time `json:"stateSince,omitempty"`
	ObservedAt   time.Time  `json:"observedAt"`
	// ReportIntervalSeconds is the promise freshness is measured by.
	ReportIntervalSeconds int64 `json:"reportIntervalSeconds"`
	// Commitments are ids of pledges the deployment is evidence for.
	Commitments []string   `json:"commitments,omitempty"`
	Evidence    []Evidence `json:"evidence,omitempty"`
	Disclosure  Disclosure `json:"disclosure"`
}

// Organisation runs a deployment.
type Organisation struct {
	URI  string `json:"uri"`
	Name string `json:"name,omitempty"`
}

// Condition is a condition without its message: free text never leaves the cluster.
type Condition struct {
	Type               string    `json:"type"`
	Status             string    `json:"status"`
	Reason             string    `json:"reason"`
	LastTransitionTime time.Time `json:"lastTransitionTime"`
}

// Component is one good in a deployment.
type Component struct {
	Name           string   `json:"name"`
	Good           Good     `json:"good"`
	BuildingBlocks []string `json:"buildingBlocks,omitempty"`
	// Version is opaque and as exact as the disclosure says.
	Version string `json:"version,omitempty"`
	// Artifacts are package URLs with a digest and without the place they were pulled from.
	Artifacts []string   `json:"artifacts,omitempty"`
	State     string     `json:"state"`
	Health    string     `json:"health"`
	Since     *time.Time `json:"since,omitempty"`
}

// Good names a digital public good. Identifiers are a map, because registries renamed their ids in the past.
type Good struct {
	// Catalog is the address of the catalogue that describes the good.
	Catalog string `json:"catalog,omitempty"`
	// Identifiers by scheme: repo, dpga-slug, dpga-gid, wikidata, purl, dial-slug.
	Identifiers map[string]string `json:"identifiers"`
}

// Evidence links to a public document.
type Evidence struct {
	Kind   string `json:"kind"`
	URI    string `json:"uri"`
	Digest string `json:"digest,omitempty"`
}

// Disclosure says how much the owner lets be known, and to whom.
type Disclosure struct {
	// Version is exact, minor or none.
	Version string `json:"version"`
	// Tier is public, partner or private.
	Tier string `json:"tier"`
}

// Withdrawal ends a deployment's reports.
type Withdrawal struct {
	Reason    string `json:"reason"`
	Successor string `json:"successor,omitempty"`
}

// Inventory lists what a reporter reports, for repair.
type Inventory struct {
	// Complete says that nothing else is reported; without it nothing is concluded from what is missing.
	Complete bool             `json:"complete"`
	Entries  []InventoryEntry `json:"entries"`
}

// InventoryEntry is one deployment of an inventory.
type InventoryEntry struct {
	DeploymentID  string `json:"deploymentId"`
	Sequence      int64  `json:"sequence"`
	PayloadDigest string `json:"payloadDigest"`
}

// States of a deployment or component.
const (
	StatePending     = "Pending"
	StateProgressing = "Progressing"
	StateReady       = "Ready"
	StateDegraded    = "Degraded"
	StateFailed      = "Failed"
	StateSuspended   = "Suspended"
	StateTerminating = "Terminating"
)

// Healths of a deployment or component.
const (
	HealthHealthy   = "Healthy"
	HealthDegraded  = "Degraded"
	HealthUnhealthy = "Unhealthy"
	HealthUnknown   = "Unknown"
)

// Tiers of disclosure: what everyone, partners and the registry's keepers, or only the reporter itself may read.
const (
	TierPublic  = "public"
	TierPartner = "partner"
	TierPrivate = "private"
)

// Reasons of a withdrawal. After OptOut and ReportedInError the registry erases all but id, sequence and date.
const (
	WithdrawnDecommissioned  = "Decommissioned"
	WithdrawnMigrated        = "Migrated"
	WithdrawnReplaced        = "Replaced"
	WithdrawnReportedInError = "ReportedInError"
	WithdrawnOptOut          = "OptOut"
)

// ReasonOther stands for every condition reason that is not in the protocol's list.
const ReasonOther = "Other"
