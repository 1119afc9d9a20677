package postgresql

import (
	"strings"
	"testing"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// extensionsIn are the extensions of a database with their schemas.
func extensionsIn(t *testing.T, database string) string {
	t.Helper()
	return strings.Join(queryAll(t, database, "any", []string{
		"SELECT extname || ' in ' || extnamespace::regnamespace FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql' AND $1 <> '' ORDER BY 1"}), ", ")
}

// The script of an extension that PostgreSQL does not call trusted runs with the admin's rights and looks names up in the
// extension's schema, and in those of the extensions it needs: nothing of the consumer's may be there.
func TestProvision_runsScriptsOfExtensionsOutOfTheConsumersReach(t *testing.T) {
	const name = "scripted"
	tests := map[string]struct {
		// before is what the consumer has when extensions are asked for.
		before     []string
		statements []string
		asked      []string
		want       string
		refused    string
	}{
		"in a new database":                  {asked: []string{"cube", "earthdistance", "xml2", "adminpack"}, want: "adminpack in pg_catalog, cube in public, earthdistance in public, xml2 in public"},
		"trusted, where the consumer works":  {statements: []string{"CREATE TABLE public.own (id int)"}, asked: []string{"hstore"}, want: "hstore in public"},
		"movable, where the consumer works":  {statements: []string{"CREATE FUNCTION public.own() RETURNS int LANGUAGE sql AS 'SELECT 1'"}, asked: []string{"pageinspect"}, want: "pageinspect in public"},
		"fixed, where the consumer works":    {statements: []string{"CREATE FUNCTION public.own() RETURNS int LANGUAGE sql AS 'SELECT 1'"}, asked: []string{"xml2"}, refused: "xml2"},
		"needing one where the consumer may": {before: []string{"cube"}, statements: []string{"CREATE TABLE public.own (id int)"}, asked: []string{"cube", "earthdistance"}, refused: "earthdistance"},
	}
	for about, test := range tests {
		t.Run(about, func(t *testing.T) {
			task := newTask(name, parameters{Extensions: test.before})
			t.Cleanup(func() { remove(t, task) })
			if test.statements != nil {
				mustProvision(t, task)
				owner := connect(t, name, name+"_a", task.Credentials["password"])
				mustExec(t, owner, test.statements...)
			}
			asked := newTask(name, parameters{Extensions: test.asked})
			if test.refused != "" {
				report, err := Server{}.Provision(testContext(t), asked)
				result := mustEnd(t, report, err, provision.PhaseFailed, ReasonExtensionUnavailable)
				if !strings.Contains(result.Message, "CREATE EXTENSION "+identifier(test.refused)) {
					t.Errorf("got %q, want it to say how %s is installed by hand", result.Message, test.refused)
				}
				mustExec(t, superuser(t, name), "CREATE EXTENSION "+test.refused)
				mustProvision(t, asked)
				mustVerify(t, asked)
				return
			}
			mustProvision(t, asked)
			if got := extensionsIn(t, name); got != test.want {
				t.Errorf("there are %s; want %s", got, test.want)
			}
			mustVerify(t, asked)
			// What was made for the script belongs to the consumer as ever.
			mustExec(t, connect(t, name, name+"_a", asked.Credentials["password"]), "CREATE TABLE public.later (id int)")
		})
	}
}

func TestProvision_namesTheSchemaOfExtensions(t *testing.T) {
	tests := map[string]struct {
		asked parameters
		want  string
	}{
		"without a path":           {parameters{Schemas: []string{"ext"}}, "hstore in public"},
		"the first of the path":    {parameters{Schemas: []string{"app", "ext"}, Settings: map[string]string{"search_path": "ext, app"}}, "hstore in ext"},
		"the owner's own":          {parameters{Schemas: []string{"placed", "ext"}, Settings: map[string]string{"search_path": `"$user", ext`}}, "hstore in placed"},
		"a new one, untrusted":     {parameters{Schemas: []string{"ext"}, Extensions: []string{"xml2"}, Settings: map[string]string{"search_path": "ext"}}, "hstore in ext, xml2 in ext"},
		"no schema of the owner's": {parameters{Schemas: []string{"ext"}, Settings: map[string]string{"search_path": `"$user", ext`}}, "hstore in ext"},
	}
	for about, test := range tests {
		t.Run(about, func(t *testing.T) {
			test.asked.Extensions = append(test.asked.Extensions, "hstore")
			task := newTask("placed", test.asked)
			mustProvision(t, task)
			t.Cleanup(func() { remove(t, task) })
			if got := extensionsIn(t, "placed"); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			mustExec(t, connect(t, "placed", "placed_a", task.Credentials["password"]), "SELECT 'a=>1'::hstore")
		})
	}
}
