package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	strict "sigs.k8s.io/json"
)

// Types of events.
const (
	TypeReported  = "io.dpi-operator.deployment.reported.v1"
	TypeWithdrawn = "io.dpi-operator.deployment.withdrawn.v1"
	TypeInventory = "io.dpi-operator.reporter.inventory.v1"
)

const (
	// ContentType of one event.
	ContentType = "application/cloudevents+json"
	// BatchContentType of several.
	BatchContentType = "application/cloudevents-batch+json"
	// MaxBytes bounds one event: more is not safe to transport.
	MaxBytes = 64 << 10
	// MaxBatchBytes bounds a batch.
	MaxBatchBytes = 1 << 20
	// MaxBatchEvents bounds a batch.
	MaxBatchEvents = 100
	// DataSchema identifies the shape of a report.
	DataSchema = "https://dpi-operator.io/schemas/deployment/1.0"
	// WithdrawalSchema identifies the shape of a withdrawal.
	WithdrawalSchema = "https://dpi-operator.io/schemas/withdrawal/1.0"
	// InventorySchema identifies the shape of an inventory.
	InventorySchema = "https://dpi-operator.io/schemas/inventory/1.0"
)

var eventTypes = []string{TypeReported, TypeWithdrawn, TypeInventory}

// EventTypes returns the types of events there are.
func EventTypes() []string { return append([]string(nil), eventTypes...) }

func schemaOf(eventType string) string {
	switch eventType {
	case TypeWithdrawn:
		return WithdrawalSchema
	case TypeInventory:
		return InventorySchema
	default:
		return DataSchema
	}
}

// Event is a CloudEvent 1.0 in structured JSON.
type Event struct {
	SpecVersion        string          `json:"specversion"`
	ID                 string          `json:"id"`
	Source             string          `json:"source"`
	Type               string          `json:"type"`
	Subject            string          `json:"subject"`
	Time               time.Time       `json:"time"`
	Sequence           string          `json:"sequence"`
	DataSchema         string          `json:"dataschema,omitempty"`
	DataContentType    string          `json:"datacontenttype"`
	DataClassification string          `json:"dataclassification,omitempty"`
	RecordedTime       *time.Time      `json:"recordedtime,omitempty"`
	TraceParent        string          `json:"traceparent,omitempty"`
	Data               json.RawMessage `json:"data"`
}

// NewReported wraps a snapshot for the registry at that address. The id follows from deployment and sequence, so that a
// retry and a second leader send the same event; observedAt is its time, so that a re-delivery is byte-identical.
func NewReported(registry, reporter string, sequence int64, deployment Deployment) (Event, error) {
	event := Event{
		Type: TypeReported, Subject: deployment.DeploymentID, Source: Source(registry, reporter, deployment.DeploymentID),
		Time: deployment.ObservedAt, DataClassification: classification(deployment.Disclosure.Tier),
	}
	return event.complete(sequence, deployment)
}

// Tombstone is a withdrawal that waits to be delivered.
type Tombstone struct {
	DeploymentID string
	// Sequence is above every sequence that was used for the deployment.
	Sequence int64
	// Time of the withdrawal; it stays the same for every delivery.
	Time       time.Time
	Withdrawal Withdrawal
}

// NewWithdrawn wraps a withdrawal for the registry at that address.
func NewWithdrawn(registry, reporter string, tombstone Tombstone) (Event, error) {
	event := Event{
		Type: TypeWithdrawn, Subject: tombstone.DeploymentID, Source: Source(registry, reporter, tombstone.DeploymentID),
		Time: tombstone.Time.UTC(), DataClassification: classification(TierPublic),
	}
	return event.complete(tombstone.Sequence, tombstone.Withdrawal)
}

// NewInventory wraps an inventory. Its sequence is a counter of the reporter's own.
func NewInventory(registry, reporter string, sequence int64, at time.Time, inventory Inventory) (Event, error) {
	event := Event{
		Type: TypeInventory, Subject: reporter, Source: strings.TrimSuffix(registry, "/") + "/reporters/" + reporter,
		Time: at.UTC(), DataClassification: classification(TierPartner),
	}
	if inventory.Entries == nil {
		inventory.Entries = []InventoryEntry{}
	}
	return event.complete(sequence, inventory)
}

func (e Event) complete(sequence int64, payload any) (Event, error) {
	data, err := json.Marshal(payload)
	if err != nil {
		return Event{}, fmt.Errorf("write the event's data: %w", err)
	}
	e.SpecVersion, e.DataContentType, e.DataSchema, e.Data = "1.0", "application/json", schemaOf(e.Type), data
	e.ID, e.Sequence = EventID(e.Subject, sequence), FormatSequence(sequence)
	return e, nil
}

func classification(tier string) string {
	switch tier {
	case TierPublic:
		return "public"
	case TierPrivate:
		return "confidential"
	default:
		return "internal"
	}
}

// EventID is the deterministic id of an event about a subject.
func EventID(subject string, sequence int64) string {
	return subject + ":" + strconv.FormatInt(sequence, 10)
}

// Source is the absolute URI of a deployment under a registry.
func Source(registry, reporter, deploymentID string) string {
	return strings.TrimSuffix(registry, "/") + "/reporters/" + reporter + "/deployments/" + deploymentID
}

// Reporter returns the reporter that the source names, or nothing.
func (e Event) Reporter() string {
	_, rest, found := strings.Cut(e.Source, "/reporters/")
	if !found {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// FormatSequence writes a sequence so that its text sorts like its number.
func FormatSequence(sequence int64) string { return fmt.Sprintf("%020d", sequence) }

// SequenceNumber reads the sequence.
func (e Event) SequenceNumber() (int64, error) {
	if !sequencePattern.MatchString(e.Sequence) {
		return 0, errors.New("not a decimal of 20 digits")
	}
	return strconv.ParseInt(e.Sequence, 10, 64)
}

// ErrUnknownField means that JSON has a field the schema does not know, knows in other letters, or has twice.
var ErrUnknownField = errors.New("a field is unknown or given twice")

// ErrMalformed means that the text is not JSON, or has a value of another type than the schema says.
var ErrMalformed = errors.New("not JSON of the schema's types")

// Decode reads JSON strictly: unknown fields, fields in other letters, fields given twice and anything after the value are
// errors. The errors do not repeat what was read, because it may be a secret that slipped in.
func Decode(data []byte, into any) error {
	broken, err := strict.UnmarshalStrict(data, into)
	switch {
	case err != nil:
		return ErrMalformed
	case len(broken) > 0:
		return ErrUnknownField
	}
	return nil
}
