package wire_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/wire"
)

const registry = "https://registry.example.org/"

func events(t *testing.T) map[string]wire.Event {
	t.Helper()
	reported, err := wire.NewReported(registry, "ke-moh", 7, full())
	if err != nil {
		t.Fatal(err)
	}
	withdrawn, err := wire.NewWithdrawn(registry, "ke-moh", wire.Tombstone{
		DeploymentID: id, Sequence: 8, Time: noon, Withdrawal: wire.Withdrawal{Reason: wire.WithdrawnDecommissioned},
	})
	if err != nil {
		t.Fatal(err)
	}
	inventory, err := wire.NewInventory(registry, "ke-moh", 2, noon, wire.Inventory{
		Complete: true, Entries: []wire.InventoryEntry{{DeploymentID: id, Sequence: 7, PayloadDigest: digest}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]wire.Event{"reported": reported, "withdrawn": withdrawn, "inventory": inventory}
}

func TestEvents_areValidAndTheSameEveryTime(t *testing.T) {
	again := events(t)
	for name, event := range events(t) {
		if broken := event.Validate(); len(broken) > 0 {
			t.Errorf("%s: %v", name, broken)
		}
		if event.Reporter() != "ke-moh" {
			t.Errorf("%s is of %q", name, event.Reporter())
		}
		data := encode(t, event)
		if !bytes.Equal(data, encode(t, again[name])) {
			t.Errorf("%s is not the same twice", name)
		}
		var back wire.Event
		if err := wire.Decode(data, &back); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, data, "", "  "); err != nil {
			t.Fatal(err)
		}
		golden(t, name+"-event.json", append(pretty.Bytes(), '\n'))
	}
}

func TestEventData_fitsItsSchema(t *testing.T) {
	shapes := map[string]string{"reported": "deployment", "withdrawn": "withdrawal", "inventory": "inventory"}
	for name, event := range events(t) {
		var document any
		if err := json.Unmarshal(event.Data, &document); err != nil {
			t.Fatal(err)
		}
		if err := compiled(t, shapes[name]).Validate(document); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEventValidate_refuses(t *testing.T) {
	cases := map[string]struct {
		field  string
		change func(*wire.Event)
	}{
		"another version":      {"specversion", func(e *wire.Event) { e.SpecVersion = "0.3" }},
		"an unknown type":      {"type", func(e *wire.Event) { e.Type = "com.example" }},
		"an id of another":     {"id", func(e *wire.Event) { e.ID = "x:7" }},
		"an unpadded sequence": {"sequence", func(e *wire.Event) { e.Sequence = "7" }},
		"sequence zero":        {"sequence", func(e *wire.Event) { e.Sequence, e.ID = wire.FormatSequence(0), wire.EventID(id, 0) }},
		"a huge sequence":      {"sequence", func(e *wire.Event) { e.Sequence = "99999999999999999999" }},
		"another subject":      {"source", func(e *wire.Event) { e.Subject = "7d3b1f0e-52b7-4d3e-9a55-8e2f8a3c1f00" }},
		"a foreign source":     {"source", func(e *wire.Event) { e.Source = "urn:uuid:x" }},
		"a user in the source": {"source", func(e *wire.Event) { e.Source = "https://user:pw@x/reporters/a/deployments/" + id }},
		"no time":              {"time", func(e *wire.Event) { e.Time = time.Time{} }},
		"no data":              {"data", func(e *wire.Event) { e.Data = nil }},
		"another schema":       {"dataschema", func(e *wire.Event) { e.DataSchema = wire.InventorySchema }},
		"an unknown label":     {"dataclassification", func(e *wire.Event) { e.DataClassification = "secret" }},
		"a trace of free text": {"traceparent", func(e *wire.Event) { e.TraceParent = "password=hunter2" }},
		"other contents":       {"datacontenttype", func(e *wire.Event) { e.DataContentType = "text/plain" }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			event := events(t)["reported"]
			tc.change(&event)
			broken := event.Validate()
			if !slices.ContainsFunc(broken, func(each wire.FieldError) bool { return each.Field == tc.field }) {
				t.Errorf("got %v, want an error at %s", broken, tc.field)
			}
		})
	}
}

func TestDigest_dependsOnContentAlone(t *testing.T) {
	first, err := wire.Digest(full())
	if err != nil {
		t.Fatal(err)
	}
	later := full()
	later.ObservedAt = noon.Add(time.Hour)
	if second, err := wire.Digest(later); err != nil || second != first {
		t.Errorf("the same content observed later: %s, %s, %v", first, second, err)
	}
	changed := full()
	changed.State = wire.StateDegraded
	if third, err := wire.Digest(changed); err != nil || third == first {
		t.Error("other content has the same digest")
	}
	var document map[string]any
	if err := json.Unmarshal(encode(t, full()), &document); err != nil {
		t.Fatal(err)
	}
	spaced, err := json.MarshalIndent(document, "", "   ")
	if err != nil {
		t.Fatal(err)
	}
	if fourth, err := wire.DigestData(spaced); err != nil || fourth != first {
		t.Errorf("order and space of the text matter: %s, %s, %v", first, fourth, err)
	}
}

func TestCanonical(t *testing.T) {
	got, err := wire.Canonical([]byte(` { "b" : [ 1 , "<&>" ] , "a" : null, "é":"\u00e9" } `))
	if err != nil || string(got) != `{"a":null,"b":[1,"<&>"],"é":"é"}` {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := wire.Canonical([]byte("{")); err == nil {
		t.Error("broken JSON has a canonical form")
	}
}

func TestWithdrawalAndInventory_refuse(t *testing.T) {
	for name, broken := range map[string][]wire.FieldError{
		"no reason":          wire.Withdrawal{}.Validate(),
		"free text":          wire.Withdrawal{Reason: "we moved to db.internal"}.Validate(),
		"successor of none":  wire.Withdrawal{Reason: wire.WithdrawnOptOut, Successor: id}.Validate(),
		"successor no UUID":  wire.Withdrawal{Reason: wire.WithdrawnMigrated, Successor: "x"}.Validate(),
		"too many":           wire.Inventory{Entries: make([]wire.InventoryEntry, 401)}.Validate(),
		"no digest":          wire.Inventory{Entries: []wire.InventoryEntry{{DeploymentID: id, Sequence: 1}}}.Validate(),
		"listed twice":       wire.Inventory{Entries: []wire.InventoryEntry{{DeploymentID: id, Sequence: 1, PayloadDigest: digest}, {DeploymentID: id, Sequence: 1, PayloadDigest: digest}}}.Validate(),
		"negative sequences": wire.Inventory{Entries: []wire.InventoryEntry{{DeploymentID: id, Sequence: -1, PayloadDigest: digest}}}.Validate(),
	} {
		if len(broken) == 0 {
			t.Errorf("%s is taken", name)
		}
	}
	if broken := (wire.Withdrawal{Reason: wire.WithdrawnMigrated, Successor: id}).Validate(); len(broken) > 0 {
		t.Error(broken)
	}
}

func FuzzDecode(f *testing.F) {
	data, err := json.Marshal(full())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		deployment, broken := read(data)
		if len(broken) > 0 {
			return
		}
		// What is taken can be sent on and means the same.
		again, more := read(encode(t, deployment))
		if len(more) > 0 {
			t.Fatalf("taken, but not when written again: %v", more)
		}
		one, err := wire.Digest(deployment)
		if err != nil {
			t.Fatal(err)
		}
		if two, err := wire.Digest(again); err != nil || one != two {
			t.Fatalf("%s became %s: %v", one, two, err)
		}
	})
}
