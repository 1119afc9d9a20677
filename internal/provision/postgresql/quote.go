package postgresql

import (
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

var bareWord = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// listSettings hold identifiers separated by commas; PostgreSQL wants each quoted by itself.
var listSettings = map[string]bool{"search_path": true, "temp_tablespaces": true}

// identifier quotes a name for use as one identifier.
func identifier(name string) string { return pgx.Identifier{name}.Sanitize() }

// literal quotes a string; statements that define objects take no parameters.
func literal(text string) string {
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	if strings.Contains(text, `\`) {
		return "E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

// splitList takes a list setting apart: `"$user", ext` has two items.
func splitList(value string) []string {
	var items []string
	for item := range strings.SplitSeq(value, ",") {
		item = strings.Trim(strings.TrimSpace(item), `"`)
		if item != "" {
			items = append(items, item)
		}
	}
	return items
}

// settingValue renders a value for SET, and as PostgreSQL stores it.
func settingValue(name, value string) (set, stored string) {
	if !listSettings[name] {
		return literal(value), value
	}
	var literals, words []string
	for _, item := range splitList(value) {
		literals = append(literals, literal(item))
		if bareWord.MatchString(item) {
			words = append(words, item)
		} else {
			words = append(words, identifier(item))
		}
	}
	if len(literals) == 0 {
		return "''", `""`
	}
	return strings.Join(literals, ", "), strings.Join(words, ", ")
}
