package parity_test

import (
	"flag"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dpi-operator/dpi-operator/internal/release"
)

// A corpus entry is a chart with the values of its steps.
type corpusEntry struct {
	chart string
	// values of the first revision, and of the second one.
	values, changed map[string]any
	// next is the chart of the second revision; empty means the same.
	next string
	// broken values of the third revision, which fails besides by the value `broken`.
	broken map[string]any
	// volumes is what becomes of claims at the end; empty means that they are kept.
	volumes release.VolumePolicy
}

var corpus = []corpusEntry{
	{chart: "hooks", changed: object{"message": "bye"}},
	{chart: "failing-hook", changed: object{"message": "bye"}},
	{chart: "crds", changed: object{"size": 2}},
	{chart: "crds", next: "crds-next", changed: object{"size": 2}},
	{chart: "subcharts", changed: object{"message": "bye", "sessions": object{"enabled": true}, "tags": object{"performance": true}}},
	{
		chart: "subcharts", values: object{"tags": object{"observability": false}, "global": object{"country": "BD"}},
		changed: object{"db": object{"enabled": false}, "metrics": object{"enabled": true}},
	},
	{chart: "passwords", changed: object{"message": "bye"}},
	{chart: "nulls", changed: object{"message": "bye"}},
	{chart: "hook-definition", changed: object{"message": "bye"}},
	{chart: "library", changed: object{"data": object{"message": "bye", "more": "of it"}, "common": object{"team": "health"}}},
	{chart: "facts", values: object{"number": 3}, changed: object{"message": "bye", "number": 0.5}},
	{chart: "keep", changed: object{"message": "bye", "more": false}},
	{chart: "lists", changed: object{"message": "bye"}},
	{chart: "elsewhere", changed: object{"message": "bye", "verbs": []any{"get"}, "role": false}},
	{chart: "schema", changed: object{"replicas": 3}},
	{chart: "files", changed: object{"message": "bye", "template": "{{ .Release.Revision }} {{ .Values.message }}"}},
	{chart: "workloads", changed: object{"message": "bye", "sidecar": false, "archive": false, "replicas": 3}, broken: object{"message": "bye", "archive": false}},
	{chart: "workloads", values: object{"archive": false}, changed: object{"archive": false, "message": "bye"}, broken: object{"message": "bye", "archive": false, "sidecar": false}, volumes: release.DeleteVolumes},
	{chart: "empty", changed: object{"enabled": true}},
	{chart: "empty", values: object{"enabled": true}, changed: object{"enabled": false}},
}

func TestReleasesAreWhatHelmWouldMake(t *testing.T) {
	found := &ledger{}
	t.Run("corpus", func(t *testing.T) {
		for _, entry := range corpus {
			t.Run(entry.chart, func(t *testing.T) {
				t.Parallel()
				compare(t, entry, found)
			})
		}
	})
	t.Run("alone", func(t *testing.T) {
		for about, show := range alone {
			t.Run(about, func(t *testing.T) {
				t.Parallel()
				show(byHelm{newWorld(t)}, newByUs(newWorld(t)))
				found.add(about)
			})
		}
	})
	if flag.Lookup("test.run").Value.String() != "" {
		return
	}
	for about := range alone {
		if !slices.ContainsFunc(differences, func(d difference) bool { return d.about == about }) {
			t.Errorf("the difference %q is shown, and not listed", about)
		}
	}
	for _, d := range differences {
		if !found.has(d.about) {
			t.Errorf("the difference %q is listed, and no chart shows it", d.about)
		}
	}
}

// ledger remembers which of the listed differences were there.
type ledger struct {
	mu    sync.Mutex
	found map[string]bool
}

func (l *ledger) add(about string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.found == nil {
		l.found = map[string]bool{}
	}
	l.found[about] = true
}

func (l *ledger) has(about string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.found[about]
}

// compare has Helm and the engine go the same steps and compares what is there after each.
func compare(t *testing.T, entry corpusEntry, found *ledger) {
	t.Helper()
	ours := newByUs(newWorld(t))
	ours.volumes = entry.volumes
	theirs := byHelm{newWorld(t)}
	// It only refuses what the API server refuses as well.
	theirs.helm = theirs.helm.WithoutValidation()
	next, broken := entry.next, object{"broken": true}
	if next == "" {
		next = entry.chart
	}
	maps.Copy(broken, entry.broken)
	for _, step := range []struct {
		name string
		do   func(maker)
	}{
		{"install", func(m maker) { m.deploy(entry.chart, entry.values) }},
		{"upgrade", func(m maker) { m.deploy(next, entry.changed) }},
		{"test", func(m maker) { m.test() }},
		{"failed upgrade and rollback", func(m maker) { m.fail(next, broken) }},
		{"uninstall", func(m maker) { m.uninstall() }},
	} {
		helm, mine := take(theirs, step.do), take(ours, step.do)
		for _, d := range differences {
			if d.hide != nil && d.hide(helm, mine) {
				found.add(d.about)
			}
		}
		if diff := cmp.Diff(helm, mine); diff != "" {
			t.Errorf("after %s, -helm +ours:\n%s", step.name, diff)
		}
	}
}

// take lets one of the two go a step and tells what came of it.
func take(m maker, do func(maker)) *snapshot {
	w := m.place()
	since := w.position()
	do(m)
	trace := w.trace(since)
	s := w.snapshot()
	s.Trace = trace
	return s
}
