package mysql_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/mysql"
	"github.com/dpi-operator/dpi-operator/internal/provision/servertest"
)

var (
	port   int32
	socket string
)

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	server, dir, err := start(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := errors.Join(server.Stop(), os.RemoveAll(dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// start runs the distribution's MariaDB.
func start(ctx context.Context) (*servertest.Server, string, error) {
	dir, err := servertest.Dir("mariadb")
	if err != nil {
		return nil, dir, err
	}
	if port, err = servertest.Port(); err != nil {
		return nil, dir, err
	}
	data := filepath.Join(dir, "data")
	socket = filepath.Join(dir, "socket")
	_, err = servertest.Run(ctx, servertest.Spec{Name: "mariadb-install-db", Dir: dir, Unprivileged: true, Command: []string{
		"mariadb-install-db", "--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-log-bin",
	}})
	if err != nil {
		return nil, dir, err
	}
	server, err := servertest.Start(ctx, servertest.Spec{
		Name: "MariaDB", Dir: dir, Unprivileged: true, Ready: servertest.Accepts(port),
		Command: []string{
			"/usr/sbin/mariadbd", "--no-defaults", "--datadir=" + data, "--socket=" + socket, "--pid-file=" + filepath.Join(dir, "pid"),
			"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(int(port)), "--innodb-buffer-pool-size=32M", "--innodb-flush-method=nosync",
		},
	})
	return server, dir, err
}

func mustExec(t *testing.T, statements ...string) {
	t.Helper()
	config := driver.NewConfig()
	config.User, config.Net, config.Addr = "root", "unix", socket
	connector, err := driver.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	pool := sql.OpenDB(connector)
	defer func() { _ = pool.Close() }()
	for _, statement := range statements {
		if _, err := pool.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func task(name string) provision.Task {
	return provision.Task{
		Request: provision.Request{
			Action: provision.ActionVerify, Parameters: []byte(`{"characterSet": "utf8mb4", "collation": "utf8mb4_unicode_ci"}`),
			Outputs: map[string]string{"host": "127.0.0.1", "port": strconv.Itoa(int(port)), "database": name, "username": name + "_a"},
		},
		Credentials: provision.Secrets{"password": "secret of " + name},
	}
}

// made is a database with its login, as a provisioner or an administrator would make it.
func made(t *testing.T, name string, further ...string) provision.Task {
	t.Helper()
	mustExec(t, "CREATE DATABASE `"+name+"` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
		"CREATE USER `"+name+"_a` IDENTIFIED BY 'secret of "+name+"'", "GRANT ALL ON `"+name+"`.* TO `"+name+"_a`")
	t.Cleanup(func() { mustExecAfter(name) })
	mustExec(t, further...)
	return task(name)
}

// mustExecAfter takes a database away: the context of its test is over by then.
func mustExecAfter(name string) {
	config := driver.NewConfig()
	config.User, config.Net, config.Addr = "root", "unix", socket
	connector, err := driver.NewConnector(config)
	if err != nil {
		panic(err)
	}
	pool := sql.OpenDB(connector)
	defer func() { _ = pool.Close() }()
	for _, statement := range []string{"DROP USER `" + name + "_a`", "DROP DATABASE `" + name + "`"} {
		if _, err := pool.ExecContext(context.Background(), statement); err != nil {
			panic(err)
		}
	}
}

func TestVerify(t *testing.T) {
	wrong := made(t, "wrong")
	wrong.Credentials = provision.Secrets{"password": "guessed wrong"}
	closed := made(t, "closed")
	closed.Request.Outputs["database"] = "mysql"
	away := task("away")
	away.Request.Outputs["port"] = "1"
	plain := made(t, "plain", "ALTER DATABASE plain CHARACTER SET latin1")
	tests := map[string]struct {
		task           provision.Task
		phase          provision.Phase
		reason, saying string
	}{
		"as asked for":                {made(t, "lab", "CREATE TABLE lab.dpi_operator_probe (left_by_a_killed_proof INT)"), provision.PhaseDone, provision.ReasonVerified, "logged in to lab as lab_a"},
		"names that a person chose":   {made(t, "EHR-prod_1"), provision.PhaseDone, provision.ReasonVerified, "logged in to EHR-prod_1 as EHR-prod_1_a"},
		"another character set":       {plain, provision.PhaseFailed, provision.ReasonCheckFailed, "it is latin1, want utf8mb4"},
		"reading only":                {made(t, "reader", "REVOKE ALL ON reader.* FROM reader_a", "GRANT SELECT ON reader.* TO reader_a"), provision.PhaseFailed, provision.ReasonCheckFailed, "makes, fills and drops a table"},
		"rights on another database":  {made(t, "wide", "GRANT SELECT ON mysql.user TO wide_a"), provision.PhaseFailed, provision.ReasonCheckFailed, "it reaches mysql"},
		"rights on everything":        {made(t, "global", "GRANT PROCESS ON *.* TO global_a"), provision.PhaseFailed, provision.ReasonCheckFailed, "it has PROCESS on everything"},
		"another password":            {wrong, provision.PhaseFailed, provision.ReasonCredentialsRejected, "refuses the login wrong_a"},
		"no right to the database":    {closed, provision.PhaseFailed, provision.ReasonCredentialsRejected, "does not open the database mysql"},
		"nobody listens":              {away, provision.PhaseRetry, provision.ReasonProviderUnavailable, "connection refused"},
		"nothing in a Secret":         {provision.Task{Request: away.Request}, provision.PhaseFailed, provision.ReasonInvalidRequest, "username and password"},
		"parameters that are no such": {provision.Task{Request: provision.Request{Parameters: []byte(`[]`)}}, provision.PhaseFailed, provision.ReasonInvalidRequest, "mysql-v1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			report, err := mysql.Verify(t.Context(), test.task)
			result := provision.Conclude(test.task.Request, report, err)
			if result.Phase != test.phase || result.Reason != test.reason || !strings.Contains(result.Message, test.saying) {
				t.Errorf("ended %s (%s): %q; want %s (%s) saying %q", result.Phase, result.Reason, result.Message, test.phase, test.reason, test.saying)
			}
			for _, secret := range []string{test.task.Credentials["password"], "IDENTIFIED"} {
				if secret != "" && strings.Contains(fmt.Sprint(result), secret) {
					t.Error("the result holds a password or its hash")
				}
			}
		})
	}
}

func TestVerify_leavesNothingBehind(t *testing.T) {
	proved := made(t, "clean")
	if _, err := mysql.Verify(t.Context(), proved); err != nil {
		t.Fatal(err)
	}
	// A probe that was left would be in the way.
	mustExec(t, "CREATE TABLE clean.dpi_operator_probe (id INT)")
}
