package postgresql

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// Reasons of this package beside those of any handler.
const (
	// ReasonExtensionUnavailable is given when the server does not have an extension's files, or when its script cannot be
	// run out of the consumer's reach.
	ReasonExtensionUnavailable = "ExtensionUnavailable"
	// ReasonSettingRefused is given when a setting is not one that an ordinary user may make, or its value is wrong.
	ReasonSettingRefused = "SettingRefused"
	// ReasonInsecureLogin is given when the server asks for a password in a way that would tell it to an impostor.
	ReasonInsecureLogin = "InsecureLogin"
	// ReasonNotPermitted is given when the admin credential lacks a right; it needs CREATEDB and CREATEROLE at least.
	ReasonNotPermitted = "NotPermitted"
)

// Server handles the four actions of postgresql-v1. The zero value is ready.
type Server struct {
	dial dialer
	// patience replaces retirePatience where it is not zero.
	patience time.Duration
}

// Provision makes the database, roles, schemas, extensions and settings of a binding.
func (s Server) Provision(ctx context.Context, task provision.Task) (provision.Report, error) {
	w, err := toMake(task)
	if err != nil {
		return provision.Report{}, err
	}
	if err := s.ensure(ctx, task, w); err != nil {
		return provision.Report{}, err
	}
	report := provision.Report{Message: "database " + w.database + " is ready for " + strings.Join(w.usernames(), ", ")}
	for _, each := range w.logins {
		accepted, err := s.accepts(ctx, task, each, w.database)
		if isTransient(err) {
			return provision.Report{}, err
		}
		if err == nil && !accepted {
			err = errRejected
		}
		report.Check("login "+each.username, err)
	}
	return report, nil
}

// ensure brings the server into the wanted state.
func (s Server) ensure(ctx context.Context, task provision.Task, w wanted) error {
	admin, err := s.admin(task).openAsAdmin(ctx, maintenanceDatabase)
	if err != nil {
		return err
	}
	defer admin.close(ctx)
	if err := admin.lock(ctx, w.tag.binding.UID, w.database); err != nil {
		return err
	}
	found, err := observe(ctx, admin, w)
	if err != nil {
		return err
	}
	// Everything that can be refused is refused before the first change.
	if err := admissible(ctx, admin, w, found); err != nil {
		return err
	}
	if err := s.ensureRoles(ctx, admin, w, found, task); err != nil {
		return err
	}
	if err := ensureDatabase(ctx, admin, w, found); err != nil {
		return err
	}
	inside, err := s.admin(task).openAsAdmin(ctx, w.database)
	if err != nil {
		return err
	}
	defer inside.close(ctx)
	// Locks are kept per database: what a killed run still has under way in here is over only once this one is ours too.
	if err := inside.lock(ctx, w.tag.binding.UID); err != nil {
		return err
	}
	return ensureContents(ctx, inside, w)
}

func (w wanted) usernames() []string {
	names := make([]string, 0, len(w.logins))
	for _, each := range w.logins {
		names = append(names, each.username)
	}
	return names
}

func (s Server) admin(task provision.Task) target {
	return target{
		endpoint: task.Request.Endpoint, username: task.Admin["username"], password: task.Admin["password"],
		ca: task.Admin[caKey], dial: s.dial,
	}
}

func (s Server) consumer(task provision.Task, username, password string) target {
	return target{endpoint: task.Request.Endpoint, username: username, password: password, ca: firstOf(task.Credentials[caKey], task.Admin[caKey]), dial: s.dial}
}

func firstOf(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}

// lock keeps other runs for the same binding or database out until the session ends. A killed run's lock goes with its
// session, so that what it still had under way on the server is over before the next run looks.
func (s *session) lock(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := s.run(ctx, "SELECT pg_advisory_lock(hashtextextended("+literal("dpi-operator.io/"+key)+", 0))"); err != nil {
			return err
		}
	}
	return nil
}

// accepts reports whether the server lets the login in with its password, whatever it may do then.
func (s Server) accepts(ctx context.Context, task provision.Task, each login, database string) (bool, error) {
	opened, err := s.consumer(task, each.username, each.password).open(ctx, database)
	var problem *provision.Problem
	switch {
	case err == nil:
		opened.close(ctx)
		return true, nil
	case errors.Is(err, errRejected):
		return false, nil
	case errors.Is(err, errInsecure):
		return false, err
	case errors.As(err, &problem) && problem.Phase == provision.PhaseFailed:
		// The password was right: the server looks at it before it looks for the database.
		return true, nil
	default:
		return false, err
	}
}

// admissible refuses what cannot or must not be made.
func admissible(ctx context.Context, admin *session, w wanted, found seen) error {
	for _, name := range w.roleNames() {
		if existing, ok := found.roles[name]; ok && !admits(existing.Comment, w.tag.binding) {
			return foreign("role", name, existing.Comment)
		}
	}
	if err := admissibleDatabase(w, found); err != nil {
		return err
	}
	if err := availableExtensions(ctx, admin, w.extensions); err != nil {
		return err
	}
	return acceptableSettings(ctx, admin, w)
}

func admissibleDatabase(w wanted, found seen) error {
	existing := found.database
	if existing == nil {
		return nil
	}
	if existing.Comment != "" && !admits(existing.Comment, w.tag.binding) {
		return foreign("database", existing.Name, existing.Comment)
	}
	// A run that was killed right after CREATE DATABASE leaves no comment, but an owner that is ours.
	if _, ours := found.roles[existing.Owner]; !ours || existing.Owner != w.owner() {
		return foreign("database", existing.Name, existing.Comment)
	}
	return nil
}

func foreign(kind, name, comment string) error {
	return provision.Failed(provision.ReasonForeignObject,
		"the %s %s exists and %s; remove it, or choose another name for the deployment or the database", kind, name, describeOwner(comment))
}

func availableExtensions(ctx context.Context, admin *session, extensions []string) error {
	if len(extensions) == 0 {
		return nil
	}
	missing, err := admin.words(ctx, "SELECT name FROM unnest($1::text[]) AS name WHERE name NOT IN (SELECT a.name FROM pg_available_extensions a) ORDER BY 1", extensions)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return provision.Failed(ReasonExtensionUnavailable, "the server does not have the extensions %s; install their packages on it", strings.Join(missing, ", "))
	}
	return nil
}

// acceptableSettings lets only settings through that any user may make for a session: others, such as libraries to load,
// would hand the admin's rights to the consumer. Values are tried out in a transaction that is undone.
func acceptableSettings(ctx context.Context, admin *session, w wanted) error {
	for _, name := range w.settingNames() {
		allowed, err := admin.exists(ctx, "SELECT 1 FROM pg_settings WHERE lower(name) = $1 AND context = 'user'", name)
		if err != nil {
			return err
		}
		if !allowed {
			return provision.Failed(ReasonSettingRefused, "the setting %s is not one that an ordinary user of this server may make; remove it from the binding's parameters", name)
		}
		tx, err := admin.conn.Begin(ctx)
		if err != nil {
			return classify(err)
		}
		_, stored := settingValue(name, w.settings[name])
		_, err = tx.Exec(ctx, "SELECT set_config($1, $2, true)", name, stored)
		if undone := tx.Rollback(ctx); undone != nil && err == nil {
			err = undone
		}
		if code(err) != "" {
			return provision.Failed(ReasonSettingRefused, "the setting %s cannot have the value %q: %w", name, w.settings[name], classify(err))
		}
		if err != nil {
			return classify(err)
		}
	}
	return nil
}
