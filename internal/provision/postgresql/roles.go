package postgresql

import (
	"context"
	"slices"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// ensureRoles brings all roles of the binding into shape in one transaction.
func (s Server) ensureRoles(ctx context.Context, admin *session, w wanted, found seen, task provision.Task) error {
	var statements []string
	for _, p := range w.groups() {
		statements = append(statements, groupStatements(w, found, w.group(p))...)
	}
	for _, each := range w.logins {
		verifier := ""
		accepted, err := s.accepts(ctx, task, each, w.database)
		if err != nil {
			return err
		}
		if !accepted {
			if verifier, err = scramVerifier(each.password); err != nil {
				return err
			}
		}
		statements = append(statements, loginStatements(w, found, each, verifier)...)
	}
	return admin.together(ctx, statements)
}

// groupStatements make a role that holds rights and cannot log in.
func groupStatements(w wanted, found seen, name string) []string {
	var statements []string
	existing, exists := found.roles[name]
	switch {
	case !exists:
		statements = append(statements, "CREATE ROLE "+identifier(name)+" NOLOGIN")
	case existing.Elevated:
		statements = append(statements, withoutRights(name)...)
	}
	if existing.CanLogin {
		statements = append(statements, "ALTER ROLE "+identifier(name)+" NOLOGIN")
	}
	if existing.Comment != w.tag.String() {
		statements = append(statements, commentOn("ROLE", name, w.tag))
	}
	// Roles that hold rights are members of none, so that whoever acts for them has those rights only.
	statements = append(statements, leaveStatements(name, existing.MemberOf, "")...)
	// Only a superuser may give objects to a role it is no member of.
	if !found.adminIsSuperuser && !found.adminMemberOf[name] {
		statements = append(statements, "GRANT "+identifier(name)+" TO CURRENT_USER")
	}
	return statements
}

// loginStatements make a login; an empty verifier leaves the password as it is.
func loginStatements(w wanted, found seen, each login, verifier string) []string {
	name, group := each.username, w.group(each.privilege)
	var statements []string
	existing, exists := found.roles[name]
	switch {
	case !exists:
		statements = append(statements, "CREATE ROLE "+identifier(name)+" LOGIN PASSWORD "+literal(verifier))
	case verifier != "":
		statements = append(statements, "ALTER ROLE "+identifier(name)+" LOGIN PASSWORD "+literal(verifier))
	case !existing.CanLogin:
		statements = append(statements, "ALTER ROLE "+identifier(name)+" LOGIN")
	}
	if existing.Elevated {
		statements = append(statements, withoutRights(name)...)
	}
	if exists && !existing.Inherits {
		statements = append(statements, "ALTER ROLE "+identifier(name)+" INHERIT")
	}
	if existing.Comment != w.tag.String() {
		statements = append(statements, commentOn("ROLE", name, w.tag))
	}
	if !slices.Contains(existing.MemberOf, group) {
		statements = append(statements, "GRANT "+identifier(group)+" TO "+identifier(name))
	}
	statements = append(statements, leaveStatements(name, existing.MemberOf, group)...)
	return append(statements, actsAsStatements(each.privilege, name, group, existing.ActsAs)...)
}

// leaveStatements take a role out of all others but the one to stay in.
func leaveStatements(name string, memberOf []string, stay string) []string {
	var statements []string
	for _, other := range memberOf {
		if other != stay {
			statements = append(statements, "REVOKE "+identifier(other)+" FROM "+identifier(name))
		}
	}
	return statements
}

// actsAsStatements let a login of the owner begin every session as the owner, so that all it makes belongs to the owner.
func actsAsStatements(p privilege, name, group, current string) []string {
	switch {
	case p == asOwner && current != group:
		return []string{"ALTER ROLE " + identifier(name) + " SET role = " + literal(group)}
	case p != asOwner && current != "":
		return []string{"ALTER ROLE " + identifier(name) + " RESET role"}
	default:
		return nil
	}
}

func withoutRights(name string) []string {
	return []string{"ALTER ROLE " + identifier(name) + " NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"}
}

func commentOn(kind, name string, t tag) string {
	return "COMMENT ON " + kind + " " + identifier(name) + " IS " + literal(t.String())
}
