package release_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/release"
)

// errKilled is what every request of a killed process gets.
var errKilled = errors.New("the process was killed")

// killer lets so many writes through and then kills: either before the next write reaches the API server, or after, so that
// only the answer is lost. From then on nothing gets through any more.
type killer struct {
	mu           sync.Mutex
	left         int
	answerIsLost bool
	dead         bool
	made         map[string]int
}

func (k *killer) wrap(config *rest.Config) *rest.Config {
	wrapped := rest.CopyConfig(config)
	wrapped.Wrap(func(next http.RoundTripper) http.RoundTripper { return trip{killer: k, next: next} })
	return wrapped
}

type trip struct {
	killer *killer
	next   http.RoundTripper
}

var attemptID = regexp.MustCompile(`"dpi-operator\.io/attempt-id":"([^"]+)"`)

func (t trip) RoundTrip(request *http.Request) (*http.Response, error) {
	t.killer.mu.Lock()
	defer t.killer.mu.Unlock()
	if t.killer.dead {
		return nil, errKilled
	}
	write := request.Method != http.MethodGet
	if write && t.killer.left == 0 && !t.killer.answerIsLost {
		t.killer.dead = true
		return nil, errKilled
	}
	var body []byte
	if request.Body != nil {
		var err error
		if body, err = io.ReadAll(request.Body); err != nil {
			return nil, err
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
	response, err := t.next.RoundTrip(request)
	if err == nil && response.StatusCode == http.StatusCreated && strings.Contains(request.URL.Path, "/jobs/") {
		if id := attemptID.FindSubmatch(body); id != nil {
			t.killer.made[string(id[1])+" "+request.URL.Path]++
		}
	}
	if write && t.killer.left == 0 {
		t.killer.dead = true
		return nil, errKilled
	}
	if write {
		t.killer.left--
	}
	return response, err
}

// crashCase is an operation to be interrupted at each of its writes.
type crashCase struct {
	name string
	// recordBytes limits records, so that a small one is too large; 0 means what a Secret holds.
	recordBytes int
	// before brings the world to where the operation starts.
	before func(w *world)
	// call is the operation, on whichever engine is alive.
	call func(w *world, engine *release.Engine) (release.Outcome, error)
	// want is the state at the end, and the objects besides records.
	want    release.State
	objects []string
}

func crashCases() []crashCase {
	hooksObjects := []string{"ConfigMap app-first", "ConfigMap app-settings", "Job app-finish"}
	basic := []string{"ConfigMap app-settings", "Deployment app", "Secret app-password", "Service app"}
	reconcile := func(chart string, values map[string]any, policy release.Policy) func(*world, *release.Engine) (release.Outcome, error) {
		return func(w *world, engine *release.Engine) (release.Outcome, error) {
			request := w.request(chart, values)
			request.Policy = policy
			return engine.Reconcile(w.t.Context(), request)
		}
	}
	install := func(chart string, values map[string]any) func(*world) {
		return func(w *world) { w.wantState(w.settle(w.request(chart, values)), release.StateDeployed, 1) }
	}
	uninstall := func(w *world, engine *release.Engine) (release.Outcome, error) {
		return engine.Uninstall(w.t.Context(), w.removal(release.DeleteVolumes))
	}
	return []crashCase{
		{name: "install", call: reconcile("basic", nil, release.Policy{}), want: release.StateDeployed, objects: basic},
		{name: "install with hooks", call: reconcile("hooks", nil, release.Policy{}), want: release.StateDeployed, objects: hooksObjects},
		{name: "upgrade that drops an object", before: install("basic", map[string]any{"extra": true}),
			call: reconcile("basic", map[string]any{"message": "two"}, release.Policy{}), want: release.StateDeployed, objects: basic},
		{name: "upgrade with hooks", before: install("hooks", nil),
			call: reconcile("hooks", map[string]any{"message": "two"}, release.Policy{}), want: release.StateDeployed, objects: hooksObjects},
		{name: "upgrade to another chart", before: install("hooks", nil),
			call: reconcile("basic", nil, release.Policy{}), want: release.StateDeployed,
			objects: append([]string{"ConfigMap app-first", "Job app-finish"}, basic...)},
		{name: "upgrade that fails and is rolled back", before: install("basic", nil),
			call: reconcile("basic", map[string]any{"broken": true, "extra": true}, release.Policy{OnUpgradeFailure: release.Rollback}),
			want: release.StateFailed, objects: basic},
		{name: "install of a release too large for one Secret", call: reconcile("large", map[string]any{"count": 2, "bytes": 20_000}, release.Policy{}),
			recordBytes: 32 << 10, want: release.StateDeployed, objects: []string{"ConfigMap app-0", "ConfigMap app-1"}},
		{name: "install with definitions", call: reconcile("defs", nil, release.Policy{}), want: release.StateDeployed},
		{name: "uninstall", before: install("basic", nil), call: uninstall, want: release.StateGone},
		{name: "uninstall with hooks", before: install("hooks", nil), call: uninstall, want: release.StateGone},
		{name: "uninstall with volumes", before: install("state", nil), call: uninstall, want: release.StateGone,
			objects: []string{"ConfigMap app-kept"}},
	}
}

// TestCrash_atEveryWrite covers "a crash leaves the release locked" (the first of users' pains): whenever the operator is
// killed, the next one finishes without help, loses nothing, leaks nothing and runs no hook twice.
func TestCrash_atEveryWrite(t *testing.T) {
	t.Cleanup(func() { removeDefinition(t) })
	for _, tc := range crashCases() {
		for _, answerIsLost := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, answer lost %t", tc.name, answerIsLost), func(t *testing.T) {
				t.Parallel()
				for writes := 0; ; writes++ {
					if died := crashOnce(t, tc, &killer{left: writes, answerIsLost: answerIsLost, made: map[string]int{}}); !died {
						t.Logf("killed at each of %d writes", writes)
						return
					}
				}
			})
		}
	}
}

func crashOnce(t *testing.T, tc crashCase, k *killer) (died bool) {
	t.Helper()
	w := newWorld(t)
	w.recordBytes = tc.recordBytes
	if tc.before != nil {
		tc.before(w)
	}
	mortal := w.newEngine(k.wrap(config), "mortal")
	for range 50 {
		outcome, err := tc.call(w, mortal)
		if k.dead {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if outcome.State != release.StateProgressing {
			return false
		}
		w.playControllers()
	}
	survivor := &killer{left: -1, made: k.made}
	heir := w.newEngine(survivor.wrap(config), "heir")
	outcome := w.until(func() (release.Outcome, error) { return tc.call(w, heir) })
	if outcome.State != tc.want {
		t.Fatalf("after %d writes: %s %s: %s", k.left, outcome.State, outcome.Reason, outcome.Message)
	}
	w.wantWorld(tc)
	for what, times := range k.made {
		if times > 1 {
			t.Errorf("hook %s ran %d times", what, times)
		}
	}
	return true
}

// wantWorld checks the objects, and that the records are at rest with one deployed revision at most.
func (w *world) wantWorld(tc crashCase) {
	w.t.Helper()
	objects := slices.Sorted(maps.Keys(w.versions()))
	objects = slices.DeleteFunc(objects, func(name string) bool {
		return strings.HasPrefix(name, "Secret sh.helm.release.v1.") && tc.want != release.StateGone
	})
	if diff := cmp.Diff(slices.Sorted(slices.Values(tc.objects)), objects, cmpopts.EquateEmpty()); diff != "" {
		w.t.Errorf("objects: %s", diff)
	}
	var records corev1.SecretList
	w.check(w.client.List(w.t.Context(), &records, client.InNamespace(w.namespace), client.MatchingLabels{"owner": "helm"}))
	deployed := 0
	for _, record := range records.Items {
		switch status := record.Labels["status"]; status {
		case "deployed":
			deployed++
		case "superseded", "failed":
		default:
			w.t.Errorf("revision %s is left %s", record.Labels["version"], status)
		}
	}
	if tc.want == release.StateGone && len(records.Items) > 0 || tc.want != release.StateGone && deployed != 1 {
		w.t.Errorf("%d records are left, %d of them deployed", len(records.Items), deployed)
	}
}
