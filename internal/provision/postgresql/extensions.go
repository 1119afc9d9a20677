package postgresql

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

const (
	publicSchema = "public"
	// scratchSchema begins the name of a schema that lasts for one transaction and that no one else ever sees.
	scratchSchema = "dpi_operator_scratch_"
)

// extension is one that the server has the files of.
type extension struct {
	Name string
	// Schema is set where the extension insists on one.
	Schema string
	// Trusted means that PostgreSQL lets owners of databases install it themselves, because its script is safe among their
	// objects.
	Trusted bool
	// Movable means that it can be given another schema once it is installed.
	Movable bool
	// Requires are the extensions it needs.
	Requires []string
}

// Servers before version 13 trust none.
const missingExtensionsQuery = `
SELECT a.name::text, coalesce(v.schema::text, ''), v.superuser AND coalesce((to_jsonb(v)->>'trusted')::boolean, false), v.relocatable,
       coalesce(v.requires, '{}')::text[]
  FROM pg_available_extensions a JOIN pg_available_extension_versions v ON v.name = a.name AND v.version = a.default_version
 WHERE a.name = ANY($1) AND a.name NOT IN (SELECT extname FROM pg_extension) ORDER BY 1`

// installation is the making of extensions in one transaction. The script of one runs with the admin's rights and finds
// names in its schema and in those of the extensions it needs. Unless PostgreSQL trusts it, nothing of the consumer's may be
// there: it runs in a schema that the transaction itself makes, where no one else can put anything before it is over.
type installation struct {
	wanted     wanted
	statements []string
	// own are the schemas that only the server or this transaction has put anything into.
	own map[string]bool
	// exposed are the extensions in other schemas.
	exposed map[string]bool
}

func extensionStatements(ctx context.Context, inside *session, w wanted) ([]string, error) {
	if len(w.extensions) == 0 {
		return nil, nil
	}
	missing, err := missingExtensions(ctx, inside, w.extensions)
	if err != nil {
		return nil, err
	}
	present, err := inside.words(ctx, "SELECT extname::text FROM pg_extension WHERE extnamespace <> 'pg_catalog'::regnamespace")
	if err != nil {
		return nil, err
	}
	i := installation{wanted: w, own: map[string]bool{"pg_catalog": true}, exposed: map[string]bool{}}
	for _, name := range present {
		i.exposed[name] = true
	}
	for _, each := range missing {
		if err := i.prepare(ctx, inside, each); err != nil {
			return nil, err
		}
	}
	for _, each := range missing {
		if err := i.install(each); err != nil {
			return nil, err
		}
	}
	return i.statements, nil
}

func missingExtensions(ctx context.Context, inside *session, names []string) ([]extension, error) {
	rows, err := inside.conn.Query(ctx, missingExtensionsQuery, names)
	if err != nil {
		return nil, classify(err)
	}
	missing, err := pgx.CollectRows(rows, pgx.RowToStructByPos[extension])
	return missing, classify(err)
}

func (i *installation) schemaOf(e extension) string {
	if e.Schema != "" {
		return e.Schema
	}
	return i.wanted.extensionSchema()
}

// prepare makes the extension's schema anew where nothing is lost by it.
func (i *installation) prepare(ctx context.Context, inside *session, e extension) error {
	schema := i.schemaOf(e)
	if i.own[schema] {
		return nil
	}
	uses, err := inside.words(ctx, `
SELECT count(d.objid)::text FROM pg_namespace n LEFT JOIN pg_depend d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid
 WHERE n.nspname = $1 GROUP BY n.oid`, schema)
	if err != nil {
		return err
	}
	missing, asked := len(uses) == 0, slices.Contains(i.wanted.schemas, schema)
	switch {
	case missing && !asked && e.Schema != "":
		// CREATE EXTENSION would make it as well, but take one that someone else makes first.
		i.statements = append(i.statements, "CREATE SCHEMA "+identifier(schema))
	case missing && !asked:
		i.make(schema)
	case !e.Trusted && (missing || uses[0] == "0"):
		// The server refuses this where someone puts something there meanwhile.
		i.statements = append(i.statements, "DROP SCHEMA "+identifier(schema))
		i.make(schema)
	default:
		return nil
	}
	i.own[schema] = true
	return nil
}

func (i *installation) make(schema string) {
	i.statements = append(i.statements, "CREATE SCHEMA "+identifier(schema)+" AUTHORIZATION "+identifier(i.wanted.owner()))
	if schema == publicSchema {
		i.statements = append(i.statements, "GRANT USAGE ON SCHEMA public TO PUBLIC")
	}
}

// install adds the statements that make the extension, or refuses to.
func (i *installation) install(e extension) error {
	schema := i.schemaOf(e)
	create := "CREATE EXTENSION " + identifier(e.Name)
	placed := create
	if e.Schema == "" {
		placed += " SCHEMA " + identifier(schema)
	}
	needsExposed := slices.ContainsFunc(e.Requires, func(name string) bool { return i.exposed[name] })
	switch {
	case e.Trusted, i.own[schema] && !needsExposed:
		i.statements = append(i.statements, placed)
	case e.Movable && !needsExposed:
		scratch := identifier(scratchSchema + strings.ToLower(rand.Text()))
		i.statements = append(i.statements, "CREATE SCHEMA "+scratch, create+" SCHEMA "+scratch,
			"ALTER EXTENSION "+identifier(e.Name)+" SET SCHEMA "+identifier(schema), "DROP SCHEMA "+scratch)
	default:
		return provision.Failed(ReasonExtensionUnavailable,
			"the script of the extension %s would run with the admin's rights among what the consumer can make, in the schema %s or in that of an extension it needs; "+
				"let an administrator look there and run %s in the database %s, or ask for it in a new schema, first in search_path", e.Name, schema, placed, i.wanted.database)
	}
	i.exposed[e.Name] = !i.own[schema]
	return nil
}
