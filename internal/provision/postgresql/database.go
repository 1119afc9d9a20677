package postgresql

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// ensureDatabase makes the database and closes it to everyone else.
func ensureDatabase(ctx context.Context, admin *session, w wanted, found seen) error {
	if found.database == nil {
		if err := createDatabase(ctx, admin, w); err != nil {
			return err
		}
	}
	databases, err := readDatabases(ctx, admin, " WHERE d.datname = $1", w.database)
	if err != nil {
		return err
	}
	if len(databases) != 1 {
		return provision.Retry(provision.ReasonProviderError, "the database %s vanished while it was being made", w.database)
	}
	existing := databases[0]
	var statements []string
	if existing.Comment != w.tag.String() {
		statements = append(statements, commentOn("DATABASE", w.database, w.tag))
	}
	if existing.IsOpen {
		statements = append(statements, "REVOKE ALL ON DATABASE "+identifier(w.database)+" FROM PUBLIC")
	}
	grants, err := databaseGrants(ctx, admin, w)
	if err != nil {
		return err
	}
	statements = append(statements, grants...)
	for _, name := range w.settingNames() {
		set, stored := settingValue(name, w.settings[name])
		if !holdsSetting(existing.Settings, name, stored) {
			statements = append(statements, "ALTER DATABASE "+identifier(w.database)+" SET "+name+" = "+set)
		}
	}
	return admin.together(ctx, statements)
}

// holdsSetting looks a setting up as PostgreSQL stores it, which is under its own spelling: IntervalStyle.
func holdsSetting(settings []string, name, value string) bool {
	return slices.ContainsFunc(settings, func(setting string) bool {
		key, current, _ := strings.Cut(setting, "=")
		return strings.EqualFold(key, name) && current == value
	})
}

func createDatabase(ctx context.Context, admin *session, w wanted) error {
	return admin.run(ctx, "CREATE DATABASE "+identifier(w.database)+" OWNER "+identifier(w.owner())+" TEMPLATE template0 ENCODING 'UTF8'")
}

// databaseGrants let the roles beside the owner in.
func databaseGrants(ctx context.Context, admin *session, w wanted) ([]string, error) {
	var statements []string
	for _, p := range w.groups()[1:] {
		// The public may be let in still, so ask for what was granted to the role itself.
		granted, err := admin.words(ctx, `
SELECT a.privilege_type FROM pg_database d, aclexplode(d.datacl) a
 WHERE d.datname = $1 AND a.grantee = (SELECT oid FROM pg_roles WHERE rolname = $2)`, w.database, w.group(p))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(granted, "CONNECT") || !slices.Contains(granted, "TEMPORARY") {
			statements = append(statements, "GRANT CONNECT, TEMPORARY ON DATABASE "+identifier(w.database)+" TO "+identifier(w.group(p)))
		}
	}
	return statements, nil
}

// ensureContents brings schemas, extensions and privileges inside the database into shape in one transaction.
func ensureContents(ctx context.Context, inside *session, w wanted) error {
	var statements []string
	for _, part := range []func(context.Context, *session, wanted) ([]string, error){
		schemaStatements, extensionStatements, defaultPrivileges, presentPrivileges,
	} {
		more, err := part(ctx, inside, w)
		if err != nil {
			return err
		}
		statements = append(statements, more...)
	}
	err := inside.together(ctx, statements)
	var problem *provision.Problem
	if errors.As(err, &problem) && problem.Phase == provision.PhaseFailed {
		return provision.Failed(problem.Reason, "inside the database %s: %w", w.database, err)
	}
	return err
}

func schemaStatements(ctx context.Context, inside *session, w wanted) ([]string, error) {
	var statements []string
	open, err := inside.exists(ctx, `
SELECT 1 FROM pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
 WHERE n.nspname = 'public' AND a.grantee = 0 AND a.privilege_type = 'CREATE'`)
	if err != nil {
		return nil, err
	}
	if open {
		// Servers before version 15 let everyone make objects there, and the owner of the database only by that.
		statements = append(statements, "REVOKE CREATE ON SCHEMA public FROM PUBLIC", "GRANT ALL ON SCHEMA public TO "+identifier(w.owner()))
	}
	for _, schema := range w.schemas {
		owners, err := inside.words(ctx, "SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = $1", schema)
		switch {
		case err != nil:
			return nil, err
		case len(owners) == 0:
			statements = append(statements, "CREATE SCHEMA "+identifier(schema)+" AUTHORIZATION "+identifier(w.owner()))
		case owners[0] != w.owner() && schema != publicSchema:
			statements = append(statements, "ALTER SCHEMA "+identifier(schema)+" OWNER TO "+identifier(w.owner()))
		}
	}
	return statements, nil
}
