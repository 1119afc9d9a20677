package parity_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/release"
)

// alone are tests of the differences that need more than the steps of the corpus: in each, Helm and the engine are seen to
// differ.
var alone = map[string]func(theirs byHelm, ours *byUs){
	"leftovers of hooks": func(theirs byHelm, ours *byUs) {
		theirs.deploy("stubborn", nil)
		if _, err := theirs.upgrade("stubborn", object{"message": "bye"}); err == nil || !strings.Contains(err.Error(), "already exists") {
			theirs.t.Errorf("helm upgrade: %v", err)
		}
		ours.deploy("stubborn", nil)
		ours.deploy("stubborn", object{"message": "bye"})
		note := &corev1.ConfigMap{}
		if !ours.exists("app-note", note) || note.Data["message"] != "bye" {
			theirs.t.Errorf("the hook left %v", note.Data)
		}
	},
	"rollback after half an upgrade": func(theirs byHelm, ours *byUs) {
		theirs.deploy("workloads", nil)
		if _, err := theirs.upgrade("workloads", object{"message": "bye", "broken": true}); err == nil {
			theirs.t.Error("helm upgrade was expected to fail")
		}
		if err := theirs.helm.Rollback(app, 1); err == nil || !strings.Contains(err.Error(), "cannot patch") {
			theirs.t.Errorf("helm rollback: %v", err)
		}
		if last := theirs.history()[2]; last.Status != "failed" {
			theirs.t.Errorf("helm rollback leaves %s", last.Status)
		}
		ours.deploy("workloads", nil)
		ours.fail("workloads", object{"message": "bye", "broken": true})
		if last := ours.history()[2]; last.Status != "deployed" || last.Description != "Rollback to 1" {
			theirs.t.Errorf("our rollback leaves %s: %s", last.Status, last.Description)
		}
	},
	"second attempt at an install": func(theirs byHelm, ours *byUs) {
		if _, err := theirs.helm.Install(app, theirs.archive("facts").Data, object{"broken": true}); err == nil {
			theirs.t.Error("helm install was expected to fail")
		}
		// Without any values, helm upgrade would use the old ones again.
		theirs.deploy("facts", object{"broken": false})
		ours.want(ours.settle(ours.request("facts", object{"broken": true})), release.StateFailed)
		ours.deploy("facts", nil)
		for _, each := range []struct {
			*world
			want string
		}{{theirs.world, `"IsInstall":false`}, {ours.world, `"IsInstall":true`}} {
			facts := &corev1.ConfigMap{}
			if !each.exists("app-facts", facts) || !strings.Contains(facts.Data["release"], each.want) {
				theirs.t.Errorf("want %s in %s", each.want, facts.Data["release"])
			}
		}
	},
	"an object rendered twice": func(theirs byHelm, ours *byUs) {
		if _, err := theirs.helm.Install(app, theirs.archive("twice").Data, nil); err == nil || len(theirs.history()) != 1 || len(theirs.objects()) != 1 {
			theirs.t.Errorf("helm install: %v, %d objects", err, len(theirs.objects()))
		}
		ours.wantRefused("twice", nil, release.ReasonRenderFailed)
	},
	"schemas from elsewhere": func(theirs byHelm, ours *byUs) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"type":"string"}`)) }))
		defer server.Close()
		dir := filepath.Join(theirs.t.TempDir(), "schema")
		theirs.check(os.CopyFS(dir, os.DirFS("testdata/charts/schema")))
		schema := `{"properties":{"message":{"$ref":"` + server.URL + `"}}}`
		theirs.check(os.WriteFile(filepath.Join(dir, "values.schema.json"), []byte(schema), 0o600))
		theirs.deploy(dir, nil)
		ours.wantRefused(dir, nil, release.ReasonChartInvalid)
	},
	"replicas of a scaled workload": func(theirs byHelm, ours *byUs) {
		for _, each := range []struct {
			maker
			want int32
		}{{theirs, 3}, {ours, 7}} {
			each.deploy("workloads", object{"message": "bye"})
			w, deployment := each.place(), &appsv1.Deployment{}
			if !w.exists(app, deployment) {
				theirs.t.Fatal("no Deployment")
			}
			scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 7}}
			w.check(people.SubResource("scale").Update(theirs.t.Context(), deployment, client.WithSubResourceBody(scale), client.FieldOwner("kube-controller-manager")))
			each.deploy("workloads", object{"message": "bye", "replicas": 3})
			if w.exists(app, deployment); *deployment.Spec.Replicas != each.want {
				theirs.t.Errorf("%T leaves %d replicas", each.maker, *deployment.Spec.Replicas)
			}
		}
	},
	"records beyond a Secret": func(theirs byHelm, ours *byUs) {
		if _, err := theirs.helm.Install(app, theirs.archive("large").Data, nil); err == nil || !strings.Contains(err.Error(), "Too long") {
			theirs.t.Errorf("helm install: %v", err)
		}
		ours.deploy("large", nil)
	},
}

// TestBothRefuse: what Helm refuses before it writes, the engine refuses, too.
func TestBothRefuse(t *testing.T) {
	for name, tc := range map[string]struct {
		chart  string
		values map[string]any
		before func(w *world)
		reason release.Reason
	}{
		"values against the schema": {chart: "schema", values: object{"replicas": 0}, reason: release.ReasonValuesInvalid},
		"a value of the wrong type": {chart: "schema", values: object{"message": 3}, reason: release.ReasonValuesInvalid},
		"another Kubernetes":        {chart: "future", reason: release.ReasonChartInvalid},
		"an object of somebody else's": {chart: "keep", reason: release.ReasonForeignObject, before: func(w *world) {
			settings := &corev1.ConfigMap{}
			settings.Namespace, settings.Name = w.namespace, "app-settings"
			w.check(people.Create(w.t.Context(), settings))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			theirs, ours := byHelm{newWorld(t)}, newByUs(newWorld(t))
			for _, w := range []*world{theirs.world, ours.world} {
				if tc.before != nil {
					tc.before(w)
				}
			}
			before := len(theirs.objects())
			if _, err := theirs.helm.Install(app, theirs.archive(tc.chart).Data, copied(tc.values)); err == nil {
				t.Error("helm install was expected to fail")
			}
			if len(theirs.objects()) != before || len(theirs.history()) > 0 {
				t.Errorf("helm left %v", theirs.history())
			}
			ours.wantRefused(tc.chart, tc.values, tc.reason)
		})
	}
}

// wantRefused checks that nothing is written.
func (u *byUs) wantRefused(chart string, values map[string]any, reason release.Reason) {
	u.t.Helper()
	before := len(u.objects())
	outcome := u.settle(u.request(chart, values))
	u.want(outcome, release.StateBlocked)
	if outcome.Reason != reason {
		u.t.Errorf("got %s: %s", outcome.Reason, outcome.Message)
	}
	if len(u.objects()) != before || len(u.history()) > 0 {
		u.t.Errorf("something was written: %v", u.history())
	}
}
