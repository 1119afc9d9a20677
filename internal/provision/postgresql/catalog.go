package postgresql

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// role is a role as the server has it.
type role struct {
	Name     string
	CanLogin bool
	Elevated bool
	Inherits bool
	Comment  string
	ActsAs   string
	MemberOf []string
}

// Elevated rights would let a consumer leave its database; ActsAs is the role every session of the login begins as.
const rolesQuery = `
SELECT r.rolname::text, r.rolcanlogin,
       r.rolsuper OR r.rolcreatedb OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls,
       r.rolinherit,
       coalesce(shobj_description(r.oid, 'pg_authid'), ''),
       coalesce((SELECT substr(word, 6) FROM pg_db_role_setting s, unnest(s.setconfig) word
                  WHERE s.setrole = r.oid AND s.setdatabase = 0 AND word LIKE 'role=%'), ''),
       ARRAY(SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid ORDER BY 1)
  FROM pg_roles r`

// database is a database as the server has it.
type database struct {
	Name     string
	Owner    string
	Comment  string
	IsOpen   bool
	Settings []string
}

// IsOpen tells that anyone on the server may use the database, as PostgreSQL has it by default.
const databaseQuery = `
SELECT d.datname::text, pg_get_userbyid(d.datdba)::text, coalesce(shobj_description(d.oid, 'pg_database'), ''),
       EXISTS (SELECT FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a WHERE a.grantee = 0),
       coalesce((SELECT s.setconfig FROM pg_db_role_setting s WHERE s.setdatabase = d.oid AND s.setrole = 0), '{}')
  FROM pg_database d`

// seen is what the server has under the names a binding wants.
type seen struct {
	roles    map[string]role
	database *database
	// adminIsSuperuser tells whether the admin needs memberships to act on what it made.
	adminIsSuperuser bool
	adminName        string
	adminMemberOf    map[string]bool
}

func observe(ctx context.Context, admin *session, w wanted) (seen, error) {
	var s seen
	roles, err := readRoles(ctx, admin, " WHERE r.rolname = ANY($1)", w.roleNames())
	if err != nil {
		return seen{}, err
	}
	s.roles = map[string]role{}
	for _, each := range roles {
		s.roles[each.Name] = each
	}
	databases, err := readDatabases(ctx, admin, " WHERE d.datname = $1", w.database)
	if err != nil {
		return seen{}, err
	}
	if len(databases) > 0 {
		s.database = &databases[0]
	}
	me, err := readRoles(ctx, admin, " WHERE r.rolname = current_user")
	if err != nil {
		return seen{}, err
	}
	s.adminMemberOf = map[string]bool{}
	for _, each := range me {
		s.adminName = each.Name
		for _, group := range each.MemberOf {
			s.adminMemberOf[group] = true
		}
	}
	err = admin.one(ctx, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user", nil, &s.adminIsSuperuser)
	return s, err
}

func readRoles(ctx context.Context, admin *session, condition string, args ...any) ([]role, error) {
	rows, err := admin.conn.Query(ctx, rolesQuery+condition+" ORDER BY 1", args...)
	if err != nil {
		return nil, classify(err)
	}
	roles, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (role, error) {
		var r role
		err := row.Scan(&r.Name, &r.CanLogin, &r.Elevated, &r.Inherits, &r.Comment, &r.ActsAs, &r.MemberOf)
		return r, err
	})
	return roles, classify(err)
}

func readDatabases(ctx context.Context, admin *session, condition string, args ...any) ([]database, error) {
	rows, err := admin.conn.Query(ctx, databaseQuery+condition+" ORDER BY 1", args...)
	if err != nil {
		return nil, classify(err)
	}
	databases, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (database, error) {
		var d database
		err := row.Scan(&d.Name, &d.Owner, &d.Comment, &d.IsOpen, &d.Settings)
		return d, err
	})
	return databases, classify(err)
}

// exists answers a query with at most one row of no interest.
func (s *session) exists(ctx context.Context, query string, args ...any) (bool, error) {
	var one int
	err := s.one(ctx, query, args, &one)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
