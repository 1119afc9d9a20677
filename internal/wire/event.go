package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
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
	// MaxBytes bounds one event.
	MaxBytes = 64 << 10
	// DataSchema identifies the shape of a reported deployment.
	DataSchema = "https://dpi-operator.io/schemas/deployment/1.0"
)

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
	Data               json.RawMessage `json:"data"`
}

// NewReported wraps a snapshot. The id follows from deployment and sequence, so that a retry and a second leader send the
// same event; observedAt is its time, so that a re-delivery is byte-identical.
func NewReported(registry, reporter string, sequence int64, deployment Deployment) (Event, error) {
	data, err := json.Marshal(deployment)
	if err != nil {
		return Event{}, fmt.Errorf("write the snapshot: %w", err)
	}
	return Event{
		SpecVersion: "1.0", ID: EventID(deployment.DeploymentID, sequence), Source: Source(registry, reporter, deployment.DeploymentID),
		Type: TypeReported, Subject: deployment.DeploymentID, Time: deployment.ObservedAt, Sequence: FormatSequence(sequence),
		DataSchema: DataSchema, DataContentType: "application/json", DataClassification: classification(deployment.Disclosure.Tier), Data: data,
	}, nil
}

func classification(tier string) string {
	switch tier {
	case "public":
		return "public"
	case "private":
		return "confidential"
	default:
		return "internal"
	}
}

// EventID is the deterministic id of an event.
func EventID(deploymentID string, sequence int64) string {
	return fmt.Sprintf("%s:%d", deploymentID, sequence)
}

// Source is the absolute URI of a deployment under a registry.
func Source(registry, reporter, deploymentID string) string {
	return registry + "/reporters/" + reporter + "/deployments/" + deploymentID
}

// FormatSequence writes a sequence so that its text sorts like its number.
func FormatSequence(sequence int64) string { return fmt.Sprintf("%020d", sequence) }

// Digest is the SHA-256 of a snapshot's content. The moment of observation is left out: the same content observed again
// is no news.
func Digest(deployment Deployment) (string, error) {
	deployment.ObservedAt = time.Time{}
	data, err := json.Marshal(deployment)
	if err != nil {
		return "", fmt.Errorf("write the snapshot: %w", err)
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// Decode reads JSON strictly: unknown fields and anything after the value are errors.
func Decode(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

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
	ProblemUnauthorized = "https://dpi-operator.io/problems/unauthorized"
	ProblemOutOfScope   = "https://dpi-operator.io/problems/out-of-scope"
	ProblemStale        = "https://dpi-operator.io/problems/stale-sequence"
	ProblemReused       = "https://dpi-operator.io/problems/event-id-reused"
	ProblemNotFound     = "https://dpi-operator.io/problems/not-found"
	ProblemInternal     = "https://dpi-operator.io/problems/internal"
)
