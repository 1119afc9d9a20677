package postgresql

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

// privilege is what a login may do.
type privilege string

const (
	asOwner privilege = "owner"
	asWrite privilege = "write"
	asRead  privilege = "read"
)

const (
	// maxIdentifier is PostgreSQL's limit in bytes; longer names are cut in silence, so that two could become one.
	maxIdentifier = 63
	groupMark     = "__"
	maxDatabase   = maxIdentifier - len(groupMark) - len(asWrite)
	// ownSchema stands in a search path for the schema called like the role that the session acts as.
	ownSchema = "$user"
	// systemSchema is the server's own; whoever owns it decides what others find there.
	systemSchema = "information_schema"
)

var (
	identifierPattern = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)
	extensionPattern  = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)
	settingPattern    = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$`)
	// systemDatabases belong to the server.
	systemDatabases = map[string]bool{"postgres": true, "template0": true, "template1": true}
)

// parameters of the contract postgresql-v1.
type parameters struct {
	Database   string            `json:"database,omitempty"`
	Extensions []string          `json:"extensions,omitempty"`
	Schemas    []string          `json:"schemas,omitempty"`
	Settings   map[string]string `json:"settings,omitempty"`
	Roles      []roleParameter   `json:"roles,omitempty"`
}

type roleParameter struct {
	Name       string    `json:"name"`
	Privileges privilege `json:"privileges,omitempty"`
}

// login is one way for the consumer in.
type login struct {
	username, password string
	privilege          privilege
}

// wanted is the state a binding asks for.
type wanted struct {
	tag        tag
	database   string
	logins     []login
	extensions []string
	schemas    []string
	settings   map[string]string
}

// owner is the role that owns the database.
func (w wanted) owner() string { return w.database }

// group is the role that holds the privilege.
func (w wanted) group(p privilege) string {
	if p == asOwner {
		return w.owner()
	}
	return w.database + groupMark + string(p)
}

// groups are the privileges in use, the owner's first, each once.
func (w wanted) groups() []privilege {
	used := map[privilege]bool{}
	for _, each := range w.logins {
		used[each.privilege] = true
	}
	groups := []privilege{asOwner}
	for _, p := range []privilege{asRead, asWrite} {
		if used[p] {
			groups = append(groups, p)
		}
	}
	return groups
}

// roleNames are all roles of the binding, those without login first.
func (w wanted) roleNames() []string {
	groups := w.groups()
	names := make([]string, 0, len(groups)+len(w.logins))
	for _, p := range groups {
		names = append(names, w.group(p))
	}
	for _, each := range w.logins {
		names = append(names, each.username)
	}
	return names
}

// settingNames are the names of the settings in a stable order.
func (w wanted) settingNames() []string {
	names := make([]string, 0, len(w.settings))
	for name := range w.settings {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// toMake reads what a task asks to be made here, by names that are safe to make. Every error names what to change in the binding
// or its entry.
func toMake(task provision.Task) (wanted, error) {
	w, err := toProve(task)
	if err != nil {
		return w, err
	}
	return w, w.validateNames()
}

// toProve reads what a task asks for, by whatever names an administrator chose who made it. Errors are as those of toMake.
func toProve(task provision.Task) (wanted, error) {
	var asked parameters
	if len(task.Request.Parameters) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(task.Request.Parameters))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&asked); err != nil {
			return wanted{}, invalid("the parameters are not those of postgresql-v1: %w", err)
		}
	}
	w := wanted{
		tag:        tag{binding: task.Request.Binding, state: stateActive},
		database:   task.Value("database"),
		extensions: asked.Extensions, schemas: asked.Schemas, settings: asked.Settings,
	}
	if w.database == "" {
		w.database = asked.Database
	}
	w.logins = []login{{username: task.Value("username"), password: task.Credentials["password"], privilege: asOwner}}
	for _, role := range asked.Roles {
		if role.Privileges == "" {
			role.Privileges = asWrite
		}
		w.logins = append(w.logins, login{
			username: task.Value(role.Name + "-username"), password: task.Credentials[role.Name+"-password"], privilege: role.Privileges,
		})
	}
	return w, w.validate()
}

func (w wanted) validate() error {
	switch {
	case w.database == "" || strings.ContainsRune(w.database, 0):
		return invalid("the database name %q is none", w.database)
	case systemDatabases[w.database]:
		return invalid("the database %q belongs to the server; choose another name", w.database)
	}
	for i, each := range w.logins {
		switch {
		case each.username == "" || strings.ContainsRune(each.username, 0):
			return invalid("the login name %q is none", each.username)
		case each.password == "" || strings.ContainsRune(each.password, 0):
			return invalid("the binding's Secret has no password for the login %q", each.username)
		case i > 0 && each.privilege != asWrite && each.privilege != asRead:
			return invalid("the privileges %q are not for further logins; use read or write", each.privilege)
		}
	}
	for _, schema := range w.schemas {
		if len(schema) > maxIdentifier || !isIdentifier(schema) || schema == probeSchema || schema == systemSchema {
			return invalid("the schema name %q must be of a-z, 0-9 and _, at most %d long, and not reserved", schema, maxIdentifier)
		}
	}
	for _, extension := range w.extensions {
		if len(extension) > maxIdentifier || !extensionPattern.MatchString(extension) {
			return invalid("%q is not a name of an extension", extension)
		}
	}
	for _, name := range w.settingNames() {
		if !settingPattern.MatchString(name) || strings.ContainsRune(w.settings[name], 0) {
			return invalid("%q is not a setting with a value", name)
		}
	}
	return w.validateSearchPath()
}

func (w wanted) validateNames() error {
	if len(w.database) > maxDatabase || !isIdentifier(w.database) {
		return invalid("the database name %q must be of a-z, 0-9 and _, at most %d long, and not begin with pg_", w.database, maxDatabase)
	}
	taken := map[string]bool{}
	for _, p := range w.groups() {
		taken[w.group(p)] = true
	}
	for _, each := range w.logins {
		switch {
		case len(each.username) > maxIdentifier || !isIdentifier(each.username):
			return invalid("the login name %q must be of a-z, 0-9 and _, at most %d long, and not begin with pg_", each.username, maxIdentifier)
		case taken[each.username]:
			return invalid("the login name %q is used twice or is the database's own name", each.username)
		}
		taken[each.username] = true
	}
	return nil
}

// validateSearchPath makes sure that what the path names exists: extensions go into the first of it.
func (w wanted) validateSearchPath() error {
	value, ok := w.settings["search_path"]
	if !ok {
		return nil
	}
	known := map[string]bool{ownSchema: true, publicSchema: true}
	for _, schema := range w.schemas {
		known[schema] = true
	}
	for _, schema := range splitList(value) {
		if !known[schema] {
			return invalid("the setting search_path names the schema %q, which is not among the schemas asked for", schema)
		}
	}
	return nil
}

// extensionSchema is the first schema that sessions of the owner find in the search path asked for.
func (w wanted) extensionSchema() string {
	for _, schema := range splitList(w.settings["search_path"]) {
		if schema == ownSchema {
			schema = w.owner()
		}
		if schema == publicSchema || slices.Contains(w.schemas, schema) {
			return schema
		}
	}
	return publicSchema
}

func isIdentifier(name string) bool {
	return identifierPattern.MatchString(name) && !strings.HasPrefix(name, "pg_")
}

func invalid(format string, args ...any) error {
	return provision.Failed(provision.ReasonInvalidRequest, "%w; correct the binding's parameters or the catalogue entry", fmt.Errorf(format, args...))
}
