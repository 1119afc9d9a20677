package parity_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/release"
)

// TestWhatHelmSeesOfALargeRelease: what does not need the manifest works, what does stops before it touches an object, and
// the engine goes on after each.
func TestWhatHelmSeesOfALargeRelease(t *testing.T) {
	t.Parallel()
	ours := newByUs(newWorld(t))
	ours.helm = ours.helm.WithoutValidation()
	ours.deploy("large", nil)
	ours.deploy("large", object{"any": "change"})
	uids := ours.uids()
	records, parts := ours.secrets()
	if records != 2 || parts < 4 {
		t.Fatalf("%d records with %d parts", records, parts)
	}

	ours.wantHistory("superseded", "deployed")
	if listed := must(ours.helm.List())(t); len(listed) != 1 || listed[0].Status != "deployed" || listed[0].Chart != "large" {
		t.Errorf("helm list shows %+v", listed)
	}
	if diff := cmp.Diff(map[string]any{"any": "change"}, must(ours.helm.Values(app))(t)); diff != "" {
		t.Errorf("helm get values: %s", diff)
	}
	manifest := must(ours.helm.Get(app))(t).Manifest
	if !strings.Contains(manifest, "keeps this manifest in further Secrets") || !strings.Contains(manifest, "kind: ManifestTooLargeForHelm") {
		t.Errorf("helm get manifest shows %s", manifest)
	}

	archive := ours.archive("large").Data
	for i, command := range []struct {
		name string
		do   func() error
		// leaves is what helm history shows after it.
		leaves []string
	}{
		{"upgrade", func() error { _, err := ours.helm.Upgrade(app, archive, object{}); return err }, []string{"superseded", "deployed"}},
		{"rollback", func() error { return ours.helm.Rollback(app, 1) }, []string{"superseded", "deployed", "pending-rollback"}},
		{"uninstall", func() error { return ours.helm.Uninstall(app) }, []string{"superseded", "superseded", "failed", "uninstalling"}},
	} {
		if err := command.do(); err == nil {
			t.Errorf("helm %s went on without a manifest", command.name)
		}
		ours.wantHistory(command.leaves...)
		if diff := cmp.Diff(uids, ours.uids()); diff != "" {
			t.Errorf("helm %s touched objects: %s", command.name, diff)
		}
		// A command that is pending is respected for a while.
		ours.now = func() time.Time { return time.Now().Add(time.Duration(i+1) * time.Hour) }
		ours.deploy("large", object{"any": "change"})
		if diff := cmp.Diff(uids, ours.uids()); diff != "" {
			t.Errorf("the engine after helm %s: %s", command.name, diff)
		}
	}
	ours.uninstall()
	if records, parts := ours.secrets(); records+parts > 0 || len(ours.objects()) > 0 {
		t.Errorf("left are %d records, %d parts, %d objects", records, parts, len(ours.objects()))
	}
}

// TestTheHistoryIsBounded, with upgrades by both, with failures, and with records of many Secrets.
func TestTheHistoryIsBounded(t *testing.T) {
	const most = 3
	t.Run("upgrades", func(t *testing.T) {
		t.Parallel()
		ours := newByUs(newWorld(t))
		ours.helm = ours.helm.WithoutValidation()
		ours.policy.MaxHistory = most
		for i := range 2 * most {
			ours.deploy("keep", object{"message": fmt.Sprint("v", i)})
			if records, _ := ours.secrets(); records > most {
				t.Fatalf("%d records after upgrade %d", records, i)
			}
			must(ours.helm.Upgrade(app, ours.archive("keep").Data, object{"message": "by-hand"}))(t)
		}
	})
	t.Run("failures", func(t *testing.T) {
		t.Parallel()
		ours := newByUs(newWorld(t))
		ours.policy.MaxHistory, ours.policy.MaxAttempts = most, 1
		ours.deploy("keep", nil)
		for i := range 2 * most {
			ours.want(ours.settle(ours.request("keep", object{"broken": true, "message": fmt.Sprint("v", i)})), release.StateFailed)
			if records, _ := ours.secrets(); records > most+1 {
				t.Fatalf("%d records after failure %d", records, i)
			}
		}
		if oldest := ours.history()[0]; oldest.Revision != 1 || oldest.Status != "deployed" {
			t.Errorf("the last deployed revision was forgotten: the oldest is %+v", oldest)
		}
	})
	t.Run("large releases", func(t *testing.T) {
		t.Parallel()
		ours := newByUs(newWorld(t))
		ours.policy.MaxHistory = 1
		for i := range 3 {
			ours.deploy("large", object{"any": fmt.Sprint("v", i)})
			if records, parts := ours.secrets(); records != 1 || parts != 2 {
				t.Fatalf("%d records, %d parts after upgrade %d", records, parts, i)
			}
		}
	})
}

// secrets counts the records of releases, and their parts.
func (w *world) secrets() (records, parts int) {
	w.t.Helper()
	var list corev1.SecretList
	w.check(people.List(w.t.Context(), &list, client.InNamespace(w.namespace)))
	for _, secret := range list.Items {
		switch secret.Type {
		case "helm.sh/release.v1":
			records++
		case "dpi-operator.io/release-part":
			parts++
		}
	}
	return records, parts
}
