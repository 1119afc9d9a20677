package postgresql

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// retirePatience is how long sessions of a retired login may finish what they are at: a Pod that was replaced still answers
// its last requests.
const retirePatience = time.Minute

// Retire takes the logins away that a rotation replaced: it waits until their sessions are over, at most a minute, locks
// them, forgets their passwords and ends what sessions are left. It refuses to where a login in force does not get in, so
// that no consumer is ever left without one. Ownership is not touched: the logins stay members of the owner.
func (s Server) Retire(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	w, err := toMake(task)
	if err != nil {
		return report, err
	}
	retired, err := retiredLogins(task.Request.Retired, w.usernames())
	if err != nil {
		return report, err
	}
	admin, err := s.admin(task).openAsAdmin(ctx, maintenanceDatabase)
	if err != nil {
		return report, err
	}
	defer admin.close(ctx)
	if err := admin.lock(ctx, w.tag.binding.UID, w.database); err != nil {
		return report, err
	}
	for _, each := range w.logins {
		accepted, err := s.accepts(ctx, task, each, w.database)
		if err != nil {
			return report, err
		}
		if !accepted {
			return report, provision.Failed(provision.ReasonCredentialsRejected, "%w: %s; nothing is retired before the login in force works", errRejected, each.username)
		}
	}
	roles, err := readRoles(ctx, admin, " WHERE r.rolname = ANY($1)", retired)
	if err != nil {
		return report, err
	}
	for _, each := range roles {
		if !admits(each.Comment, w.tag.binding) {
			return report, foreign("role", each.Name, each.Comment)
		}
	}
	if err := s.lockOutRetired(ctx, admin, roles); err != nil {
		return report, err
	}
	report.Message = "logins " + strings.Join(retired, ", ") + " are locked"
	return report, nil
}

// lockOutRetired keeps the order that no request notices: first the sessions finish, then the door is closed.
func (s Server) lockOutRetired(ctx context.Context, admin *session, roles []role) error {
	patience := s.patience
	if patience == 0 {
		patience = retirePatience
	}
	var names, statements []string
	for _, each := range roles {
		names = append(names, each.Name)
		if each.CanLogin {
			statements = append(statements, "ALTER ROLE "+identifier(each.Name)+" NOLOGIN PASSWORD NULL")
		}
	}
	if err := awaitSessions(ctx, admin, names, patience); err != nil {
		return err
	}
	if err := admin.together(ctx, statements); err != nil {
		return err
	}
	var superuser bool
	if err := admin.one(ctx, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user", nil, &superuser); err != nil {
		return err
	}
	return endSessions(ctx, admin, names, superuser)
}

// retiredLogins are the logins to take away. One that is in force is refused.
func retiredLogins(retired map[string]string, inForce []string) ([]string, error) {
	var names []string
	for output, name := range retired {
		switch {
		case output != "username" && !strings.HasSuffix(output, "-username"):
			return nil, invalid("the output %s is no login, so it cannot be retired", output)
		case slices.Contains(inForce, name):
			return nil, invalid("the login %s is in force, so it cannot be retired", name)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}
