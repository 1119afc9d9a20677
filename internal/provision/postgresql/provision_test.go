package postgresql

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/postgresql/pgtest"
)

func TestProvision_killedAfterAnyMessageAndRunAgainEndsTheSame(t *testing.T) {
	reference := ehrbase("reference")
	mustProvision(t, reference)
	want := snapshot(t, "reference")
	remove(t, reference)
	for _, expected := range []string{"role NAME f", "role NAME_a t", "role NAME__write f", "database NAME " + "NAME C.UTF-8", "extension uuid-ossp ext", "schema ehr NAME"} {
		if !strings.Contains(want, expected) {
			t.Fatalf("the reference lacks %q:\n%s", expected, want)
		}
	}
	watch := &fuse{}
	if _, err := (Server{dial: watch.dial}).Provision(testContext(t), reference); err != nil {
		t.Fatal(err)
	}
	remove(t, reference)
	kills := effects(watch.sent)
	if len(kills) < 25 {
		t.Fatalf("only %d messages change anything, the test proves little", len(kills))
	}
	for _, messages := range kills {
		name := fmt.Sprintf("killed%03d", messages)
		task := ehrbase(name)
		broken := &fuse{messages: messages}
		if _, err := (Server{dial: broken.dial}).Provision(testContext(t), task); err == nil || !broken.blown {
			t.Fatalf("not killed after message %d: %v", messages, err)
		}
		mustProvision(t, task)
		if diff := cmp.Diff(want, snapshot(t, name)); diff != "" {
			t.Fatalf("killed after message %d (%.60q), then run again (-want +got):\n%s", messages, broken.sent[len(broken.sent)-1], diff)
		}
		remove(t, task)
	}
	t.Logf("killed after each of %d messages with an effect, of %d", len(kills), len(watch.sent))
}

// effects are the positions, from one, of messages after which the server may be in another state than after the message
// before. Reading and logging in have none.
func effects(messages []string) []int {
	var positions []int
	for i, message := range messages {
		statement := statementIn(message)
		if statement == ownSettings || statement == ordinarySettings {
			continue
		}
		reads := strings.HasPrefix(strings.TrimSpace(statement), "SELECT") && !strings.Contains(statement, "pg_advisory_lock") && !strings.Contains(statement, "pg_terminate_backend")
		if statement != "" && !reads {
			positions = append(positions, i+1)
		}
	}
	return positions
}

func TestProvision_aSecondRunChangesNothing(t *testing.T) {
	task := ehrbase("twice")
	mustProvision(t, task)
	t.Cleanup(func() { remove(t, task) })
	before := snapshot(t, "twice")
	watch := &fuse{}
	if _, err := (Server{dial: watch.dial}).Provision(testContext(t), task); err != nil {
		t.Fatal(err)
	}
	statements := 0
	for _, message := range watch.sent {
		statement := statementIn(message)
		if statement == "" || statement == ownSettings {
			continue
		}
		statements++
		if first, _, _ := strings.Cut(strings.TrimSpace(statement), " "); !slices.Contains([]string{"SELECT", "begin", "rollback"}, first) {
			t.Errorf("the second run sent %.80q", statement)
		}
	}
	if statements < 10 {
		t.Errorf("only %d statements were seen, the test proves nothing", statements)
	}
	if diff := cmp.Diff(before, snapshot(t, "twice")); diff != "" {
		t.Errorf("the second run changed something (-before +after):\n%s", diff)
	}
}

// statementIn takes the SQL out of a message to the server: type, length in four bytes, then, in a Parse message, a name.
func statementIn(message string) string {
	if len(message) < 6 || (message[0] != 'Q' && message[0] != 'P') {
		return ""
	}
	statement, _, _ := strings.Cut(strings.TrimLeft(message[5:], "\x00"), "\x00")
	return statement
}

func TestProvision_ownershipStaysWhenTheLoginIsExchanged(t *testing.T) {
	task := ehrbase("rotated")
	mustProvision(t, task)
	t.Cleanup(func() { remove(t, task) })
	first := connect(t, "rotated", "rotated_a", task.Credentials["password"])
	mustExec(t, first, "CREATE TABLE ehr.kept (id int)")

	task.Request.Outputs["username"] = "rotated_b"
	task.Credentials["password"] = "the next one"
	mustProvision(t, task)
	second := connect(t, "rotated", "rotated_b", "the next one")
	// Both are valid at once, and both act as the same role.
	mustExec(t, first, "ALTER TABLE ehr.kept ADD COLUMN by_first int")
	mustExec(t, second, "ALTER TABLE ehr.kept ADD COLUMN by_second int", "DROP TABLE ehr.kept")
}

func TestProvision_takesAnotherPasswordAndKeepsAnEqualOne(t *testing.T) {
	task := newTask("repassword", parameters{})
	mustProvision(t, task)
	t.Cleanup(func() { remove(t, task) })
	stored := func() (verifier string) {
		if err := superuser(t, "postgres").QueryRow(testContext(t), "SELECT rolpassword FROM pg_authid WHERE rolname = 'repassword_a'").Scan(&verifier); err != nil {
			t.Fatal(err)
		}
		return verifier
	}
	before := stored()
	mustProvision(t, task)
	if stored() != before {
		t.Error("a password that works was written again")
	}
	task.Credentials["password"] = "another"
	mustProvision(t, task)
	connect(t, "repassword", "repassword_a", "another")
}

func TestProvision_givesALoginAddedLaterItsRightsOnWhatExists(t *testing.T) {
	task := newTask("grown", parameters{Schemas: []string{"app"}})
	mustProvision(t, task)
	owner := connect(t, "grown", "grown_a", task.Credentials["password"])
	mustExec(t, owner, "CREATE TABLE app.old (id serial)", "CREATE SCHEMA own", "CREATE TABLE own.old (id serial)", "INSERT INTO own.old DEFAULT VALUES")

	grown := newTask("grown", parameters{Schemas: []string{"app"}, Roles: []roleParameter{{Name: "app"}, {Name: "report", Privileges: asRead}}})
	mustProvision(t, grown)
	t.Cleanup(func() { remove(t, grown) })
	mustVerify(t, grown)
	mustExec(t, owner, "CREATE SCHEMA late", "CREATE TABLE late.new (id serial)")
	app := connect(t, "grown", "grown_app", grown.Credentials["app-password"])
	mustExec(t, app, "INSERT INTO app.old DEFAULT VALUES", "DELETE FROM own.old", "INSERT INTO late.new DEFAULT VALUES")
	report := connect(t, "grown", "grown_report", grown.Credentials["report-password"])
	mustExec(t, report, "SELECT FROM app.old", "SELECT FROM own.old", "SELECT FROM late.new")
	if _, err := report.Exec(testContext(t), "DELETE FROM app.old"); code(err) != codeNotPermitted {
		t.Errorf("a login that may read deleted: %v", err)
	}
}

func TestProvision_leavesForeignObjectsAlone(t *testing.T) {
	admin := superuser(t, "postgres")
	mustExec(t, admin, "CREATE ROLE foreign_a", "CREATE DATABASE foreigndb")
	t.Cleanup(func() { mustExec(t, admin, "DROP ROLE foreign_a", "DROP DATABASE foreigndb") })
	other := newTask("taken", parameters{})
	mustProvision(t, other)
	t.Cleanup(func() { remove(t, other) })

	stranger := newTask("taken", parameters{})
	stranger.Request.Binding = provision.Binding{UID: "uid-of-another", Namespace: "justice", Name: "taken"}
	tests := map[string]struct {
		task provision.Task
		want string
	}{
		"a role that no binding made":           {newTask("foreign", parameters{}), "the role foreign_a exists and was not made by a binding"},
		"a database that no binding made":       {newTask("foreigndb", parameters{}), "the database foreigndb exists and was not made by a binding"},
		"the database of another binding":       {stranger, "belongs to binding health/taken (uid uid-of-taken)"},
		"a binding of the same name made again": {again(other), "belongs to binding health/taken (uid uid-of-taken)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := snapshot(t, test.task.Request.Outputs["database"])
			report, err := Server{}.Provision(testContext(t), test.task)
			result := mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonForeignObject)
			if !strings.Contains(result.Message, test.want) {
				t.Errorf("got %q, want it to say %q", result.Message, test.want)
			}
			if diff := cmp.Diff(before, snapshot(t, test.task.Request.Outputs["database"])); diff != "" {
				t.Errorf("something changed (-before +after):\n%s", diff)
			}
		})
	}
}

// again is the task for a binding that was deleted and made again under its old name.
func again(task provision.Task) provision.Task {
	task.Request.Binding.UID = "uid-of-the-next"
	return task
}

func TestProvision_refusesBeforeTheFirstChange(t *testing.T) {
	with := func(change func(*provision.Task)) provision.Task {
		task := newTask("refused", parameters{})
		change(&task)
		return task
	}
	tests := map[string]struct {
		task         provision.Task
		reason, want string
	}{
		"missing extensions":       {newTask("refused", parameters{Extensions: []string{"uuid-ossp", "temporal_tables", "jsquery"}}), ReasonExtensionUnavailable, "jsquery, temporal_tables"},
		"a setting for superusers": {newTask("refused", parameters{Settings: map[string]string{"session_preload_libraries": "x"}}), ReasonSettingRefused, "session_preload_libraries"},
		"a setting as another":     {newTask("refused", parameters{Settings: map[string]string{"role": "postgres"}}), ReasonSettingRefused, "role"},
		"an unknown setting":       {newTask("refused", parameters{Settings: map[string]string{"no_such": "1"}}), ReasonSettingRefused, "no_such"},
		"a wrong value":            {newTask("refused", parameters{Settings: map[string]string{"intervalstyle": "swiss"}}), ReasonSettingRefused, "swiss"},
		"a path to nowhere":        {newTask("refused", parameters{Settings: map[string]string{"search_path": "ext"}}), provision.ReasonInvalidRequest, "ext"},
		"a quoting database":       {with(func(task *provision.Task) { task.Request.Outputs["database"] = `x"; DROP` }), provision.ReasonInvalidRequest, "database name"},
		"a quoting schema":         {newTask("refused", parameters{Schemas: []string{`a"b`}}), provision.ReasonInvalidRequest, "schema name"},
		"the server's database":    {with(func(task *provision.Task) { task.Request.Outputs["database"] = "postgres" }), provision.ReasonInvalidRequest, "belongs to the server"},
		"a name too long":          {with(func(task *provision.Task) { task.Request.Outputs["database"] = strings.Repeat("x", 57) }), provision.ReasonInvalidRequest, "at most 56"},
		"no password":              {with(func(task *provision.Task) { task.Credentials = nil }), provision.ReasonInvalidRequest, "no password"},
		"unknown parameters":       {with(func(task *provision.Task) { task.Request.Parameters = []byte(`{"superuser": true}`) }), provision.ReasonInvalidRequest, "superuser"},
		"a locale":                 {with(func(task *provision.Task) { task.Request.Parameters = []byte(`{"locale": "C"}`) }), provision.ReasonInvalidRequest, "locale"},
		"a further owner":          {newTask("refused", parameters{Roles: []roleParameter{{Name: "app", Privileges: "owner"}}}), provision.ReasonInvalidRequest, "use read or write"},
		"the server's schema":      {newTask("refused", parameters{Schemas: []string{"information_schema"}}), provision.ReasonInvalidRequest, "information_schema"},
		"no admin":                 {with(func(task *provision.Task) { task.Admin = nil }), provision.ReasonInvalidRequest, "admin Secret"},
		"a wrong admin": {with(func(task *provision.Task) {
			task.Admin = provision.Secrets{"username": "postgres", "password": "wrong"}
		}), provision.ReasonAdminCredentialRejected, "postgres"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			report, err := Server{}.Provision(testContext(t), test.task)
			result := mustEnd(t, report, err, provision.PhaseFailed, test.reason)
			if !strings.Contains(result.Message, test.want) {
				t.Errorf("got %q, want it to name %q", result.Message, test.want)
			}
			if left := snapshot(t, "refused"); left != "" {
				t.Errorf("something was made:\n%s", left)
			}
		})
	}
}

func TestProvision_isTriedAgainWhileTheServerDoesNotListen(t *testing.T) {
	port := stoppedPort(t)
	for name, run := range map[string]func(provision.Task) (provision.Report, error){
		"provision": func(task provision.Task) (provision.Report, error) { return Server{}.Provision(testContext(t), task) },
		"verify":    func(task provision.Task) (provision.Report, error) { return Server{}.Verify(testContext(t), task) },
		"revoke":    func(task provision.Task) (provision.Report, error) { return Server{}.Revoke(testContext(t), task) },
	} {
		task := newTask("away", parameters{})
		task.Request.Endpoint.Port = port
		report, err := run(task)
		result := mustEnd(t, report, err, provision.PhaseRetry, provision.ReasonProviderUnavailable)
		if !strings.Contains(result.Message, "connection refused") {
			t.Errorf("%s: %q does not say why", name, result.Message)
		}
		task.Request.Endpoint.Host = "no-such-host.invalid"
		report, err = run(task)
		mustEnd(t, report, err, provision.PhaseRetry, provision.ReasonProviderUnavailable)
	}
}

func TestProvision_worksWithAnAdminWhoIsNoSuperuser(t *testing.T) {
	root := superuser(t, "postgres")
	mustExec(t, root, "CREATE ROLE dba LOGIN CREATEDB CREATEROLE PASSWORD 'of the dba'")
	t.Cleanup(func() { mustExec(t, root, "DROP ROLE dba") })
	task := ehrbase("hosted")
	task.Admin = provision.Secrets{"username": "dba", "password": "of the dba"}
	mustProvision(t, task)
	before := snapshot(t, "hosted")
	mustProvision(t, task)
	if diff := cmp.Diff(before, snapshot(t, "hosted")); diff != "" {
		t.Errorf("the second run changed something (-before +after):\n%s", diff)
	}
	mustVerify(t, task)
	busy := connect(t, "hosted", "hosted_a", task.Credentials["password"])
	remove(t, task)
	if busy.Ping(testContext(t)) == nil {
		t.Error("a session outlived the revocation")
	}
}

func TestProvision_withoutTheRightsSaysSo(t *testing.T) {
	root := superuser(t, "postgres")
	mustExec(t, root, "CREATE ROLE nobody LOGIN PASSWORD 'of nobody'")
	t.Cleanup(func() { mustExec(t, root, "DROP ROLE nobody") })
	task := newTask("unrightful", parameters{})
	task.Admin = provision.Secrets{"username": "nobody", "password": "of nobody"}
	report, err := Server{}.Provision(testContext(t), task)
	mustEnd(t, report, err, provision.PhaseFailed, ReasonNotPermitted)
}

func TestProvision_keepsPasswordsOutOfTheServersLog(t *testing.T) {
	task := ehrbase("silent")
	mustProvision(t, task)
	task.Credentials["app-password"] = "changed-in-silence"
	mustProvision(t, task)
	remove(t, task)
	log := server.Log()
	if !strings.Contains(log, `CREATE ROLE "silent_a"`) {
		t.Fatal("the server does not log statements, the test proves nothing")
	}
	for _, secret := range []string{task.Credentials["app-password"], "report of silent", `owner"\ of silent`, pgtest.Password} {
		if strings.Contains(log, secret) {
			t.Errorf("the server's log holds a password")
		}
	}
}

func TestProvision_atTheSameTimeForManyBindings(t *testing.T) {
	const bindings, runs = 4, 3
	results := make(chan error, bindings*runs)
	for i := range bindings {
		task := ehrbase(fmt.Sprintf("parallel%d", i))
		t.Cleanup(func() { remove(t, task) })
		for range runs {
			ctx := testContext(t)
			go func() {
				_, err := Server{}.Provision(ctx, task)
				results <- err
			}()
		}
	}
	for range bindings * runs {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

func stoppedPort(t *testing.T) int32 {
	t.Helper()
	other, err := pgtest.Start(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	return other.Port
}
