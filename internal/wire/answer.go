package wire

import "time"

// Problem is an error answer by RFC 9457. It never repeats a rejected value, which may be a secret that slipped in.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Errors name fields and the rules they break.
	Errors []FieldError `json:"errors,omitempty"`
	// AcceptedSequence is the newest sequence the registry holds, given with conflicts.
	AcceptedSequence int64 `json:"acceptedSequence,omitempty"`
}

// ProblemContentType of a Problem.
const ProblemContentType = "application/problem+json"

// FieldError is a broken rule.
type FieldError struct {
	Field string `json:"field"`
	Rule  string `json:"rule"`
}

// Types of problems.
const (
	ProblemMalformed    = "https://dpi-operator.io/problems/malformed"
	ProblemInvalid      = "https://dpi-operator.io/problems/invalid"
	ProblemTooLarge     = "https://dpi-operator.io/problems/too-large"
	ProblemMediaType    = "https://dpi-operator.io/problems/unsupported-media-type"
	ProblemUnauthorized = "https://dpi-operator.io/problems/unauthorized"
	ProblemOutOfScope   = "https://dpi-operator.io/problems/out-of-scope"
	ProblemStale        = "https://dpi-operator.io/problems/stale-sequence"
	ProblemReused       = "https://dpi-operator.io/problems/event-id-reused"
	ProblemUnknownGood  = "https://dpi-operator.io/problems/unknown-good"
	ProblemNotFound     = "https://dpi-operator.io/problems/not-found"
	ProblemGone         = "https://dpi-operator.io/problems/gone"
	ProblemThrottled    = "https://dpi-operator.io/problems/throttled"
	ProblemInternal     = "https://dpi-operator.io/problems/internal"
)

// Accepted answers an event.
type Accepted struct {
	ID               string `json:"id"`
	AcceptedSequence int64  `json:"acceptedSequence"`
	PayloadDigest    string `json:"payloadDigest"`
	// Duplicate says that the event was known and nothing was added.
	Duplicate bool `json:"duplicate,omitempty"`
	// Needed and Unexpected answer an inventory: deployments to send again, and those that are known here and were not listed.
	Needed     []string `json:"needed,omitempty"`
	Unexpected []string `json:"unexpected,omitempty"`
}

// BatchAnswer answers a batch, one result per event in the order given.
type BatchAnswer struct {
	Results []BatchResult `json:"results"`
}

// BatchResult has either Accepted or Problem.
type BatchResult struct {
	Status   int       `json:"status"`
	Accepted *Accepted `json:"accepted,omitempty"`
	Problem  *Problem  `json:"problem,omitempty"`
}

// Freshness by the registry's clock alone.
const (
	FreshnessFresh     = "Fresh"
	FreshnessLate      = "Late"
	FreshnessStale     = "Stale"
	FreshnessLost      = "Lost"
	FreshnessWithdrawn = "Withdrawn"
)

// VerificationReported is the verification of what a reporter's token vouches for.
const VerificationReported = "reported"

// View is what a registry shows of a deployment. What the reader may not see is missing from Deployment.
type View struct {
	DeploymentID string `json:"deploymentId"`
	// Deployment is absent when everything but the fact was erased.
	Deployment *ViewedDeployment `json:"deployment,omitempty"`
	// ReceivedAt is when the newest event came, FirstSeenAt and LastSeenAt when the registry heard of the deployment.
	ReceivedAt       time.Time   `json:"receivedAt"`
	FirstSeenAt      time.Time   `json:"firstSeenAt"`
	LastSeenAt       time.Time   `json:"lastSeenAt"`
	AcceptedSequence int64       `json:"acceptedSequence"`
	PayloadDigest    string      `json:"payloadDigest,omitempty"`
	Freshness        string      `json:"freshness"`
	Verification     string      `json:"verification"`
	ClockSkewSeconds int64       `json:"clockSkewSeconds"`
	Withdrawn        *Withdrawal `json:"withdrawn,omitempty"`
}

// ViewedDeployment is a Deployment of which readers see what disclosure lets them.
type ViewedDeployment struct {
	Organisation          Organisation      `json:"organisation"`
	Jurisdictions         []string          `json:"jurisdictions"`
	Environment           string            `json:"environment"`
	Stage                 string            `json:"stage"`
	Reach                 string            `json:"reach,omitempty"`
	State                 string            `json:"state"`
	Health                string            `json:"health,omitempty"`
	Conditions            []Condition       `json:"conditions,omitempty"`
	Components            []ViewedComponent `json:"components"`
	Generation            int64             `json:"generation,omitempty"`
	ObservedGeneration    int64             `json:"observedGeneration,omitempty"`
	FirstReadyAt          *time.Time        `json:"firstReadyAt,omitempty"`
	StateSince            *time.Time        `json:"stateSince,omitempty"`
	ObservedAt            time.Time         `json:"observedAt"`
	ReportIntervalSeconds int64             `json:"reportIntervalSeconds"`
	Commitments           []string          `json:"commitments,omitempty"`
	Evidence              []Evidence        `json:"evidence,omitempty"`
	Disclosure            Disclosure        `json:"disclosure"`
}

// ViewedComponent is a Component of which readers see what disclosure lets them.
type ViewedComponent struct {
	Name           string     `json:"name"`
	Good           Good       `json:"good"`
	BuildingBlocks []string   `json:"buildingBlocks,omitempty"`
	Version        string     `json:"version,omitempty"`
	Artifacts      []string   `json:"artifacts,omitempty"`
	State          string     `json:"state"`
	Health         string     `json:"health,omitempty"`
	Since          *time.Time `json:"since,omitempty"`
}

// Page is one page of views.
type Page struct {
	Items []View `json:"items"`
	// Next is the cursor of the following page, if there is one.
	Next string `json:"next,omitempty"`
}

// Report is one row of a deployment's history.
type Report struct {
	ID            string    `json:"id"`
	Type          string    `json:"type"`
	Sequence      int64     `json:"sequence"`
	PayloadDigest string    `json:"payloadDigest"`
	ObservedAt    time.Time `json:"observedAt"`
	ReceivedAt    time.Time `json:"receivedAt"`
	// Deployment or Withdrawal is what was reported, unless it was erased.
	Deployment *Deployment `json:"deployment,omitempty"`
	Withdrawal *Withdrawal `json:"withdrawal,omitempty"`
}

// History is a deployment's history, newest first; as fine as delivery allowed.
type History struct {
	Items []Report `json:"items"`
	// Next is the cursor of the following page, if there is one.
	Next string `json:"next,omitempty"`
}

// Self tells a reporter what it may do.
type Self struct {
	Reporter      string   `json:"reporter"`
	Organisations []string `json:"organisations"`
	Jurisdictions []string `json:"jurisdictions"`
	// InventorySequence is the newest inventory the registry accepted of this reporter.
	InventorySequence int64 `json:"inventorySequence"`
}

// WellKnown describes a registry.
type WellKnown struct {
	Name              string            `json:"name"`
	SchemaVersions    []string          `json:"schemaVersions"`
	EventTypes        []string          `json:"eventTypes"`
	AuthMethods       []string          `json:"authMethods"`
	MaxBytes          int               `json:"maxBytes"`
	MaxBatchBytes     int               `json:"maxBatchBytes"`
	MaxBatchEvents    int               `json:"maxBatchEvents"`
	IntervalSeconds   IntervalBounds    `json:"intervalSeconds"`
	VocabularyVersion string            `json:"vocabularyVersion"`
	DeletedRecord     string            `json:"deletedRecord"`
	Schemas           map[string]string `json:"schemas"`
}

// IntervalBounds bound the promised interval.
type IntervalBounds struct {
	Min int64 `json:"min"`
	Max int64 `json:"max"`
}
