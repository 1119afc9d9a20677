package postgresql

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// probeSchema is where rights on the owner's objects are tried: a schema of its own, because migration tools refuse a
	// schema that is not empty.
	probeSchema    = "dpi_operator_probe"
	cleanupTimeout = 10 * time.Second
)

// proveOthers makes a table as the owner and lets each further login show what it may do with it.
func (p prover) proveOthers(ctx context.Context, sessions []*session) error {
	owner := sessions[0]
	if err := owner.lock(ctx, "probe/"+p.wanted.database); err != nil {
		return err
	}
	schema := identifier(probeSchema)
	err := owner.together(ctx, []string{
		"DROP SCHEMA IF EXISTS " + schema + " CASCADE", "CREATE SCHEMA " + schema,
		"CREATE TABLE " + schema + ".probe (id int)", "INSERT INTO " + schema + ".probe VALUES (1)",
	})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		// What a killed run leaves, the next one drops first.
		_ = owner.run(ctx, "DROP SCHEMA IF EXISTS "+schema+" CASCADE")
	}()
	for i, each := range p.wanted.logins[1:] {
		if err := p.proveOther(ctx, each, sessions[i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (p prover) proveOther(ctx context.Context, each login, s *session) error {
	if err := p.proveNoRights(ctx, each, s); err != nil {
		return err
	}
	if err := p.proveUsage(ctx, each, s); err != nil {
		return err
	}
	table := identifier(probeSchema) + ".probe"
	may := []string{"SELECT id FROM " + table}
	mayNot := []string{"DROP TABLE " + table, "CREATE TABLE " + identifier(probeSchema) + ".other (id int)"}
	change := []string{"INSERT INTO " + table + " VALUES (2)", "UPDATE " + table + " SET id = 3", "DELETE FROM " + table}
	if each.privilege == asWrite {
		may = append(may, change...)
	} else {
		mayNot = append(mayNot, change...)
	}
	for _, statement := range may {
		if err := p.tryAs(ctx, each, s, trial{statement: statement, allowed: true}); err != nil {
			return err
		}
	}
	for _, statement := range mayNot {
		if err := p.tryAs(ctx, each, s, trial{statement: statement}); err != nil {
			return err
		}
	}
	return nil
}

// proveUsage looks at the schemas that were asked for; objects in them come and go with the consumer.
func (p prover) proveUsage(ctx context.Context, each login, s *session) error {
	for _, schema := range p.wanted.schemas {
		var usage, create bool
		err := s.one(ctx, `
SELECT coalesce(bool_or(has_schema_privilege(oid, 'USAGE')), false), coalesce(bool_or(has_schema_privilege(oid, 'CREATE')), false)
  FROM pg_namespace WHERE nspname = $1`, []any{schema}, &usage, &create)
		if err != nil {
			return err
		}
		p.report.Check(each.username+" uses schema "+schema, want(usage, "it may not"))
		p.report.Check(each.username+" makes nothing in schema "+schema, want(!create, "it may"))
	}
	return nil
}

// trial is a statement and whether it should go through.
type trial struct {
	statement string
	allowed   bool
}

// tryAs runs a statement and undoes it.
func (p prover) tryAs(ctx context.Context, each login, s *session, t trial) error {
	tx, err := s.conn.BeginTx(ctx, pgx.TxOptions{})
	if err != nil {
		return classify(err)
	}
	_, err = tx.Exec(ctx, t.statement)
	if undone := tx.Rollback(ctx); undone != nil {
		return classify(undone)
	}
	if err != nil && code(err) == "" {
		return classify(err)
	}
	if t.allowed {
		p.report.Check(each.username+" may: "+t.statement, classify(err))
		return nil
	}
	refused := code(err) == codeNotPermitted
	p.report.Check(each.username+" may not: "+t.statement, want(refused, "%s", outcome(err)))
	return nil
}

func outcome(err error) string {
	if err == nil {
		return "it may"
	}
	return fmt.Sprintf("the server refuses it for another reason: %v", classify(err))
}
