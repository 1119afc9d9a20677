package wire_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/dpi-operator/dpi-operator/internal/wire"
)

var update = flag.Bool("update", false, "write golden files anew")

var (
	noon   = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	digest = "sha256:" + strings.Repeat("0123456789abcdef", 4)
)

const id = "6d3b1f0e-52b7-4d3e-9a55-8e2f8a3c1f00"

// full is a snapshot with every field set.
func full() wire.Deployment {
	return wire.Deployment{
		SchemaVersion: "1.0", DeploymentID: id,
		Organisation:  wire.Organisation{URI: "https://health.example.org", Name: "Ministère de la Santé (Dép. 3)"},
		Jurisdictions: []string{"iso3166:KE", "iso3166:KE-30", "m49:002"},
		Environment:   "production", Stage: "pilot", Reach: "national", State: wire.StateReady, Health: wire.HealthHealthy,
		Conditions: []wire.Condition{{Type: "Ready", Status: "True", Reason: "Ready", LastTransitionTime: noon}},
		Components: []wire.Component{{
			Name: "ehr", Version: "2.16", State: wire.StateReady, Health: wire.HealthHealthy, Since: &noon,
			Good: wire.Good{Catalog: "https://catalogue.example.org/v1", Identifiers: map[string]string{
				"repo": "https://github.com/ehrbase/ehrbase", "dpga-slug": "ehrbase", "dpga-gid": "GID0090016", "wikidata": "Q192490",
				"purl": "pkg:github/ehrbase/ehrbase", "dial-slug": "ehrbase",
			}},
			BuildingBlocks: []string{"digital-registries"}, Artifacts: []string{"pkg:oci/ehrbase@" + digest},
		}},
		Generation: 3, ObservedGeneration: 3, FirstReadyAt: &noon, StateSince: &noon, ObservedAt: noon, ReportIntervalSeconds: 86400,
		Commitments: []string{"charter-2026-ke-1"},
		Evidence:    []wire.Evidence{{Kind: "policy", URI: "https://health.example.org/policy", Digest: digest}},
		Disclosure:  wire.Disclosure{Version: "minor", Tier: wire.TierPartner},
	}
}

func TestValidate_admitsAFullSnapshot(t *testing.T) {
	if broken := full().Validate(); len(broken) > 0 {
		t.Fatal(broken)
	}
}

// hostile values are what must never leave a cluster.
var hostile = []string{
	"alice@example.org", "10.0.0.12", "203.0.113.7", "fd00::12:1", "db.internal.example.org", "postgresql.moh.svc.cluster.local",
	"https://db.moh.svc/x", "https://10.0.0.12/x", "https://user:pw@example.org/", "https://example.org/?token=abc", "http://example.org",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "-----BEGIN PRIVATE KEY-----", "password=hunter2",
	"postgres://app:hunter2@db:5432/ehr", "<script>alert(1)</script>", "two\nlines", "nul\x00byte", "'; DROP TABLE reports; --",
	strings.Repeat("A", 4096), strings.Repeat("a", 41), "Bearer " + strings.Repeat("x", 48), "pod/ehrbase-7d9f_moh",
	"pkg:oci/ehrbase?repository_url=registry.internal", "Helm upgrade failed: values rendered hunter2", "\ufffd",
}

// leaf is one string of a JSON document, with a way to see the whole with another one in its place.
type leaf struct {
	at   string
	with func(any) []byte
}

// leaves returns every string of a full snapshot.
func leaves(t *testing.T) []leaf {
	t.Helper()
	var document any
	if err := json.Unmarshal(encode(t, full()), &document); err != nil {
		t.Fatal(err)
	}
	var out []leaf
	var walk func(value any, at string, set func(any))
	walk = func(value any, at string, set func(any)) {
		switch value := value.(type) {
		case map[string]any:
			for name, each := range value {
				walk(each, at+"."+name, func(other any) { value[name] = other })
			}
		case []any:
			for i, each := range value {
				walk(each, fmt.Sprintf("%s[%d]", at, i), func(other any) { value[i] = other })
			}
		case string:
			out = append(out, leaf{at: at, with: func(other any) []byte {
				set(other)
				defer set(value)
				return encode(t, document)
			}})
		}
	}
	walk(document, "", func(any) {})
	return out
}

func encode(t *testing.T, value any) []byte {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// read decodes and validates as a registry does.
func read(data []byte) (wire.Deployment, []wire.FieldError) {
	var deployment wire.Deployment
	if err := wire.Decode(data, &deployment); err != nil {
		return deployment, []wire.FieldError{{Rule: err.Error()}}
	}
	return deployment, deployment.Validate()
}

// harmless tells the few values that are legitimate where they stand.
func harmless(at, value string) bool {
	// A lower-case word of 41 letters is a label or slug like any other.
	if value == strings.Repeat("a", 41) {
		return strings.HasSuffix(at, ".name") && strings.HasPrefix(at, ".components") || strings.Contains(at, "buildingBlocks") ||
			strings.Contains(at, "commitments") || strings.HasSuffix(at, "-slug")
	}
	// Four numbers are a version of some goods; only addresses of private networks can be told apart.
	return strings.HasSuffix(at, ".version") && value == "203.0.113.7"
}

func TestValidate_refusesHostileValuesInEveryField(t *testing.T) {
	all := leaves(t)
	if len(all) < 35 {
		t.Fatalf("only %d strings were found", len(all))
	}
	for _, each := range all {
		for _, value := range hostile {
			_, broken := read(each.with(value))
			if len(broken) == 0 && !harmless(each.at, value) {
				t.Errorf("%s takes %q", each.at, value)
			}
			for _, rule := range broken {
				if strings.Contains(rule.Field+rule.Rule, value) {
					t.Errorf("%s: the error repeats %q", each.at, value)
				}
			}
		}
	}
}

func TestSchema_agreesWithValidate(t *testing.T) {
	schema := compiled(t, "deployment")
	check := func(data []byte) bool {
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(document) == nil
	}
	if !check(encode(t, full())) {
		t.Fatal("the schema refuses a full snapshot")
	}
	for _, each := range leaves(t) {
		for _, value := range append([]any{"", "x", 1, nil, true, map[string]any{"x": "y"}, "production", "True", "exact"}, anys(hostile)...) {
			data := each.with(value)
			_, broken := read(data)
			// JSON tells null and "" from a missing field, Go does not; the schema is the stricter one there.
			if value == nil || value == "" {
				continue
			}
			if valid := len(broken) == 0; check(data) != valid {
				t.Errorf("%s = %v: the schema says %t, the code %t: %v", each.at, value, !valid, valid, broken)
			}
		}
	}
}

func anys(values []string) []any {
	out := make([]any, len(values))
	for i, value := range values {
		out[i] = value
	}
	return out
}

func compiled(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	data, err := wire.Schema(name)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource(name, document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestSchemas_areClosedAndBounded(t *testing.T) {
	for _, name := range wire.SchemaNames() {
		data, err := wire.Schema(name)
		if err != nil {
			t.Fatal(err)
		}
		var document any
		if err := json.Unmarshal(data, &document); err != nil {
			t.Fatal(err)
		}
		closedAndBounded(t, name, document)
		golden(t, name+"-schema.json", data)
	}
	if _, err := wire.Schema("other"); err == nil {
		t.Error("an unknown schema was found")
	}
}

// closedAndBounded fails for an object that takes more, and for text without a pattern or enumeration.
func closedAndBounded(t *testing.T, at string, value any) {
	t.Helper()
	switch value := value.(type) {
	case map[string]any:
		if value["type"] == "object" && value["additionalProperties"] != false {
			t.Errorf("%s takes unknown fields", at)
		}
		if value["type"] == "string" && (value["maxLength"] == nil || value["pattern"] == nil && value["anyOf"] == nil) {
			t.Errorf("%s is free text", at)
		}
		for name, each := range value {
			closedAndBounded(t, at+"."+name, each)
		}
	case []any:
		for _, each := range value {
			closedAndBounded(t, at, each)
		}
	}
}

func TestDecode_isStrict(t *testing.T) {
	good := string(encode(t, full()))
	for name, text := range map[string]string{
		"unknown field":    strings.Replace(good, `{"schemaVersion"`, `{"apiToken":"hunter2","schemaVersion"`, 1),
		"other letters":    strings.Replace(good, `"deploymentId"`, `"DeploymentID"`, 1),
		"given twice":      strings.Replace(good, `"stage":"pilot"`, `"stage":"pilot","stage":"rollout"`, 1),
		"nested unknown":   strings.Replace(good, `"status":"True"`, `"status":"True","message":"hunter2"`, 1),
		"something after":  good + `{}`,
		"not JSON":         `hunter2`,
		"number as string": strings.Replace(good, `"generation":3`, `"generation":"3"`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, broken := read([]byte(text))
			if len(broken) == 0 {
				t.Fatal("it was taken")
			}
			if strings.Contains(broken[0].Rule, "hunter2") || strings.Contains(broken[0].Rule, "apiToken") {
				t.Errorf("the error repeats what was sent: %s", broken[0].Rule)
			}
		})
	}
}

func TestValidate_bounds(t *testing.T) {
	cases := map[string]func(*wire.Deployment){
		"no jurisdiction":    func(d *wire.Deployment) { d.Jurisdictions = nil },
		"17 jurisdictions":   func(d *wire.Deployment) { d.Jurisdictions = make([]string, 17) },
		"twice":              func(d *wire.Deployment) { d.Jurisdictions = []string{"iso3166:KE", "iso3166:KE"} },
		"no component":       func(d *wire.Deployment) { d.Components = nil },
		"same name twice":    func(d *wire.Deployment) { d.Components = append(d.Components, d.Components[0]) },
		"no identifier":      func(d *wire.Deployment) { d.Components[0].Good.Identifiers = nil },
		"interval too short": func(d *wire.Deployment) { d.ReportIntervalSeconds = 299 },
		"interval too long":  func(d *wire.Deployment) { d.ReportIntervalSeconds = 604801 },
		"negative":           func(d *wire.Deployment) { d.Generation = -1 },
		"beyond 53 bits":     func(d *wire.Deployment) { d.ObservedGeneration = 1 << 53 },
		"no observation":     func(d *wire.Deployment) { d.ObservedAt = time.Time{} },
		"another zone":       func(d *wire.Deployment) { d.ObservedAt = noon.In(time.FixedZone("", 3600)) },
		"private repository": func(d *wire.Deployment) { d.Components[0].Good.Identifiers["repo"] = "https://git.moh.internal/x" },
		"unknown scheme":     func(d *wire.Deployment) { d.Components[0].Good.Identifiers["alice"] = "x" },
		"user in repository": func(d *wire.Deployment) { d.Components[0].Good.Identifiers["repo"] = "https://a@example.org/x" },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			sample := full()
			change(&sample)
			if len(sample.Validate()) == 0 {
				t.Error("it was taken")
			}
		})
	}
}

func TestNames_ofRealOrganisationsAreTaken(t *testing.T) {
	for _, name := range []string{
		"", "Ministry of Health", "Côte d'Ivoire – Ministère de l’Économie", "กระทรวงสาธารณสุข", "保健省", "وزارة الصحة", "U.S. Agency", "St. Mary's (Unit 3)",
	} {
		sample := full()
		sample.Organisation.Name = name
		if broken := sample.Validate(); len(broken) > 0 {
			t.Errorf("%q: %v", name, broken)
		}
	}
}

func TestReason_passesListedWordsOnly(t *testing.T) {
	if wire.Reason("Ready") != "Ready" || wire.Reason("Hunter2") != wire.ReasonOther {
		t.Error("reasons are not from the list")
	}
}

func TestCovers(t *testing.T) {
	for _, tc := range []struct {
		scope, asked string
		want         bool
	}{
		{"iso3166:KE", "iso3166:KE", true},
		{"iso3166:KE", "iso3166:KE-30", true},
		{"iso3166:KE-30", "iso3166:KE", false},
		{"iso3166:KE", "iso3166:RW", false},
		{"m49:002", "m49:002", true},
		{"m49:002", "iso3166:KE", false},
	} {
		if got := wire.Covers(tc.scope, tc.asked); got != tc.want {
			t.Errorf("%s covers %s: %t", tc.scope, tc.asked, got)
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs; -update writes it anew\n%s", name, diff)
	}
}
