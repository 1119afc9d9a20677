package postgresql

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// trap makes a superuser called like the winner when it is sprung in a superuser's session, and nothing in any other.
func trap(schema, winner string) string {
	return "CREATE FUNCTION " + schema + `.sprung() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = current_user AND rolsuper) AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '` + winner + `') THEN
    CREATE ROLE ` + winner + ` SUPERUSER;
  END IF;
END $$`
}

// shadow is a function, with an operator where one is named, that stands in for one of the server's own and springs the trap.
type shadow struct{ name, arguments, returns, answer, operator string }

// shadows are those of functions and operators that statements about catalogues use.
var shadows = []shadow{
	{name: "aclexplode", arguments: "a aclitem[]", returns: "TABLE(grantor oid, grantee oid, privilege_type text, is_grantable boolean)", answer: "RETURN QUERY SELECT * FROM pg_catalog.aclexplode(a)"},
	{name: "hashtextextended", arguments: "a text, b integer", returns: "bigint", answer: "RETURN 1"},
	{name: "pg_advisory_lock", arguments: "a bigint", returns: "void", answer: "RETURN"},
	{name: "pg_get_userbyid", arguments: "a oid", returns: "name", answer: "RETURN pg_catalog.pg_get_userbyid(a)"},
	{name: "acldefault", arguments: `a "char", b oid`, returns: "aclitem[]", answer: "RETURN pg_catalog.acldefault(a, b)"},
	{name: "has_schema_privilege", arguments: "a text, b oid, c text", returns: "boolean", answer: "RETURN false"},
	{name: "has_schema_privilege", arguments: "a name, b oid, c text", returns: "boolean", answer: "RETURN false"},
	{name: "has_table_privilege", arguments: "a text, b oid, c text", returns: "boolean", answer: "RETURN false"},
	{name: "is_name", arguments: "a name, b text", returns: "boolean", answer: "RETURN pg_catalog.texteq(a::text, b)", operator: "="},
	{name: "is_name_of", arguments: "a name, b name", returns: "boolean", answer: "RETURN pg_catalog.nameeq(a, b)", operator: "="},
	{name: "is_oid", arguments: "a oid, b oid", returns: "boolean", answer: "RETURN pg_catalog.oideq(a, b)", operator: "="},
	{name: "is_text", arguments: "a text, b text", returns: "boolean", answer: "RETURN pg_catalog.texteq(a, b)", operator: "="},
}

// statements make the shadow in a schema.
func (s shadow) statements(schema string) []string {
	made := []string{"CREATE FUNCTION " + schema + "." + s.name + "(" + s.arguments + ") RETURNS " + s.returns + " LANGUAGE plpgsql SET search_path = pg_catalog AS $$ BEGIN PERFORM " +
		schema + ".sprung(); " + s.answer + "; END $$"}
	if s.operator != "" {
		sides := strings.Split(s.arguments, ", ")
		made = append(made, "CREATE OPERATOR "+schema+"."+s.operator+" (FUNCTION = "+schema+"."+s.name+
			", LEFTARG = "+strings.TrimPrefix(sides[0], "a ")+", RIGHTARG = "+strings.TrimPrefix(sides[1], "b ")+")")
	}
	return made
}

// lieInWait lets the consumer set all its traps in a schema of the database.
func lieInWait(t *testing.T, owner *pgx.Conn, schema, winner string) {
	t.Helper()
	mustExec(t, owner, trap(schema, winner))
	for _, each := range shadows {
		mustExec(t, owner, each.statements(schema)...)
	}
}

// wantNoWinner looks whether a trap was sprung, and takes its prize away.
func wantNoWinner(t *testing.T, winner, during string) {
	t.Helper()
	root := superuser(t, "postgres")
	defer func() { _ = root.Close(testContext(t)) }()
	var won bool
	if err := root.QueryRow(testContext(t), "SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1 AND rolsuper)", winner).Scan(&won); err != nil {
		t.Fatal(err)
	}
	if won {
		t.Errorf("%s: what the consumer made ran with the rights of a superuser", during)
		mustExec(t, root, "DROP ROLE "+winner)
	}
}

// everyAction runs what the operator does with a binding in its life, and looks after each for what the consumer won by it.
func everyAction(t *testing.T, task provision.Task, winner string) {
	t.Helper()
	mustProvision(t, task)
	wantNoWinner(t, winner, "provision")
	mustVerify(t, task)
	wantNoWinner(t, winner, "verify")
	next := staged(task, 1)
	mustProvision(t, next)
	wantNoWinner(t, winner, "provision of a rotation")
	mustRetire(t, Server{patience: time.Millisecond}, next)
	wantNoWinner(t, winner, "retire")
	revoke(t, next, provision.RetainData)
	wantNoWinner(t, winner, "revoke")
}

// The owner of a database chooses what the search path of every session in it begins with, the admin's included.
func TestProvision_givesAnOwnerWhoLiesInWaitNoSuperuser(t *testing.T) {
	const name = "lurking"
	task := rotating(name)
	mustProvision(t, task)
	t.Cleanup(func() { remove(t, task) })
	owner := connect(t, name, name+"_a", task.Credentials["password"])
	mustExec(t, owner, "CREATE TABLE app.bait (id serial)", "ALTER TABLE app.bait OWNER TO "+name)
	lieInWait(t, owner, "public", name+"_won")
	mustExec(t, owner, "ALTER DATABASE "+name+" SET search_path = public, pg_catalog")
	// The bait: a login and an extension more make the admin look at and change everything there.
	more := newTask(name, parameters{Schemas: []string{"app", "more"}, Extensions: []string{"hstore"}, Roles: []roleParameter{{Name: "app"}, {Name: "report", Privileges: asRead}}})
	more.Request.Outputs["app-username"], more.Request.Outputs["report-username"] = name+"_app_a", name+"_report_a"
	everyAction(t, more, name+"_won")
}

// A path that the binding asks for begins with the server's own names, but a better match in a schema behind them wins.
func TestProvision_givesAnOwnerWithBetterMatchesNoSuperuser(t *testing.T) {
	const name = "matching"
	task := ehrbase(name)
	mustProvision(t, task)
	t.Cleanup(func() { remove(t, task) })
	lieInWait(t, connect(t, name, name+"_a", task.Credentials["password"]), "ext", name+"_won")
	mustProvision(t, task)
	wantNoWinner(t, name+"_won", "provision")
}

// Servers before version 15 let everyone make functions in the database where the admin works, and all are in its path.
func TestEveryAction_givesAConsumerInTheAdminsDatabaseNoSuperuser(t *testing.T) {
	const name = "visiting"
	root := superuser(t, "postgres")
	mustExec(t, root, "GRANT CREATE ON SCHEMA public TO PUBLIC")
	t.Cleanup(func() {
		mustExec(t, superuser(t, "postgres"), "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
	})
	task := rotating(name)
	mustProvision(t, task)
	t.Cleanup(func() { remove(t, task) })
	lieInWait(t, connect(t, "postgres", name+"_a", task.Credentials["password"]), "public", name+"_won")
	// Dropped first: a role cannot be dropped while something is its own.
	t.Cleanup(func() { mustExec(t, superuser(t, "postgres"), "DROP OWNED BY "+name+"_a, "+name) })
	everyAction(t, task, name+"_won")
}

// What the owner chooses for the sessions of its database must not keep the admin from its work there either.
func TestProvision_isNotHinderedByWhatTheOwnerChoseForSessions(t *testing.T) {
	const name = "hindering"
	tests := map[string]string{
		"read only":    "default_transaction_read_only = on",
		"another role": "role = '" + name + "'",
		"no time":      "statement_timeout = 1",
		"another path": "search_path = nowhere",
	}
	for about, setting := range tests {
		t.Run(about, func(t *testing.T) {
			task := newTask(name, parameters{})
			mustProvision(t, task)
			t.Cleanup(func() { remove(t, task) })
			owner := connect(t, name, name+"_a", task.Credentials["password"])
			mustExec(t, owner, "CREATE SCHEMA own", "CREATE TABLE own.kept (id serial)", "ALTER DATABASE "+name+" SET "+setting)
			more := newTask(name, parameters{Schemas: []string{"more"}, Extensions: []string{"pageinspect"}, Roles: []roleParameter{{Name: "report", Privileges: asRead}}})
			mustProvision(t, more)
			mustExec(t, superuser(t, "postgres"), "ALTER DATABASE "+name+" RESET ALL")
			mustVerify(t, more)
			reader := connect(t, name, name+"_report", more.Credentials["report-password"])
			mustExec(t, reader, "SELECT FROM own.kept")
		})
	}
}

// Whatever an owner may choose for sessions, the admin's begin without it.
func TestProvision_isNotHinderedByAnySettingOfTheOwner(t *testing.T) {
	const name = "choosing"
	task := newTask(name, parameters{})
	mustProvision(t, task)
	t.Cleanup(func() { remove(t, task) })
	owner := connect(t, name, name+"_a", task.Credentials["password"])
	settings := queryAll(t, "postgres", "any", []string{"SELECT name FROM pg_settings WHERE context = 'user' AND $1 <> '' ORDER BY 1"})
	chosen := 0
	for _, setting := range settings {
		// A few are for a transaction only.
		if _, err := owner.Exec(testContext(t), "ALTER DATABASE "+name+" SET "+setting+" FROM CURRENT"); err == nil {
			chosen++
		}
	}
	if chosen < 100 {
		t.Fatalf("only %d settings were chosen, the test proves little", chosen)
	}
	inside, err := Server{}.admin(task).openAsAdmin(testContext(t), name)
	if err != nil {
		t.Fatal(err)
	}
	defer inside.close(testContext(t))
	left, err := inside.words(testContext(t), "SELECT name FROM pg_settings WHERE source = 'database' AND boot_val IS NOT NULL")
	if err != nil || len(left) > 0 {
		t.Errorf("the admin's session begins with %v of the owner's; %v", left, err)
	}
	mustProvision(t, newTask(name, parameters{Schemas: []string{"more"}, Extensions: []string{"pageinspect"}}))
}

// A consumer may log in to the database where the admin works and take the lock that a revocation takes first.
func TestRevoke_isNotHeldUpByAConsumerWithItsLock(t *testing.T) {
	const name = "clinging"
	task := newTask(name, parameters{})
	mustProvision(t, task)
	t.Cleanup(func() { remove(t, task) })
	clinging := connect(t, "postgres", name+"_a", task.Credentials["password"])
	mustExec(t, clinging, "SELECT pg_advisory_lock(hashtextextended('dpi-operator.io/uid-of-"+name+"', 0))")
	ctx, cancel := context.WithTimeout(testContext(t), 10*time.Second)
	defer cancel()
	report, err := Server{}.Revoke(ctx, task)
	mustBeDone(t, provision.ActionRevoke, report, err)
	if clinging.Ping(testContext(t)) == nil {
		t.Error("a session outlived the revocation")
	}
}
