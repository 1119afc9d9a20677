package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	_ "modernc.org/sqlite" // the driver: pure Go, so that the image stays static

	"github.com/dpi-operator/dpi-operator/internal/wire"
)

// Store keeps deployments and every accepted report in one SQLite file.
type Store struct {
	db *sql.DB
}

const schema = `
CREATE TABLE IF NOT EXISTS reports (
	source TEXT NOT NULL, id TEXT NOT NULL, deployment TEXT NOT NULL, reporter TEXT NOT NULL, type TEXT NOT NULL,
	sequence INTEGER NOT NULL, digest TEXT NOT NULL, received TEXT NOT NULL, data TEXT NOT NULL,
	PRIMARY KEY (source, id)
) STRICT;
CREATE INDEX IF NOT EXISTS reports_by_deployment ON reports (deployment, sequence);
CREATE TABLE IF NOT EXISTS deployments (
	id TEXT PRIMARY KEY, source TEXT NOT NULL, reporter TEXT NOT NULL, sequence INTEGER NOT NULL, digest TEXT NOT NULL,
	data TEXT NOT NULL, first_seen TEXT NOT NULL, last_seen TEXT NOT NULL, withdrawn TEXT NOT NULL DEFAULT ''
) STRICT;`

// Open opens the file, making it if need be. One connection writes, so that order is total.
func Open(ctx context.Context, path string) (*Store, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare %s: %w", path, err), db.Close())
	}
	return &Store{db: db}, nil
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Ping reports whether the file can be read.
func (s *Store) Ping(ctx context.Context) error { return s.db.PingContext(ctx) }

// Record is a deployment as the registry knows it.
type Record struct {
	Deployment wire.Deployment
	Reporter   string
	Sequence   int64
	Digest     string
	FirstSeen  time.Time
	LastSeen   time.Time
	// Withdrawn holds the reason of a withdrawal.
	Withdrawn string
}

// conflict is an event that is refused for its order.
type conflict struct {
	problem  string
	accepted int64
}

// Error says which rule was broken.
func (c *conflict) Error() string { return c.problem }

// verdict of accepting an event.
type verdict int

const (
	accepted verdict = iota
	known
)

// incoming is a validated event.
type incoming struct {
	event    wire.Event
	reporter string
	sequence int64
	digest   string
	now      time.Time
	// withdrawn holds the reason where the event is a withdrawal.
	withdrawn string
}

// Accept keeps an event: a known one again changes nothing, a new one must be newer than the newest.
func (s *Store) Accept(ctx context.Context, in incoming) (verdict, error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return accepted, err
	}
	defer func() { _ = tx.Rollback() }()
	newest, err := newestOf(ctx, tx, in.event.Subject)
	if err != nil {
		return accepted, err
	}
	var digest string
	err = tx.QueryRowContext(ctx, `SELECT digest FROM reports WHERE source = ? AND id = ?`, in.event.Source, in.event.ID).Scan(&digest)
	switch {
	case err == nil && digest == in.digest:
		return known, nil
	case err == nil:
		return accepted, &conflict{problem: wire.ProblemReused, accepted: newest}
	case !errors.Is(err, sql.ErrNoRows):
		return accepted, err
	case in.sequence <= newest:
		return accepted, &conflict{problem: wire.ProblemStale, accepted: newest}
	}
	if err := insert(ctx, tx, in); err != nil {
		return accepted, err
	}
	return accepted, tx.Commit()
}

func newestOf(ctx context.Context, tx *sql.Tx, deployment string) (int64, error) {
	var newest int64
	err := tx.QueryRowContext(ctx, `SELECT sequence FROM deployments WHERE id = ?`, deployment).Scan(&newest)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return newest, err
}

func insert(ctx context.Context, tx *sql.Tx, in incoming) error {
	now := in.now.UTC().Format(time.RFC3339Nano)
	event := in.event
	_, err := tx.ExecContext(ctx, `INSERT INTO reports (source, id, deployment, reporter, type, sequence, digest, received, data) VALUES (?,?,?,?,?,?,?,?,?)`,
		event.Source, event.ID, event.Subject, in.reporter, event.Type, in.sequence, in.digest, now, string(event.Data))
	if err != nil {
		return err
	}
	if in.withdrawn != "" {
		_, err = tx.ExecContext(ctx, `UPDATE deployments SET sequence = ?, digest = ?, last_seen = ?, withdrawn = ? WHERE id = ?`,
			in.sequence, in.digest, now, in.withdrawn, event.Subject)
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO deployments (id, source, reporter, sequence, digest, data, first_seen, last_seen) VALUES (?,?,?,?,?,?,?,?)
		ON CONFLICT (id) DO UPDATE SET source = excluded.source, reporter = excluded.reporter, sequence = excluded.sequence, digest = excluded.digest,
			data = excluded.data, last_seen = excluded.last_seen, withdrawn = ''`,
		event.Subject, event.Source, in.reporter, in.sequence, in.digest, string(event.Data), now, now)
	return err
}

// Touch notes that a reporter still knows a deployment at that sequence, and reports whether the registry does too.
func (s *Store) Touch(ctx context.Context, reporter string, entry wire.InventoryEntry, now time.Time) (bool, error) {
	result, err := s.db.ExecContext(ctx, `UPDATE deployments SET last_seen = ? WHERE id = ? AND reporter = ? AND sequence >= ? AND digest = ?`,
		now.UTC().Format(time.RFC3339Nano), entry.DeploymentID, reporter, entry.Sequence, entry.PayloadDigest)
	if err != nil {
		return false, err
	}
	rows, err := result.RowsAffected()
	return rows > 0, err
}

// Owner returns the reporter that a deployment belongs to, or nothing.
func (s *Store) Owner(ctx context.Context, deployment string) (string, error) {
	var owner string
	err := s.db.QueryRowContext(ctx, `SELECT reporter FROM deployments WHERE id = ?`, deployment).Scan(&owner)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return owner, err
}

// List returns every deployment, the one seen last first.
func (s *Store) List(ctx context.Context) ([]Record, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT reporter, sequence, digest, data, first_seen, last_seen, withdrawn FROM deployments ORDER BY last_seen DESC, id`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []Record
	for rows.Next() {
		var record Record
		var data, first, last string
		if err := rows.Scan(&record.Reporter, &record.Sequence, &record.Digest, &data, &first, &last, &record.Withdrawn); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(data), &record.Deployment); err != nil {
			return nil, fmt.Errorf("a stored deployment cannot be read: %w", err)
		}
		if record.FirstSeen, err = time.Parse(time.RFC3339Nano, first); err != nil {
			return nil, err
		}
		if record.LastSeen, err = time.Parse(time.RFC3339Nano, last); err != nil {
			return nil, err
		}
		out = append(out, record)
	}
	return out, rows.Err()
}
