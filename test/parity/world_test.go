package parity_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/fetch"
	"github.com/dpi-operator/dpi-operator/internal/helm/oracle"
	"github.com/dpi-operator/dpi-operator/internal/release"
	"github.com/dpi-operator/dpi-operator/internal/testenv"
)

// app is the name of every release.
const app = "app"

// world is a namespace of its own, with a second one beside it, and Helm looking at it.
type world struct {
	t         *testing.T
	namespace string
	helm      *oracle.Helm
	seen      map[string]seen
}

// maker makes releases of one world: Helm, or the operator's engine.
type maker interface {
	// deploy brings the release to a chart with values.
	deploy(chart string, values map[string]any)
	// fail tries the same in vain, and goes back to what was deployed before.
	fail(chart string, values map[string]any)
	test()
	uninstall()
	place() *world
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, namespace: testenv.Namespace(t, config), seen: map[string]seen{}}
	w.check(people.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.other()}}))
	w.helm = must(oracle.New(config, w.namespace))(t)
	return w
}

// other is the second namespace, in which charts may have objects, too.
func (w *world) other() string { return w.namespace + "-other" }

// archive packs a chart of testdata, or of a directory, with two changes: its API group becomes the world's own, because definitions are shared
// by all namespaces, and the value `broken` brings an object that the API server refuses.
func (w *world) archive(name string) fetch.Archive {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), name)
	from := filepath.Join("testdata", "charts", name)
	if filepath.IsAbs(name) {
		dir, from = filepath.Join(w.t.TempDir(), filepath.Base(name)), name
	}
	w.check(os.CopyFS(dir, os.DirFS(from)))
	w.check(filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".yaml" {
			return err
		}
		text := must(os.ReadFile(path))(w.t)
		return os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "parity.example.org/v1", w.group()+"/v1")), 0o600)
	}))
	for _, path := range must(filepath.Glob(filepath.Join(dir, "crds", "*.yaml")))(w.t) {
		text := must(os.ReadFile(path))(w.t)
		w.check(os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "parity.example.org", w.group())), 0o600))
	}
	w.check(os.WriteFile(filepath.Join(dir, "templates", "zz-broken.yaml"), []byte(broken), 0o600))
	fetcher := must(fetch.New(fetch.Options{AllowLocal: true}))(w.t)
	return must(fetcher.Get(w.t.Context(), fetch.Reference{URL: dir}))(w.t)
}

const broken = `{{- if .Values.broken }}
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}-broken}
spec: {ports: [{port: 70000}]}
{{- end }}
`

func (w *world) group() string { return w.namespace + ".parity.example.org" }

// byHelm makes releases with Helm's own actions.
type byHelm struct{ *world }

func (w *world) place() *world { return w }

func (h byHelm) upgrade(chart string, values map[string]any) (*oracle.Release, error) {
	h.t.Helper()
	return h.helm.Upgrade(app, h.archive(chart).Data, copied(values))
}

func (h byHelm) deploy(chart string, values map[string]any) {
	h.t.Helper()
	do := h.helm.Upgrade
	if len(h.history()) == 0 {
		do = h.helm.Install
	}
	must(do(app, h.archive(chart).Data, copied(values)))(h.t)
}

func (h byHelm) fail(chart string, values map[string]any) {
	h.t.Helper()
	good := h.history()[len(h.history())-1].Revision
	if _, err := h.upgrade(chart, values); err == nil {
		h.t.Fatal("helm upgrade was expected to fail")
	}
	h.check(h.helm.Rollback(app, good))
}

func (h byHelm) test()      { h.t.Helper(); h.check(h.helm.Test(app)) }
func (h byHelm) uninstall() { h.t.Helper(); h.check(h.helm.Uninstall(app)) }

// byUs makes releases with the operator's engine.
type byUs struct {
	*world
	engine *release.Engine
	// volumes is what becomes of claims at the end.
	volumes release.VolumePolicy
	// policy of each release.
	policy release.Policy
	now    func() time.Time
	// wanted is the last request.
	wanted release.Request
}

func newByUs(w *world) *byUs {
	w.t.Helper()
	u := &byUs{world: w, now: time.Now}
	u.engine = must(release.New(release.Options{
		Cluster: shared, Holder: "parity", Now: func() time.Time { return u.now() },
	}))(w.t)
	return u
}

func (u *byUs) request(chart string, values map[string]any) release.Request {
	u.t.Helper()
	archive := u.archive(chart)
	u.wanted = release.Request{
		Namespace: u.namespace, Name: app, Owner: release.Owner{Component: "component", Deployment: "deployment"}, Values: values, Policy: u.policy,
		Chart: release.Chart{Digest: archive.Digest, Load: func(context.Context) ([]byte, error) { return archive.Data, nil }},
	}
	return u.wanted
}

func (u *byUs) deploy(chart string, values map[string]any) {
	u.t.Helper()
	u.want(u.settle(u.request(chart, values)), release.StateDeployed)
}

func (u *byUs) fail(chart string, values map[string]any) {
	u.t.Helper()
	request := u.request(chart, values)
	request.Policy.OnUpgradeFailure, request.Policy.MaxAttempts = release.Rollback, 1
	outcome := u.settle(request)
	u.want(outcome, release.StateFailed)
	if outcome.Reason != release.ReasonRolledBack {
		u.t.Fatalf("not rolled back: %s: %s", outcome.Reason, outcome.Message)
	}
}

func (u *byUs) test() {
	u.t.Helper()
	u.want(u.until(func() (release.Outcome, error) { return u.engine.Test(u.t.Context(), u.wanted) }), release.StateDeployed)
}

func (u *byUs) uninstall() {
	u.t.Helper()
	request := release.UninstallRequest{Namespace: u.namespace, Name: app, Owner: release.Owner{Component: "component"}, Volumes: u.volumes}
	u.want(u.until(func() (release.Outcome, error) { return u.engine.Uninstall(u.t.Context(), request) }), release.StateGone)
}

func (u *byUs) settle(request release.Request) release.Outcome {
	u.t.Helper()
	return u.until(func() (release.Outcome, error) { return u.engine.Reconcile(u.t.Context(), request) })
}

// until calls until nothing is under way any more, as the watches of the operator would have it called.
func (u *byUs) until(call func() (release.Outcome, error)) release.Outcome {
	u.t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		outcome := must(call())(u.t)
		if outcome.State != release.StateProgressing {
			return outcome
		}
		select {
		case <-deadline:
			u.t.Fatalf("the release does not settle: %s: %s", outcome.Reason, outcome.Message)
		case <-tick.C:
		}
	}
}

func (u *byUs) want(outcome release.Outcome, state release.State) {
	u.t.Helper()
	if outcome.State != state {
		u.t.Fatalf("got %s at revision %d (%s: %s), want %s", outcome.State, outcome.Revision, outcome.Reason, outcome.Message, state)
	}
}

// history is what `helm history` shows, oldest first; nothing where there is no release.
func (w *world) history() []oracle.Release {
	w.t.Helper()
	for _, listed := range must(w.helm.List())(w.t) {
		if listed.Name == app {
			return must(w.helm.History(app))(w.t)
		}
	}
	return nil
}

func (w *world) exists(name string, object client.Object) bool {
	w.t.Helper()
	err := people.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, object)
	if apierrors.IsNotFound(err) {
		return false
	}
	w.check(err)
	return true
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// copied makes of values what reading them from a file would: Helm changes them, and numbers have one type.
func copied(values map[string]any) map[string]any {
	if values == nil {
		return map[string]any{}
	}
	data, err := json.Marshal(values)
	if err != nil {
		panic(err)
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		panic(err)
	}
	return out
}

func isOvertaken(err error) bool { return apierrors.IsNotFound(err) || apierrors.IsConflict(err) }

// must turns a result and its error into the result: must(f())(t).
func must[T any](value T, err error) func(tb testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return value
	}
}
