package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/endpoint"
)

const (
	// probeTable is made and dropped by each proof. One that a killed proof left is dropped by the next: a binding has one
	// proof at a time, and the database belongs to one binding.
	probeTable  = "dpi_operator_probe"
	dialTimeout = 10 * time.Second
	dropTimeout = 10 * time.Second
)

// Numbers of the server's errors.
const (
	deniedToDatabase   = 1044
	deniedLogin        = 1045
	unknownDatabase    = 1049
	tooManyConnections = 1040
	shuttingDown       = 1053
	deniedPlugin       = 1698
)

// systemDatabases are visible to every login, with what it may see of them.
var systemDatabases = []string{"information_schema", "performance_schema"}

// parameters of mysql-v1.
type parameters struct {
	Database     string `json:"database"`
	CharacterSet string `json:"characterSet"`
	Collation    string `json:"collation"`
}

// Verify proves the edge with the consumer's login: it makes, fills, reads and drops a table in a database that is as asked
// for, and has no right on anything else.
func Verify(ctx context.Context, task provision.Task) (provision.Report, error) {
	var report provision.Report
	var asked parameters
	if err := json.Unmarshal(task.Request.Parameters, &asked); err != nil {
		return report, provision.Failed(provision.ReasonInvalidRequest, "the parameters are not those of mysql-v1: %w", err)
	}
	config, err := configOf(task)
	if err != nil {
		return report, err
	}
	connector, err := driver.NewConnector(config)
	if err != nil {
		return report, provision.Failed(provision.ReasonInvalidRequest, "the login cannot be used: %w", err)
	}
	pool := sql.OpenDB(connector)
	defer func() { _ = pool.Close() }()
	session, err := pool.Conn(ctx)
	if err != nil {
		return report, classify(ctx, config, err)
	}
	defer func() { _ = session.Close() }()
	report.Check("login "+config.User, nil)
	p := prover{session: session, config: config, report: &report}
	for _, step := range []func(context.Context, parameters) error{p.proveDatabase, p.proveRights, p.proveTable} {
		if err := step(ctx, asked); err != nil {
			return report, err
		}
	}
	report.Message = "logged in to " + config.DBName + " as " + config.User
	return report, nil
}

func configOf(task provision.Task) (*driver.Config, error) {
	host, port, err := endpoint.Consumer(task)
	if err != nil {
		return nil, err
	}
	config := driver.NewConfig()
	config.User, config.Passwd, config.DBName = task.Value("username"), task.Credentials["password"], task.Value("database")
	if config.User == "" || config.Passwd == "" || config.DBName == "" {
		return nil, provision.Failed(provision.ReasonInvalidRequest, "the binding's Secret needs the keys database, username and password")
	}
	config.Net, config.Addr, config.Timeout = "tcp", endpoint.Address(host, port), dialTimeout
	config.Logger = &driver.NopLogger{}
	config.TLS, err = endpoint.TLS(task.Credentials, host)
	return config, err
}

// prover collects checks. Its methods return an error only when the proof itself could not be made.
type prover struct {
	session *sql.Conn
	config  *driver.Config
	report  *provision.Report
}

func (p prover) proveDatabase(ctx context.Context, asked parameters) error {
	var characterSet, collation string
	row := p.session.QueryRowContext(ctx, "SELECT @@character_set_database, @@collation_database")
	if err := row.Scan(&characterSet, &collation); err != nil {
		return classify(ctx, p.config, err)
	}
	// MariaDB and MySQL 8 name the old three-byte set anew.
	if strings.TrimSuffix(characterSet, "mb3") == asked.CharacterSet {
		characterSet = asked.CharacterSet
	}
	p.report.Check("character set", same(characterSet, asked.CharacterSet))
	p.report.Check("collation", same(collation, asked.Collation))
	return nil
}

func same(got, want string) error {
	if want != "" && got != want {
		return fmt.Errorf("it is %s, want %s", got, want)
	}
	return nil
}

// proveRights makes sure that the login reaches nothing but its database.
func (p prover) proveRights(ctx context.Context, _ parameters) error {
	visible, err := p.words(ctx, "SHOW DATABASES")
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(visible, func(name string) bool {
		return strings.EqualFold(name, p.config.DBName) || slices.Contains(systemDatabases, strings.ToLower(name))
	})
	var foreign error
	if len(others) > 0 {
		foreign = fmt.Errorf("it reaches %s", strings.Join(others, ", "))
	}
	p.report.Check(p.config.User+" reaches its database only", foreign)
	grants, err := p.words(ctx, "SHOW GRANTS")
	if err != nil {
		return err
	}
	var general error
	for _, grant := range grants {
		if rights := globalRights(grant); rights != "" {
			general = fmt.Errorf("it has %s on everything", rights)
		}
	}
	p.report.Check(p.config.User+" has no rights beyond its database", general)
	return nil
}

// globalRights returns what a line of SHOW GRANTS gives on everything. The rest of the line may hold a hash of the password.
func globalRights(grant string) string {
	head, _, ok := strings.Cut(grant, " ON *.* TO ")
	rights := strings.TrimPrefix(head, "GRANT ")
	if !ok || rights == "USAGE" {
		return ""
	}
	return rights
}

func (p prover) words(ctx context.Context, query string) ([]string, error) {
	rows, err := p.session.QueryContext(ctx, query)
	if err != nil {
		return nil, classify(ctx, p.config, err)
	}
	defer func() { _ = rows.Close() }()
	var words []string
	for rows.Next() {
		var word string
		if err := rows.Scan(&word); err != nil {
			return nil, fmt.Errorf("%s: %w", query, err)
		}
		words = append(words, word)
	}
	return words, classify(ctx, p.config, rows.Err())
}

func (p prover) proveTable(ctx context.Context, _ parameters) error {
	var failed error
	for _, statement := range []string{
		"DROP TABLE IF EXISTS " + probeTable, "CREATE TABLE " + probeTable + " (id INT PRIMARY KEY)", "INSERT INTO " + probeTable + " VALUES (1)",
		"UPDATE " + probeTable + " SET id = 2", "DELETE FROM " + probeTable + " WHERE id = 2", "DROP TABLE " + probeTable,
	} {
		if _, failed = p.session.ExecContext(ctx, statement); failed != nil {
			break
		}
	}
	if failed != nil {
		p.dropProbe(ctx)
		if _, answered := errors.AsType[*driver.MySQLError](failed); !answered {
			return classify(ctx, p.config, failed)
		}
	}
	p.report.Check(p.config.User+" makes, fills and drops a table", failed)
	return nil
}

// dropProbe leaves nothing behind, even where the time given to the proof is over. If it fails the next proof does it.
func (p prover) dropProbe(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
	defer cancel()
	_, _ = p.session.ExecContext(ctx, "DROP TABLE IF EXISTS "+probeTable)
}

// classify turns an error of the driver into a problem. The server's words hold no secret.
func classify(ctx context.Context, config *driver.Config, err error) error {
	if err == nil {
		return nil
	}
	if said, ok := errors.AsType[*driver.MySQLError](err); ok {
		switch said.Number {
		case deniedLogin, deniedPlugin:
			return provision.Failed(provision.ReasonCredentialsRejected, "%s refuses the login %s (%d)", config.Addr, config.User, said.Number)
		case deniedToDatabase, unknownDatabase:
			return provision.Failed(provision.ReasonCredentialsRejected, "the login %s does not open the database %s (%d)", config.User, config.DBName, said.Number)
		case tooManyConnections, shuttingDown:
			return provision.Retry(provision.ReasonProviderUnavailable, "%s is not ready: %w", config.Addr, err)
		}
		return provision.Failed(provision.ReasonProviderError, "the server says: %w", err)
	}
	if problem := endpoint.Unreachable(ctx, err); problem != nil {
		return problem
	}
	return provision.Retry(provision.ReasonProviderUnavailable, "the connection to %s broke: %w", config.Addr, err)
}
