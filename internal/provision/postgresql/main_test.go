package postgresql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/postgresql/pgtest"
)

var server *pgtest.Server

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	var err error
	server, err = pgtest.Start(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := server.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

const testTimeout = 60 * time.Second

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	return ctx
}

// ehrbase asks for what EHRbase needs: an owner for its migrations and a login that only uses their tables.
func ehrbase(name string) provision.Task {
	return newTask(name, parameters{
		Extensions: []string{"uuid-ossp"}, Schemas: []string{"ehr", "ext"},
		Settings: map[string]string{"intervalstyle": "iso_8601", "search_path": "ext"},
		Roles:    []roleParameter{{Name: "app", Privileges: asWrite}, {Name: "report", Privileges: asRead}},
	})
}

func newTask(name string, asked parameters) provision.Task {
	raw, err := json.Marshal(asked)
	if err != nil {
		panic(err)
	}
	task := provision.Task{
		Request: provision.Request{
			APIVersion: provision.APIVersion, Handler: "postgresql", Contract: "postgresql-v1",
			Binding:    provision.Binding{UID: "uid-of-" + name, Namespace: "health", Name: name},
			Endpoint:   provision.Endpoint{Host: "127.0.0.1", Port: server.Port},
			Parameters: raw,
			Outputs:    map[string]string{"database": name, "username": name + "_a"},
		},
		Admin:       provision.Secrets{"username": pgtest.Username, "password": pgtest.Password},
		Credentials: provision.Secrets{"password": `It's "owner"\ of ` + name},
	}
	for _, role := range asked.Roles {
		task.Request.Outputs[role.Name+"-username"] = name + "_" + role.Name
		task.Credentials[role.Name+"-password"] = role.Name + " of " + name
	}
	return task
}

// consumerOnly is the task as a verify Job has it.
func consumerOnly(task provision.Task) provision.Task {
	task.Request.Action = provision.ActionVerify
	task.Admin = nil
	return task
}

func mustProvision(t *testing.T, task provision.Task) {
	t.Helper()
	report, err := Server{}.Provision(testContext(t), task)
	mustBeDone(t, provision.ActionProvision, report, err)
}

func mustVerify(t *testing.T, task provision.Task) provision.Report {
	t.Helper()
	report, err := Server{}.Verify(testContext(t), consumerOnly(task))
	mustBeDone(t, provision.ActionVerify, report, err)
	return report
}

func mustBeDone(t *testing.T, action provision.Action, report provision.Report, err error) {
	t.Helper()
	result := provision.Conclude(provision.Request{Action: action}, report, err)
	if result.Phase != provision.PhaseDone {
		t.Fatalf("%s ended %s (%s): %s", action, result.Phase, result.Reason, result.Message)
	}
}

// mustEnd expects a phase and reason.
func mustEnd(t *testing.T, report provision.Report, err error, phase provision.Phase, reason string) provision.Result {
	t.Helper()
	result := provision.Conclude(provision.Request{}, report, err)
	if result.Phase != phase || result.Reason != reason {
		t.Fatalf("ended %s (%s): %q; want %s (%s)", result.Phase, result.Reason, result.Message, phase, reason)
	}
	return result
}

func remove(t *testing.T, task provision.Task) {
	t.Helper()
	task.Request.DataPolicy = provision.DeleteData
	report, err := Server{}.Revoke(testContext(t), task)
	mustBeDone(t, provision.ActionRevoke, report, err)
}

func connect(t *testing.T, database, username, password string) *pgx.Conn {
	t.Helper()
	opened, err := target{endpoint: provision.Endpoint{Host: "127.0.0.1", Port: server.Port}, username: username, password: password}.open(testContext(t), database)
	if err != nil {
		t.Fatalf("log in to %s as %s: %v", database, username, err)
	}
	t.Cleanup(func() { opened.close(context.Background()) })
	return opened.conn
}

func superuser(t *testing.T, database string) *pgx.Conn {
	t.Helper()
	return connect(t, database, pgtest.Username, pgtest.Password)
}

func mustExec(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := conn.Exec(testContext(t), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// snapshot is the state of everything a binding has on the server, with its name taken out.
func snapshot(t *testing.T, name string) string {
	t.Helper()
	outside := []string{
		`SELECT concat_ws(' ', 'role', r.rolname, r.rolcanlogin, r.rolsuper, r.rolcreatedb, r.rolcreaterole, r.rolinherit, left(a.rolpassword, 14), shobj_description(r.oid, 'pg_authid'))
		   FROM pg_roles r JOIN pg_authid a ON a.oid = r.oid WHERE r.rolname LIKE $1 ORDER BY 1`,
		`SELECT concat_ws(' ', 'member', g.rolname, m.rolname, am.admin_option) FROM pg_auth_members am JOIN pg_roles g ON g.oid = roleid JOIN pg_roles m ON m.oid = member WHERE m.rolname LIKE $1 OR g.rolname LIKE $1 ORDER BY 1`,
		`SELECT concat_ws(' ', 'setting', r.rolname, d.datname, s.setconfig) FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = setrole LEFT JOIN pg_database d ON d.oid = setdatabase WHERE r.rolname LIKE $1 OR d.datname LIKE $1 ORDER BY 1`,
		`SELECT concat_ws(' ', 'database', datname, pg_get_userbyid(datdba), datcollate, datacl, shobj_description(oid, 'pg_database')) FROM pg_database WHERE datname LIKE $1 ORDER BY 1`,
	}
	inside := []string{
		`SELECT concat_ws(' ', 'schema', nspname, pg_get_userbyid(nspowner), nspacl) FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%' AND $1 <> '' ORDER BY 1`,
		`SELECT concat_ws(' ', 'extension', extname, extnamespace::regnamespace) FROM pg_extension WHERE $1 <> '' ORDER BY 1`,
		`SELECT concat_ws(' ', 'default', pg_get_userbyid(defaclrole), defaclobjtype, defaclacl) FROM pg_default_acl WHERE $1 <> '' ORDER BY 1`,
		`SELECT concat_ws(' ', 'relation', relnamespace::regnamespace, relname, pg_get_userbyid(relowner), relacl) FROM pg_class WHERE relnamespace::regnamespace::text !~ '^(pg_|information_schema)' AND $1 <> '' ORDER BY 1`,
	}
	lines := queryAll(t, "postgres", name, outside)
	for _, line := range lines {
		if strings.HasPrefix(line, "database "+name+" ") {
			lines = append(lines, queryAll(t, name, name, inside)...)
			break
		}
	}
	return strings.ReplaceAll(strings.Join(lines, "\n"), name, "NAME")
}

func queryAll(t *testing.T, database, name string, queries []string) []string {
	t.Helper()
	conn := superuser(t, database)
	// Databases are dropped, and connections are few, before the test ends.
	defer func() { _ = conn.Close(testContext(t)) }()
	var lines []string
	for _, query := range queries {
		rows, err := conn.Query(testContext(t), query, name+"%")
		if err != nil {
			t.Fatal(err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, found...)
	}
	return lines
}

// fuse stands for the network of a process that is killed: after so many messages to the server went out, every connection
// breaks and none can be made. The server has the last message; its answer is never read.
type fuse struct {
	mu       sync.Mutex
	messages int
	blown    bool
	open     []net.Conn
	sent     []string
}

var errBlown = errors.New("killed")

func (f *fuse) dial(ctx context.Context, network, address string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.blown {
		return nil, errBlown
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	f.open = append(f.open, conn)
	return fusedConn{Conn: conn, fuse: f}, nil
}

type fusedConn struct {
	net.Conn

	fuse *fuse
}

func (c fusedConn) Write(message []byte) (int, error) {
	c.fuse.mu.Lock()
	defer c.fuse.mu.Unlock()
	if c.fuse.blown {
		return 0, errBlown
	}
	n, err := c.Conn.Write(message)
	c.fuse.sent = append(c.fuse.sent, string(message))
	c.fuse.messages--
	if c.fuse.messages == 0 {
		c.fuse.blown = true
		for _, open := range c.fuse.open {
			_ = open.Close()
		}
	}
	return n, err
}
