package postgresql

import (
	"context"
	"strings"

	"github.com/dpi-operator/dpi-operator/internal/provision"
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
	// The lock is one that a consumer could hold itself, so its sessions end before; what a run under way lets in again
	// meanwhile is locked out once more.
	if _, err := lockOutHeld(ctx, admin, task.Request.Binding.UID); err != nil {
		return report, err
	}
	if err := admin.lock(ctx, task.Request.Binding.UID); err != nil {
		return report, err
	}
	held, err := lockOutHeld(ctx, admin, task.Request.Binding.UID)
	if err != nil {
		return report, err
	}
	if len(held.roles) == 0 && len(held.databases) == 0 {
		report.Message = "nothing of this binding is on the server"
		return report, nil
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

// lockOutHeld ends all access that the binding gives and returns what it has.
func lockOutHeld(ctx context.Context, admin *session, uid string) (held, error) {
	held, err := observeHeld(ctx, admin, uid)
	if err != nil {
		return held, err
	}
	return held, held.lockOut(ctx, admin)
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
	return endSessions(ctx, admin, h.logins(), h.adminIsSuperuser)
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
