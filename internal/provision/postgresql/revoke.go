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

// Revoke ends the consumer's access: its logins are locked and its sessions ended. Data stays, marked so that a binding of
// the same namespace and name may have it back, unless the request says DeleteData. It finds its objects by the binding's
// UID, needs no credentials of the consumer, and is done where nothing is left.
func (s Server) Revoke(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	admin, err := s.admin(task).openAsAdmin(ctx, maintenanceDatabase)
	if err != nil {
		return report, err
	}
	defer admin.close(ctx)
	if err := admin.lock(ctx, task.Request.Binding.UID); err != nil {
		return report, err
	}
	held, err := observeHeld(ctx, admin, task.Request.Binding.UID)
	if err != nil {
		return report, err
	}
	if len(held.roles) == 0 && len(held.databases) == 0 {
		report.Message = "nothing of this binding is on the server"
		return report, nil
	}
	if err := held.lockOut(ctx, admin); err != nil {
		return report, err
	}
	if task.Request.DataPolicy == provision.DeleteData {
		if err := held.drop(ctx, admin); err != nil {
			return report, err
		}
		report.Message = "database " + strings.Join(held.databaseNames(), ", ") + " and its roles are deleted"
		return report, nil
	}
	report.Reason = provision.ReasonRetained
	report.Message = "logins " + strings.Join(held.logins(), ", ") + " are locked; database " + strings.Join(held.databaseNames(), ", ") + " is kept"
	return report, nil
}

// held is what a binding has on the server.
type held struct {
	roles     []role
	databases []database
	// adminIsSuperuser as in seen.
	adminIsSuperuser bool
}

func observeHeld(ctx context.Context, admin *session, uid string) (held, error) {
	var h held
	roles, err := readRoles(ctx, admin, " WHERE shobj_description(r.oid, 'pg_authid') LIKE $1", tagMark+" %")
	if err != nil {
		return h, err
	}
	owners := map[string]bool{}
	for _, each := range roles {
		if found, ok := parseTag(each.Comment); ok && found.binding.UID == uid {
			h.roles = append(h.roles, each)
			owners[each.Name] = true
		}
	}
	databases, err := readDatabases(ctx, admin, " WHERE NOT d.datistemplate")
	if err != nil {
		return h, err
	}
	for _, each := range databases {
		found, ok := parseTag(each.Comment)
		// One without a comment was left by a run that was killed right after making it.
		if ok && found.binding.UID == uid || each.Comment == "" && owners[each.Owner] {
			h.databases = append(h.databases, each)
		}
	}
	err = admin.one(ctx, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user", nil, &h.adminIsSuperuser)
	return h, err
}

func (h held) logins() []string {
	var names []string
	for _, each := range h.roles {
		// Roles that hold rights are members of nothing.
		if each.CanLogin || len(each.MemberOf) > 0 {
			names = append(names, each.Name)
		}
	}
	return names
}

func (h held) databaseNames() []string {
	names := make([]string, 0, len(h.databases))
	for _, each := range h.databases {
		names = append(names, each.Name)
	}
	return names
}

// lockOut locks all logins, marks everything as retained and ends what sessions there are.
func (h held) lockOut(ctx context.Context, admin *session) error {
	var statements []string
	for _, each := range h.roles {
		if each.CanLogin {
			statements = append(statements, "ALTER ROLE "+identifier(each.Name)+" NOLOGIN")
		}
		if t, ok := parseTag(each.Comment); ok && t.state != stateRetained {
			t.state = stateRetained
			statements = append(statements, commentOn("ROLE", each.Name, t))
		}
	}
	for _, each := range h.databases {
		if t, ok := parseTag(each.Comment); ok && t.state != stateRetained {
			t.state = stateRetained
			statements = append(statements, commentOn("DATABASE", each.Name, t))
		}
	}
	if err := admin.together(ctx, statements); err != nil {
		return err
	}
	return h.endSessions(ctx, admin)
}

// endSessions comes after the lock, so that no new session takes the place of an ended one. It returns once none is left.
func (h held) endSessions(ctx context.Context, admin *session) error {
	ctx, cancel := context.WithTimeout(ctx, sessionsTimeout)
	defer cancel()
	ticker := time.NewTicker(sessionsPoll)
	defer ticker.Stop()
	names := h.logins()
	for look := 0; ; look++ {
		busy, err := admin.words(ctx, "SELECT pid::text FROM pg_stat_activity WHERE usename = ANY($1)", names)
		if err != nil || len(busy) == 0 {
			return err
		}
		if look == 0 && !h.adminIsSuperuser {
			if err := joinRoles(ctx, admin, names); err != nil {
				return err
			}
		}
		refused := endEach(ctx, admin, busy)
		select {
		case <-ctx.Done():
			if refused != nil {
				return refused
			}
			return provision.Retry(provision.ReasonProviderError, "%d sessions of %s do not end", len(busy), strings.Join(names, ", "))
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

// joinRoles makes the admin a member: only a member of a role may end its sessions.
func joinRoles(ctx context.Context, admin *session, names []string) error {
	statements := make([]string, 0, len(names))
	for _, name := range names {
		statements = append(statements, "GRANT "+identifier(name)+" TO CURRENT_USER")
	}
	return admin.together(ctx, statements)
}

// drop deletes the databases, then the roles, which nothing depends on any more.
func (h held) drop(ctx context.Context, admin *session) error {
	for _, each := range h.databases {
		if err := admin.run(ctx, "DROP DATABASE IF EXISTS "+identifier(each.Name)+" WITH (FORCE)"); err != nil {
			return err
		}
	}
	var statements []string
	for _, each := range h.roles {
		statements = append(statements, "DROP ROLE IF EXISTS "+identifier(each.Name))
	}
	return admin.together(ctx, statements)
}
