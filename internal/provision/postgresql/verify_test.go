package postgresql

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

func TestVerify_provesEveryPartOfWhatWasAsked(t *testing.T) {
	task := ehrbase("proved")
	mustProvision(t, task)
	t.Cleanup(func() { remove(t, task) })
	before := snapshot(t, "proved")
	report := mustVerify(t, task)
	got := make([]string, 0, len(report.Checks))
	for _, check := range report.Checks {
		got = append(got, check.Name)
	}
	want := []string{
		"login proved_a", "login proved_app", "login proved_report", "database proved", "proved_a acts as the owner",
		"proved_a has no rights beyond its database", "setting intervalstyle", "setting search_path", "extension uuid-ossp",
		"proved_a makes tables in schema ehr", "proved_a makes tables in schema ext",
		"proved_app has no rights beyond its database", "proved_app uses schema ehr", "proved_app makes nothing in schema ehr",
		"proved_app uses schema ext", "proved_app makes nothing in schema ext",
		"proved_app may: SELECT id FROM \"dpi_operator_probe\".probe", "proved_app may: INSERT INTO \"dpi_operator_probe\".probe VALUES (2)",
		"proved_app may: UPDATE \"dpi_operator_probe\".probe SET id = 3", "proved_app may: DELETE FROM \"dpi_operator_probe\".probe",
		"proved_app may not: DROP TABLE \"dpi_operator_probe\".probe", "proved_app may not: CREATE TABLE \"dpi_operator_probe\".other (id int)",
		"proved_report has no rights beyond its database", "proved_report uses schema ehr", "proved_report makes nothing in schema ehr",
		"proved_report uses schema ext", "proved_report makes nothing in schema ext",
		"proved_report may: SELECT id FROM \"dpi_operator_probe\".probe",
		"proved_report may not: DROP TABLE \"dpi_operator_probe\".probe", "proved_report may not: CREATE TABLE \"dpi_operator_probe\".other (id int)",
		"proved_report may not: INSERT INTO \"dpi_operator_probe\".probe VALUES (2)", "proved_report may not: UPDATE \"dpi_operator_probe\".probe SET id = 3",
		"proved_report may not: DELETE FROM \"dpi_operator_probe\".probe",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, snapshot(t, "proved")); diff != "" {
		t.Errorf("the proof left something behind (-before +after):\n%s", diff)
	}
}

func TestVerify_withoutProvisioningIsNotDone(t *testing.T) {
	task := ehrbase("unmade")
	report, err := Server{}.Verify(testContext(t), consumerOnly(task))
	mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCredentialsRejected)
}

func TestVerify_noticesWhatIsBroken(t *testing.T) {
	tests := map[string]struct {
		statements []string
		change     func(*provision.Task)
		want       string
	}{
		"another password of the owner":        {change: func(task *provision.Task) { task.Credentials["password"] = "wrong" }, want: "the server refuses the login: broken_a"},
		"another password of a further login":  {change: func(task *provision.Task) { task.Credentials["app-password"] = "wrong" }, want: "the server refuses the login: broken_app"},
		"a locked login":                       {statements: []string{"ALTER ROLE broken_a NOLOGIN"}, want: "refuses the login: broken_a"},
		"a superuser":                          {statements: []string{"ALTER ROLE broken_app SUPERUSER"}, want: "broken_app has no rights beyond its database: it acts for the privileged broken_app"},
		"a member of a superuser":              {statements: []string{"GRANT postgres TO broken_a"}, want: "it acts for the privileged postgres"},
		"one who may run programs":             {statements: []string{"GRANT pg_execute_server_program TO broken_a"}, want: "broken_a has no rights beyond its database: it acts for the privileged pg_execute_server_program"},
		"an owner who may write files":         {statements: []string{"GRANT pg_write_server_files TO broken"}, want: "it acts for the privileged pg_write_server_files"},
		"an owner who may read files":          {statements: []string{"GRANT pg_read_server_files TO broken"}, want: "it acts for the privileged pg_read_server_files"},
		"one who may end sessions of others":   {statements: []string{"GRANT pg_signal_backend TO broken_app"}, want: "broken_app has no rights beyond its database: it acts for the privileged pg_signal_backend"},
		"readers of everything":                {statements: []string{"GRANT pg_read_all_data TO broken__read"}, want: "broken_report has no rights beyond its database: it acts for the privileged pg_read_all_data"},
		"writers of everything":                {statements: []string{"GRANT pg_write_all_data TO broken__write"}, want: "broken_app has no rights beyond its database: it acts for the privileged pg_write_all_data"},
		"a watcher of the server":              {statements: []string{"GRANT pg_monitor TO broken_a"}, want: "it acts for the privileged pg_monitor"},
		"a member of another binding's owner":  {statements: []string{"CREATE ROLE another", "COMMENT ON ROLE another IS 'dpi-operator.io/binding namespace=justice name=another uid=x state=active'", "GRANT another TO broken"}, want: "it acts for the privileged another"},
		"a login that does not act as owner":   {statements: []string{"ALTER ROLE broken_a RESET role", "REVOKE broken FROM broken_a", "GRANT CONNECT ON DATABASE broken TO broken_a"}, want: "broken_a acts as the owner"},
		"a setting that is gone":               {statements: []string{"ALTER DATABASE broken RESET intervalstyle"}, want: `setting intervalstyle: it is "postgres"`},
		"an extension that is gone":            {statements: []string{`\inside DROP EXTENSION "uuid-ossp"`}, want: "extension uuid-ossp: the database does not have it"},
		"a schema that is gone":                {statements: []string{`\inside DROP SCHEMA ehr CASCADE`}, want: "broken_a makes tables in schema ehr"},
		"a schema of another":                  {statements: []string{`\inside ALTER SCHEMA ehr OWNER TO postgres`}, want: "broken_a makes tables in schema ehr"},
		"no usage for a further login":         {statements: []string{`\inside REVOKE USAGE ON SCHEMA ehr FROM broken__write`}, want: "broken_app uses schema ehr: it may not"},
		"too much for a further login":         {statements: []string{`\inside GRANT CREATE ON SCHEMA ehr TO broken__write`}, want: "broken_app makes nothing in schema ehr: it may"},
		"a reader who may write":               {statements: []string{`\inside ALTER DEFAULT PRIVILEGES FOR ROLE broken GRANT DELETE ON TABLES TO broken__read`}, want: "broken_report may not: DELETE"},
		"a writer who may not":                 {statements: []string{`\inside ALTER DEFAULT PRIVILEGES FOR ROLE broken REVOKE INSERT ON TABLES FROM broken__write`}, want: "broken_app may: INSERT"},
		"a database that takes no changes":     {statements: []string{"ALTER DATABASE broken SET default_transaction_read_only = on"}, want: "broken_a makes tables in schema ehr"},
		"a database that was given to another": {statements: []string{"ALTER DATABASE broken OWNER TO postgres", "GRANT CONNECT ON DATABASE broken TO broken"}, want: "broken_a acts as the owner: the database belongs to postgres"},
		"a database that lets no one in":       {statements: []string{"ALTER DATABASE broken CONNECTION LIMIT 0"}, want: "too many connections"},
		"a database that another has in place": {statements: []string{"ALTER DATABASE broken OWNER TO postgres"}, want: "broken_a may not connect to the database broken"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			task := ehrbase("broken")
			mustProvision(t, task)
			t.Cleanup(func() {
				remove(t, ehrbase("broken"))
				mustExec(t, superuser(t, "postgres"), "DROP ROLE IF EXISTS another")
			})
			mustVerify(t, task)
			for _, statement := range test.statements {
				database := "postgres"
				if inside, ok := strings.CutPrefix(statement, `\inside `); ok {
					database, statement = "broken", inside
				}
				conn := superuser(t, database)
				mustExec(t, conn, statement)
				if err := conn.Close(testContext(t)); err != nil {
					t.Fatal(err)
				}
			}
			changed := ehrbase("broken")
			if test.change != nil {
				test.change(&changed)
			}
			report, err := Server{}.Verify(testContext(t), consumerOnly(changed))
			result := provision.Conclude(provision.Request{}, report, err)
			if result.Phase == provision.PhaseDone || !strings.Contains(result.Message, test.want) {
				t.Errorf("ended %s (%s): %q; want it to say %q", result.Phase, result.Reason, result.Message, test.want)
			}
		})
	}
}

func TestVerify_isMendedByProvisioningAgain(t *testing.T) {
	task := ehrbase("mended")
	mustProvision(t, task)
	t.Cleanup(func() { remove(t, task) })
	mustExec(t, superuser(t, "postgres"), "ALTER ROLE mended_a NOLOGIN", "ALTER ROLE mended_app SUPERUSER PASSWORD 'x'",
		"ALTER DATABASE mended RESET ALL", "GRANT CONNECT ON DATABASE mended TO PUBLIC", "GRANT postgres TO mended_a", "ALTER ROLE mended_report NOINHERIT")
	mustExec(t, superuser(t, "mended"), "DROP SCHEMA ext CASCADE", "ALTER SCHEMA ehr OWNER TO postgres",
		"ALTER DEFAULT PRIVILEGES FOR ROLE mended REVOKE INSERT ON TABLES FROM mended__write", "REVOKE USAGE ON SCHEMA ehr FROM mended__read")
	mustProvision(t, task)
	mustVerify(t, task)
}

func TestVerify_isMendedWhereRolesAreMembersOfForeignOnes(t *testing.T) {
	task := ehrbase("joined")
	mustProvision(t, task)
	t.Cleanup(func() { remove(t, task) })
	before := snapshot(t, "joined")
	mustExec(t, superuser(t, "postgres"), "GRANT pg_execute_server_program, postgres TO joined", "GRANT pg_read_all_data TO joined__read",
		"GRANT pg_write_all_data TO joined__write", "GRANT pg_signal_backend TO joined_app")
	mustProvision(t, task)
	if diff := cmp.Diff(before, snapshot(t, "joined")); diff != "" {
		t.Errorf("memberships are left (-before +after):\n%s", diff)
	}
	mustVerify(t, task)
}

// An owner can put functions of its own before the server's, but not to hide what its logins may do.
func TestVerify_isNotFooledByTheOwner(t *testing.T) {
	task := newTask("fooling", parameters{})
	mustProvision(t, task)
	t.Cleanup(func() { remove(t, task) })
	owner := connect(t, "fooling", "fooling_a", task.Credentials["password"])
	mustExec(t, owner, "CREATE FUNCTION public.pg_has_role(name, oid, text) RETURNS boolean LANGUAGE sql AS $$ SELECT $3 = 'USAGE' $$",
		"CREATE VIEW public.pg_roles AS SELECT * FROM pg_catalog.pg_roles WHERE false",
		"ALTER DATABASE fooling SET search_path = public, pg_catalog")
	mustExec(t, superuser(t, "postgres"), "GRANT pg_execute_server_program TO fooling_a")
	report, err := Server{}.Verify(testContext(t), consumerOnly(task))
	result := mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCheckFailed)
	if !strings.Contains(result.Message, "pg_execute_server_program") {
		t.Errorf("got %q, want it to name what the login may do", result.Message)
	}
}

func TestVerify_cleansUpAfterAKilledProof(t *testing.T) {
	task := ehrbase("interrupted")
	mustProvision(t, task)
	t.Cleanup(func() { remove(t, task) })
	before := snapshot(t, "interrupted")
	for messages := 10; ; messages += 7 {
		broken := &fuse{messages: messages}
		_, err := Server{dial: broken.dial}.Verify(testContext(t), consumerOnly(task))
		if err == nil && !broken.blown {
			return
		}
		mustVerify(t, task)
		if diff := cmp.Diff(before, snapshot(t, "interrupted")); diff != "" {
			t.Fatalf("killed after message %d, then run again (-before +after):\n%s", messages, diff)
		}
	}
}

// An administrator who hands a login over names things as is custom there: the database as its owner, in letters of any case.
func TestVerify_ofWhatAnAdministratorMade(t *testing.T) {
	for _, name := range []string{"by_dba", "EHR-prod"} {
		t.Run(name, func(t *testing.T) {
			task := newTask(name, parameters{})
			task.Request.Outputs["username"] = name
			quoted := identifier(name)
			mustExec(t, superuser(t, "postgres"), "CREATE ROLE "+quoted+" LOGIN PASSWORD "+literal(task.Credentials["password"]), "CREATE DATABASE "+quoted+" OWNER "+quoted)
			t.Cleanup(func() {
				mustExec(t, superuser(t, "postgres"), "DROP DATABASE "+quoted+" WITH (FORCE)", "DROP ROLE "+quoted)
			})
			mustVerify(t, task)
			report, err := Server{}.Provision(testContext(t), task)
			mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonInvalidRequest)
		})
	}
}
