package postgresql

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

const (
	maintenanceDatabase = "postgres"
	connectTimeout      = 10 * time.Second
	closeTimeout        = 3 * time.Second
	// caKey is the key of a credential Secret with the certificate authority of the server.
	caKey = "ca.crt"
)

// SQLSTATE codes we tell apart; PostgreSQL's documentation, appendix A, has them all.
const (
	codeInvalidAuthorization = "28000"
	codeInvalidPassword      = "28P01"
	codeNoDatabase           = "3D000"
	codeNotPermitted         = "42501"
)

// passingCodes are those whose cause may pass: connection trouble, conflicts with others at work, resources, a server that
// starts or stops; and names that someone took between our look and our making.
var passingCodes = []string{"08", "40", "53", "55", "57", "23505", "42710", "42P04", "42P06"}

// errRejected is matched by errors of logins the server refused.
var errRejected = errors.New("the server refuses the login")

// dialer opens connections to the server.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// target is a server and a way in.
type target struct {
	endpoint provision.Endpoint
	username string
	password string
	ca       string
	dial     dialer
}

// session is one connection. Statements that define objects go through run, so that a pass over what is right can be seen
// to run none.
type session struct {
	conn *pgx.Conn
}

// open logs in to the database. Errors tell whether to try again.
func (t target) open(ctx context.Context, database string) (*session, error) {
	config, err := t.config(database)
	if err != nil {
		return nil, err
	}
	return t.connect(ctx, config)
}

func (t target) connect(ctx context.Context, config *pgx.ConnConfig) (*session, error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err == nil {
		return &session{conn: conn}, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, t.explain(err, config.Database)
}

func (t target) config(database string) (*pgx.ConnConfig, error) {
	address := url.URL{
		Scheme: "postgres", User: url.UserPassword(t.username, t.password), Path: "/" + database,
		Host:     net.JoinHostPort(t.endpoint.Host, strconv.Itoa(int(t.endpoint.Port))),
		RawQuery: "sslmode=prefer&application_name=dpi-operator",
	}
	config, err := pgx.ParseConfig(address.String())
	if err != nil {
		return nil, provision.Failed(provision.ReasonInvalidRequest, "the address %s of the provider is not usable: %w", address.Host, err)
	}
	// Poolers in front of a server do not keep prepared statements.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.ConnectTimeout = connectTimeout
	if t.dial != nil {
		config.DialFunc = pgconn.DialFunc(t.dial)
	}
	if t.ca == "" {
		requireSCRAM(config)
	} else {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(t.ca)) {
			return nil, provision.Failed(provision.ReasonInvalidRequest, "%s of the credential holds no PEM certificate", caKey)
		}
		config.TLSConfig = &tls.Config{RootCAs: roots, ServerName: t.endpoint.Host, MinVersion: tls.VersionTLS12}
		config.Fallbacks = nil
	}
	return config, nil
}

func (t target) explain(err error, database string) error {
	where := net.JoinHostPort(t.endpoint.Host, strconv.Itoa(int(t.endpoint.Port)))
	if errors.Is(err, errInsecure) {
		return provision.Failed(ReasonInsecureLogin,
			"%w: %s; set password_encryption and pg_hba.conf there to scram-sha-256, and the password of %s anew", errInsecure, where, t.username)
	}
	switch code(err) {
	case codeInvalidPassword, codeInvalidAuthorization:
		return provision.Failed(provision.ReasonCredentialsRejected, "%w: %s at %s", errRejected, t.username, where)
	case codeNoDatabase:
		return provision.Failed(provision.ReasonProviderError, "the database %s does not exist at %s", database, where)
	case codeNotPermitted:
		return provision.Failed(provision.ReasonProviderError, "%s may not connect to the database %s at %s", t.username, database, where)
	}
	if code(err) != "" {
		return classify(err)
	}
	return provision.Retry(provision.ReasonProviderUnavailable, "PostgreSQL at %s does not take connections: %w", where, withoutList(err))
}

// withoutList drops the per-address repetition of pgconn's errors, which says the same once for every address tried.
func withoutList(err error) error {
	if network, ok := errors.AsType[*net.OpError](err); ok {
		return network
	}
	return err
}

// close ends the session, politely if the server still listens.
func (s *session) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = s.conn.Close(ctx)
}

// run executes one statement that defines something.
func (s *session) run(ctx context.Context, statement string) error {
	_, err := s.conn.Exec(ctx, statement)
	return classify(err)
}

// together runs statements in one transaction; none of them means no transaction.
func (s *session) together(ctx context.Context, statements []string) error {
	if len(statements) == 0 {
		return nil
	}
	tx, err := s.conn.Begin(ctx)
	if err != nil {
		return classify(err)
	}
	// After a commit this does nothing.
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	for _, statement := range statements {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return classify(err)
		}
	}
	return classify(tx.Commit(ctx))
}

// one reads a single row.
func (s *session) one(ctx context.Context, query string, args []any, into ...any) error {
	return classify(s.conn.QueryRow(ctx, query, args...).Scan(into...))
}

// words reads a column of texts.
func (s *session) words(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := s.conn.Query(ctx, query, args...)
	if err != nil {
		return nil, classify(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return found, classify(err)
}

// catalogWords is words, with names that mean the server's own objects only: in a session of the consumer nothing that it
// made answers instead.
func (s *session) catalogWords(ctx context.Context, query string, args ...any) ([]string, error) {
	tx, err := s.conn.Begin(ctx)
	if err != nil {
		return nil, classify(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := s.run(ctx, "SET LOCAL "+catalogPath); err != nil {
		return nil, err
	}
	return s.words(ctx, query, args...)
}

func code(err error) string {
	if server, ok := errors.AsType[*pgconn.PgError](err); ok {
		return server.Code
	}
	return ""
}

// classify says how a request ends after an error of the driver. What is a problem already stays as it is.
func classify(err error) error {
	var problem *provision.Problem
	switch {
	case err == nil, errors.As(err, &problem), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, pgx.ErrNoRows):
		return err
	}
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		return provision.Retry(provision.ReasonProviderUnavailable, "the connection to PostgreSQL broke: %w", withoutList(err))
	}
	if server.Code == codeNotPermitted {
		return provision.Failed(ReasonNotPermitted, "PostgreSQL refuses: %s (SQLSTATE %s)", server.Message, server.Code)
	}
	for _, passing := range passingCodes {
		if strings.HasPrefix(server.Code, passing) {
			return provision.Retry(provision.ReasonProviderUnavailable, "PostgreSQL cannot at the moment: %s (SQLSTATE %s)", server.Message, server.Code)
		}
	}
	return provision.Failed(provision.ReasonProviderError, "PostgreSQL refuses: %s (SQLSTATE %s)", server.Message, server.Code)
}
