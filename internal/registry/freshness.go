package registry

import (
	"time"
)

// Freshness says how far a record can be believed, by the registry's clock alone.
type Freshness string

// Degrees of freshness.
const (
	Fresh     Freshness = "Fresh"
	Late      Freshness = "Late"
	Stale     Freshness = "Stale"
	Lost      Freshness = "Lost"
	Withdrawn Freshness = "Withdrawn"
)

// freshness measures the silence of a record in its own promised intervals.
func freshness(record Record, now time.Time) Freshness {
	interval := time.Duration(record.Deployment.ReportIntervalSeconds) * time.Second
	silence := now.Sub(record.LastSeen)
	const month = 30 * 24 * time.Hour
	switch {
	case record.Withdrawn != "":
		return Withdrawn
	case silence <= 2*interval:
		return Fresh
	case silence <= 5*interval:
		return Late
	case silence <= max(month, 10*interval):
		return Stale
	default:
		return Lost
	}
}
