package postgresql

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// The owner of a database chooses what sessions in it begin with, the admin's included: with a search path through its own
// schemas, functions and operators of its own would run with the admin's rights. What a session sets itself wins.
const (
	// catalogPath lets names mean the server's own objects only. pg_temp stands last, where it would come first if unnamed.
	catalogPath = "search_path = pg_catalog, pg_temp"
	// ownSettings come first. SET looks nothing up, so that no setting made before can turn it into something else.
	ownSettings = "SET statement_timeout = 0; SET " + catalogPath + "; SET ROLE NONE; SET client_encoding = 'UTF8'; " +
		"SET default_transaction_read_only = off; SET default_transaction_deferrable = off; SET default_transaction_isolation = 'read committed'"
	// ordinarySettings undo all else that an owner can choose, such as timeouts, without naming what older servers lack.
	ordinarySettings = "SELECT set_config(name, boot_val, false) FROM pg_settings WHERE source = 'database' AND context = 'user'"
)

// openAsAdmin is open with the reason an admin credential deserves, for a session in which nothing that a consumer made runs.
// Statements in it name the schema of whatever is not the server's own.
func (t target) openAsAdmin(ctx context.Context, database string) (*session, error) {
	if t.username == "" || t.password == "" {
		return nil, provision.Failed(provision.ReasonInvalidRequest, "the provider's admin Secret needs the keys username and password")
	}
	config, err := t.config(database)
	if err != nil {
		return nil, err
	}
	config.AfterConnect = shutOutConsumers
	opened, err := t.connect(ctx, config)
	switch {
	case errors.Is(err, errRejected):
		return nil, provision.Failed(provision.ReasonAdminCredentialRejected, "%w; correct the provider's admin Secret", err)
	case errors.Is(err, errInsecure):
		return nil, provision.Failed(ReasonInsecureLogin, "%w, or add the server's authority to the provider's admin Secret as %s", err, caKey)
	}
	return opened, err
}

// shutOutConsumers sends statements rather than parameters of the login: a pooler may refuse those, or drop them in silence.
func shutOutConsumers(ctx context.Context, conn *pgconn.PgConn) error {
	for _, statements := range []string{ownSettings, ordinarySettings} {
		if _, err := conn.Exec(ctx, statements).ReadAll(); err != nil {
			return err
		}
	}
	return nil
}
