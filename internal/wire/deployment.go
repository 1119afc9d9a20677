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
	FirstReadyAt       *time.Time  `json:"firstReadyAt,omitempty"`
	StateSince         *time.Time  `json:"stateSince,omitempty"`
	ObservedAt         time.Time   `json:"observedAt"`
	// ReportIntervalSeconds is the promise freshness is measured by.
	ReportIntervalSeconds int64      `json:"reportIntervalSeconds"`
	Disclosure            Disclosure `json:"disclosure"`
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
	Name           string     `json:"name"`
	Good           Good       `json:"good"`
	BuildingBlocks []string   `json:"buildingBlocks,omitempty"`
	Version        string     `json:"version,omitempty"`
	State          string     `json:"state"`
	Health         string     `json:"health"`
	Since          *time.Time `json:"since,omitempty"`
}

// Good names a digital public good. Identifiers are a map, because registries renamed their ids in the past.
type Good struct {
	// Identifiers by scheme: repo, dpga-slug, dpga-gid, wikidata, purl, dial-slug.
	Identifiers map[string]string `json:"identifiers"`
}

// Disclosure says how much the owner lets be known.
type Disclosure struct {
	Version string `json:"version"`
	Tier    string `json:"tier"`
}

// Withdrawal ends a deployment's reports.
type Withdrawal struct {
	Reason    string `json:"reason"`
	Successor string `json:"successor,omitempty"`
}

// Inventory lists what a reporter reports, for repair.
type Inventory struct {
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
