package postgresql

import (
	"context"
	"slices"
	"strings"
)

// right is what a group may do with one kind of object.
type right struct {
	// kind as GRANT names it.
	kind string
	// code of the kind in pg_default_acl.
	code string
	// relkinds of the kind in pg_class; empty for schemas.
	relkinds []string
	read     []string
	write    []string
}

// rights of the groups on what the owner makes. Functions need none: everyone may execute them by default.
var rights = []right{
	{kind: "SCHEMAS", code: "n", read: []string{"USAGE"}, write: []string{"USAGE"}},
	{kind: "TABLES", code: "r", relkinds: []string{"r", "p", "v", "m", "f"}, read: []string{"SELECT"}, write: []string{"SELECT", "INSERT", "UPDATE", "DELETE"}},
	{kind: "SEQUENCES", code: "S", relkinds: []string{"S"}, read: []string{"SELECT"}, write: []string{"SELECT", "USAGE"}},
}

func (r right) of(p privilege) []string {
	if p == asWrite {
		return r.write
	}
	return r.read
}

// defaultPrivileges give the groups their rights on what the owner will make.
func defaultPrivileges(ctx context.Context, inside *session, w wanted) ([]string, error) {
	var statements []string
	for _, p := range w.groups()[1:] {
		for _, r := range rights {
			granted, err := inside.words(ctx, `
SELECT a.privilege_type FROM pg_default_acl d, aclexplode(d.defaclacl) a
 WHERE d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = $1) AND d.defaclnamespace = 0 AND d.defaclobjtype = $2::"char"
   AND a.grantee = (SELECT oid FROM pg_roles WHERE rolname = $3)`, w.owner(), r.code, w.group(p))
			if err != nil {
				return nil, err
			}
			if !containsAll(granted, r.of(p)) {
				statements = append(statements, "ALTER DEFAULT PRIVILEGES FOR ROLE "+identifier(w.owner())+
					" GRANT "+strings.Join(r.of(p), ", ")+" ON "+r.kind+" TO "+identifier(w.group(p)))
			}
		}
	}
	return statements, nil
}

// presentPrivileges give the groups their rights on what the owner made before they had any, e.g. when a login is added to
// a database in use, and on the schemas that this very run makes as someone else.
func presentPrivileges(ctx context.Context, inside *session, w wanted) ([]string, error) {
	var statements []string
	for _, p := range w.groups()[1:] {
		group := w.group(p)
		schemas, err := schemasWithoutUsage(ctx, inside, w, group)
		if err != nil {
			return nil, err
		}
		for _, schema := range schemas {
			statements = append(statements, "GRANT USAGE ON SCHEMA "+identifier(schema)+" TO "+identifier(group))
		}
		for _, r := range rights {
			if r.relkinds == nil {
				continue
			}
			lacking, err := schemasLacking(ctx, inside, w, r, p)
			if err != nil {
				return nil, err
			}
			for _, schema := range lacking {
				statements = append(statements, "GRANT "+strings.Join(r.of(p), ", ")+" ON ALL "+r.kind+" IN SCHEMA "+identifier(schema)+" TO "+identifier(group))
			}
		}
	}
	return statements, nil
}

// schemasWithoutUsage are the owner's schemas, those to be made included, that the group has no usage of.
func schemasWithoutUsage(ctx context.Context, inside *session, w wanted, group string) ([]string, error) {
	owned, err := inside.words(ctx, `
SELECT n.nspname::text FROM pg_namespace n
 WHERE (n.nspname = ANY($1) OR pg_get_userbyid(n.nspowner) = $2) AND has_schema_privilege($3, n.oid, 'USAGE') ORDER BY 1`, w.schemas, w.owner(), group)
	if err != nil {
		return nil, err
	}
	lacking, err := inside.words(ctx, `
SELECT n.nspname::text FROM pg_namespace n
 WHERE (n.nspname = ANY($1) OR pg_get_userbyid(n.nspowner) = $2) AND NOT has_schema_privilege($3, n.oid, 'USAGE') ORDER BY 1`, w.schemas, w.owner(), group)
	if err != nil {
		return nil, err
	}
	for _, schema := range w.schemas {
		if !slices.Contains(owned, schema) && !slices.Contains(lacking, schema) {
			lacking = append(lacking, schema)
		}
	}
	return lacking, nil
}

// schemasLacking are the schemas with an object of the owner's on which the group lacks one of its rights.
func schemasLacking(ctx context.Context, inside *session, w wanted, r right, p privilege) ([]string, error) {
	check := "has_table_privilege"
	if r.kind == "SEQUENCES" {
		check = "has_sequence_privilege"
	}
	return inside.words(ctx, `
SELECT DISTINCT n.nspname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, unnest($4::text[]) AS needed
 WHERE pg_get_userbyid(c.relowner) = $1 AND c.relkind::text = ANY($2) AND n.nspname !~ '^pg_' AND NOT `+check+`($3, c.oid, needed) ORDER BY 1`,
		w.owner(), r.relkinds, w.group(p), r.of(p))
}

func containsAll(have, need []string) bool {
	for _, each := range need {
		if !slices.Contains(have, each) {
			return false
		}
	}
	return true
}
