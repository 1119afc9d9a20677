package httpupsert_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/httpupsert"
)

// directory is a stand-in: an API with teams and their accounts that remembers when each was looked at last, so that no two
// reads of one are equal. It keeps a team as long as there are accounts in it.
type directory struct {
	*httptest.Server

	mu     sync.Mutex
	things map[string]map[string]any
	last   int
	// keeps is the name of what it says to delete and does not.
	keeps string
}

func newDirectory(t *testing.T) *directory {
	t.Helper()
	d := &directory{things: map[string]map[string]any{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /things", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(d.read()) })
	mux.HandleFunc("POST /things", func(w http.ResponseWriter, r *http.Request) {
		d.put(w, r, strconv.Itoa(100+d.tick()))
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("PUT /things/{id}", func(w http.ResponseWriter, r *http.Request) { d.put(w, r, r.PathValue("id")) })
	mux.HandleFunc("DELETE /things/{id}", func(w http.ResponseWriter, r *http.Request) { d.drop(w, r.PathValue("id")) })
	mux.HandleFunc("POST /removal", func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			ID string `json:"id"`
		}
		_ = json.NewDecoder(r.Body).Decode(&asked)
		d.drop(w, asked.ID)
	})
	d.Server = httptest.NewServer(mux)
	t.Cleanup(d.Close)
	return d
}

func (d *directory) tick() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last++
	return d.last
}

func (d *directory) read() []map[string]any {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := []map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(d.things)) {
		d.last++
		d.things[id]["lastAccess"], d.things[id]["seen"] = d.last, map[string]any{"times": d.last}
		list = append(list, d.things[id])
	}
	return list
}

func (d *directory) put(w http.ResponseWriter, r *http.Request, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var given map[string]any
	if err := json.NewDecoder(r.Body).Decode(&given); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	given["id"] = id
	d.things[id] = given
}

func (d *directory) drop(w http.ResponseWriter, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, each := range d.things {
		if each["team"] == id {
			w.WriteHeader(http.StatusConflict)
			return
		}
	}
	if d.things[id] == nil {
		w.WriteHeader(http.StatusNotFound)
	}
	if d.things[id]["name"] == d.keeps {
		return
	}
	delete(d.things, id)
}

// names of what there is.
func (d *directory) names() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []string
	for _, each := range d.things {
		out = append(out, fmt.Sprint(each["name"]))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// change lays fields over a thing, or forgets it.
func (d *directory) change(name string, fields map[string]any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, each := range d.things {
		switch {
		case each["name"] != name:
		case fields == nil:
			delete(d.things, id)
		default:
			maps.Copy(each, fields)
		}
	}
}

// members has a team that all logins of a binding are in, and a login that alternates.
const members = `
objects:
  - name: team
    find:
      pathExpr: "['things']"
      objectExpr: answer.filter(t, t.name == binding.name)
    ownedExpr: object.uid == binding.uid
    fields:
      - {path: name, expr: binding.name}
      - {path: uid, expr: binding.uid}
    create: {pathExpr: "['things']"}
    update: {pathExpr: "['things', object.id]"}
    delete: DELETE
  - name: account
    find:
      pathExpr: "['things']"
      objectExpr: answer.filter(t, t.name == outputs.username)
    ownedExpr: object.uid == binding.uid
    fields:
      - {path: name, expr: outputs.username}
      - {path: uid, expr: binding.uid}
      - {path: team, expr: objects.team.id}
      - {path: hash, expr: sha256(secrets.password)}
    create: {pathExpr: "['things']"}
    update: {pathExpr: "['things', object.id]"}
    delete: DELETE
`

// waysToDelete are those of APIs: by an address, or by what a request says.
var waysToDelete = map[string]string{
	"by an address": `{pathExpr: "['things', object.id]"}`,
	"by a body":     `{method: POST, pathExpr: "['removal']", bodyExpr: "{'id': object.id, 'seen': object.seen}"}`,
}

func (d *directory) task(t *testing.T, way, username string) provision.Task {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(strings.ReplaceAll(members, "delete: DELETE", "delete: "+waysToDelete[way])))
	if err != nil {
		t.Fatal(err)
	}
	return provision.Task{
		Request: provision.Request{
			Contract: "members-v1", Binding: provision.Binding{UID: "u", Namespace: "n", Name: "team"}, HTTP: raw, Parameters: []byte(`{}`),
			Endpoint: provision.Endpoint{URL: d.URL, Host: "127.0.0.1"}, Outputs: map[string]string{"username": username},
		},
		Credentials: provision.Secrets{"password": "secret of " + username},
	}
}

// rotated has the first login replaced by the second, and asks to retire the first.
func (d *directory) rotated(t *testing.T, way string) provision.Task {
	t.Helper()
	mustProvision(t, d.task(t, way, "login-a"))
	next := d.task(t, way, "login-b")
	mustProvision(t, next)
	if got := d.names(); got != "login-a login-b team" {
		t.Fatalf("there are %s, the test proves nothing", got)
	}
	next.Request.Retired = map[string]string{"username": "login-a"}
	return next
}

func TestStandin_retiringLeavesWhatIsInForceThoughNoTwoReadsAreEqual(t *testing.T) {
	for way := range waysToDelete {
		t.Run(way, func(t *testing.T) {
			d := newDirectory(t)
			task := d.rotated(t, way)
			// Somebody moved the login in force, so that nothing but the provisioner keeps the team; it keeps nobody out.
			d.change("login-b", map[string]any{"team": "of others"})
			for range 2 {
				report, err := httpupsert.Retire(testContext(t), task)
				mustBeDone(t, report, err)
				if got := d.names(); got != "login-b team" {
					t.Fatalf("there are %q, want the login in force and the team", got)
				}
			}
			task.Request.Retired = map[string]string{"username": "login-b"}
			report, err := httpupsert.Retire(testContext(t), task)
			mustBeDone(t, report, err)
			if got := d.names(); got != "login-b team" {
				t.Errorf("there are %q: what is in force was retired", got)
			}
		})
	}
}

func TestStandin_nothingIsRetiredBeforeWhatIsInForceIsThere(t *testing.T) {
	tests := map[string]struct {
		meddle         func(*directory)
		reason, saying string
	}{
		"no login":               {func(d *directory) { d.change("login-b", nil) }, provision.ReasonCredentialsRejected, "account"},
		"another password":       {func(d *directory) { d.change("login-b", map[string]any{"hash": "00"}) }, provision.ReasonCredentialsRejected, "hash"},
		"a login of others":      {func(d *directory) { d.change("login-b", map[string]any{"uid": "another"}) }, provision.ReasonForeignObject, "account"},
		"no team it could be in": {func(d *directory) { d.change("team", nil) }, provision.ReasonCredentialsRejected, "team"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := newDirectory(t)
			task := d.rotated(t, "by an address")
			test.meddle(d)
			report, err := httpupsert.Retire(testContext(t), task)
			result := mustEnd(t, report, err, provision.PhaseFailed, test.reason)
			if !strings.Contains(result.Message, test.saying) || strings.Contains(result.Message, "secret of") {
				t.Errorf("says %q, want %q in it and no secret", result.Message, test.saying)
			}
			if got := d.names(); !strings.Contains(got, "login-a") {
				t.Errorf("the old login is gone, left: %s", got)
			}
		})
	}
}

func TestStandin_revokingAmidARotationTakesBoth(t *testing.T) {
	tests := map[string]struct {
		retired map[string]string
		meddle  func(*directory)
		left    string
	}{
		"both logins":                   {retired: map[string]string{"username": "login-a"}},
		"the one in force was not made": {retired: map[string]string{"username": "login-a"}, meddle: func(d *directory) { d.change("login-b", nil) }},
		"the other was not made":        {retired: map[string]string{"username": "login-a"}, meddle: func(d *directory) { d.change("login-a", nil) }},
		"the same":                      {retired: map[string]string{"username": "login-b"}, meddle: func(d *directory) { d.change("login-a", nil) }},
		"the other is of others": {
			retired: map[string]string{"username": "login-a"}, left: "login-a",
			meddle: func(d *directory) { d.change("login-a", map[string]any{"uid": "another", "team": "theirs"}) },
		},
		"none is known": {left: "login-a", meddle: func(d *directory) { d.change("login-a", map[string]any{"team": "theirs"}) }},
	}
	for name, test := range tests {
		for way := range waysToDelete {
			t.Run(name+" "+way, func(t *testing.T) {
				d := newDirectory(t)
				task := d.rotated(t, way)
				task.Request.Retired = test.retired
				if test.meddle != nil {
					test.meddle(d)
				}
				for range 2 {
					mustRevoke(t, task)
					if got := d.names(); got != test.left {
						t.Fatalf("left %q, want %q", got, test.left)
					}
				}
			})
		}
	}
}

func TestStandin_revokingAmidARotationSeesThatBothAreGone(t *testing.T) {
	for _, kept := range []string{"login-a", "login-b"} {
		d := newDirectory(t)
		task := d.rotated(t, "by an address")
		d.keeps = kept
		report, err := httpupsert.Revoke(testContext(t), task)
		mustEnd(t, report, err, provision.PhaseFailed, provision.ReasonCheckFailed)
		d.keeps = ""
		mustRevoke(t, task)
		if got := d.names(); got != "" {
			t.Errorf("left %q", got)
		}
	}
}
