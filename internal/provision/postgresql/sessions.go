package postgresql

import (
	"context"
	"strings"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

const (
	sessionsTimeout = 15 * time.Second
	sessionsPoll    = 50 * time.Millisecond
)

// sessionsOf returns the server's process ids of the sessions that logins have.
func sessionsOf(ctx context.Context, admin *session, logins []string) ([]string, error) {
	return admin.words(ctx, "SELECT pid::text FROM pg_stat_activity WHERE usename = ANY($1)", logins)
}

// awaitSessions returns once the logins have no session, or when patience has run out.
func awaitSessions(ctx context.Context, admin *session, logins []string, patience time.Duration) error {
	ticker := time.NewTicker(sessionsPoll)
	defer ticker.Stop()
	over := time.NewTimer(patience)
	defer over.Stop()
	for {
		busy, err := sessionsOf(ctx, admin, logins)
		if err != nil || len(busy) == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over.C:
			return nil
		case <-ticker.C:
		}
	}
}

// endSessions comes after the lock, so that no new session takes the place of an ended one. It returns once none is left.
// An admin who is no superuser joins the logins first: only a member of a role may end its sessions.
func endSessions(ctx context.Context, admin *session, logins []string, adminIsSuperuser bool) error {
	ctx, cancel := context.WithTimeout(ctx, sessionsTimeout)
	defer cancel()
	ticker := time.NewTicker(sessionsPoll)
	defer ticker.Stop()
	for look := 0; ; look++ {
		busy, err := sessionsOf(ctx, admin, logins)
		if err != nil || len(busy) == 0 {
			return err
		}
		if look == 0 && !adminIsSuperuser {
			if err := joinRoles(ctx, admin, logins); err != nil {
				return err
			}
		}
		refused := endEach(ctx, admin, busy)
		select {
		case <-ctx.Done():
			if refused != nil {
				return refused
			}
			return provision.Retry(provision.ReasonProviderError, "%d sessions of %s do not end", len(busy), strings.Join(logins, ", "))
		case <-ticker.C:
		}
	}
}

// endEach asks each session to end. One that is ending already is refused to anyone but a superuser, so that a refusal only
// counts when the session stays.
func endEach(ctx context.Context, admin *session, pids []string) error {
	var refused error
	for _, pid := range pids {
		if err := admin.run(ctx, "SELECT pg_terminate_backend("+pid+")"); err != nil {
			refused = err
		}
	}
	return refused
}

func joinRoles(ctx context.Context, admin *session, names []string) error {
	statements := make([]string, 0, len(names))
	for _, name := range names {
		statements = append(statements, "GRANT "+identifier(name)+" TO CURRENT_USER")
	}
	return admin.together(ctx, statements)
}
