package postgresql

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// probeTable is made and dropped within one transaction; no one else ever sees it.
const probeTable = "dpi_operator_probe_"

// Verify proves the edge with the consumer's own logins: that they get in, act with the rights asked for and no others, and
// find schemas, extensions and settings as asked. It leaves nothing behind.
func (s Server) Verify(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	w, err := toProve(task)
	if err != nil {
		return report, err
	}
	sessions := make([]*session, 0, len(w.logins))
	defer func() {
		for _, each := range sessions {
			each.close(ctx)
		}
	}()
	for _, each := range w.logins {
		opened, err := s.consumer(task, each.username, each.password).open(ctx, w.database)
		if err != nil {
			report.Check("login "+each.username, err)
			return report, err
		}
		sessions = append(sessions, opened)
		report.Check("login "+each.username, nil)
	}
	prover := prover{wanted: w, report: &report}
	if err := prover.proveOwner(ctx, w.logins[0], sessions[0]); err != nil {
		return report, err
	}
	// What the owner cannot do cannot be tried by others.
	if len(sessions) > 1 && report.Holds() {
		err = prover.proveOthers(ctx, sessions)
	}
	report.Message = "logged in to " + w.database + " as " + strings.Join(w.usernames(), ", ")
	return report, err
}

// prover collects checks. Its methods return an error only when the proof itself could not be made.
type prover struct {
	wanted wanted
	report *provision.Report
}

func (p prover) proveOwner(ctx context.Context, each login, owner *session) error {
	for _, step := range []func(context.Context, login, *session) error{
		p.proveDatabase, p.proveNoRights, p.proveSettings, p.proveExtensions, p.proveTables,
	} {
		if err := step(ctx, each, owner); err != nil {
			return err
		}
	}
	return nil
}

func (p prover) proveDatabase(ctx context.Context, each login, s *session) error {
	var name, owner string
	var owns bool
	err := s.one(ctx, `
SELECT current_database()::text, pg_get_userbyid(datdba)::text, pg_has_role(current_user, datdba, 'USAGE')
  FROM pg_database WHERE datname = current_database()`, nil, &name, &owner, &owns)
	if err != nil {
		return err
	}
	p.report.Check("database "+p.wanted.database, want(name == p.wanted.database, "the session is in %s", name))
	p.report.Check(each.username+" acts as the owner", want(owns, "the database belongs to %s", owner))
	return nil
}

// beyondQuery finds the roles that a login acts for and that reach beyond its database: those with rights of the server's,
// which roles of its own making (pg_…) have as well, except the one that every owner of a database is in; and those of other
// bindings.
const beyondQuery = `
SELECT r.rolname::text FROM pg_roles r
 WHERE (r.rolname IN (session_user, current_user) OR pg_has_role(session_user, r.oid, 'MEMBER'))
   AND (r.rolsuper OR r.rolcreatedb OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls
        OR r.rolname ~ '^pg_' AND r.rolname <> 'pg_database_owner'
        OR coalesce(shobj_description(r.oid, 'pg_authid'), '') LIKE $1 AND r.rolname <> ALL($2))
 ORDER BY r.rolsuper DESC, 1`

// proveNoRights makes sure that neither the login nor the role it acts as reaches beyond the database.
func (p prover) proveNoRights(ctx context.Context, each login, s *session) error {
	beyond, err := s.catalogWords(ctx, beyondQuery, tagMark+" %", p.wanted.roleNames())
	if err != nil {
		return err
	}
	p.report.Check(each.username+" has no rights beyond its database", want(len(beyond) == 0, "it acts for the privileged %s", strings.Join(beyond, ", ")))
	return nil
}

// proveSettings lets the server write each wanted value its own way before comparing, as in 64MB and 65536kB.
func (p prover) proveSettings(ctx context.Context, _ login, s *session) error {
	for _, name := range p.wanted.settingNames() {
		tx, err := s.conn.Begin(ctx)
		if err != nil {
			return classify(err)
		}
		_, stored := settingValue(name, p.wanted.settings[name])
		var current, expected string
		err = tx.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&current)
		if err == nil {
			err = tx.QueryRow(ctx, "SELECT set_config($1, $2, true)", name, stored).Scan(&expected)
		}
		if undone := tx.Rollback(ctx); undone != nil && err == nil {
			err = undone
		}
		if err != nil && code(err) == "" {
			return classify(err)
		}
		if err == nil {
			err = want(current == expected, "it is %q", current)
		}
		p.report.Check("setting "+name, err)
	}
	return nil
}

func (p prover) proveExtensions(ctx context.Context, _ login, s *session) error {
	present, err := s.words(ctx, "SELECT extname::text FROM pg_extension")
	if err != nil {
		return err
	}
	for _, name := range p.wanted.extensions {
		p.report.Check("extension "+name, want(containsAll(present, []string{name}), "the database does not have it"))
	}
	return nil
}

// proveTables makes a table in each schema, uses it and drops it, in a transaction that commits: so that a server that
// cannot write is noticed.
func (p prover) proveTables(ctx context.Context, each login, s *session) error {
	schemas := p.wanted.schemas
	if len(schemas) == 0 {
		schemas = []string{""}
	}
	for _, schema := range schemas {
		table, where := probeTable+strings.ToLower(rand.Text()), "its first schema"
		qualified := identifier(table)
		if schema != "" {
			qualified, where = identifier(schema)+"."+qualified, "schema "+schema
		}
		err := s.together(ctx, []string{
			"CREATE TABLE " + qualified + " (id int)", "INSERT INTO " + qualified + " VALUES (1)",
			"UPDATE " + qualified + " SET id = 2", "DELETE FROM " + qualified, "DROP TABLE " + qualified,
		})
		if isTransient(err) {
			return err
		}
		p.report.Check(each.username+" makes tables in "+where, err)
	}
	return nil
}

// want turns a condition into a check's error.
func want(holds bool, format string, args ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// isTransient tells an answer that proves nothing about the edge.
func isTransient(err error) bool {
	var problem *provision.Problem
	return err != nil && (!errors.As(err, &problem) || problem.Phase != provision.PhaseFailed)
}
