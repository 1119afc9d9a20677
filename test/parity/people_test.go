package parity_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/dpi-operator/dpi-operator/internal/release"
)

// each runs a test for each chart once, in a world of its own, with the values of two revisions.
func each(t *testing.T, do func(w *world, entry corpusEntry)) {
	t.Helper()
	done := map[string]bool{}
	for _, entry := range corpus {
		if done[entry.chart] {
			continue
		}
		done[entry.chart] = true
		if entry.next == "" {
			entry.next = entry.chart
		}
		t.Run(entry.chart, func(t *testing.T) {
			t.Parallel()
			do(newWorld(t), entry)
		})
	}
}

// TestHelmsCommandsOnOurReleases: each command of Helm's works on a release of the engine's, and the engine goes on after it.
func TestHelmsCommandsOnOurReleases(t *testing.T) {
	each(t, func(w *world, entry corpusEntry) {
		ours := newByUs(w)
		ours.helm = ours.helm.WithoutValidation()
		ours.deploy(entry.chart, entry.values)
		first := ours.content()
		ours.deploy(entry.next, entry.changed)
		second := ours.content()

		ours.check(ours.helm.Test(app))
		ours.check(ours.helm.Rollback(app, 1))
		ours.wantHistory("superseded", "superseded", "deployed")
		ours.wantAtLeast("helm rollback", first)
		ours.deploy(entry.next, entry.changed)
		ours.wantHistory("superseded", "superseded", "superseded", "deployed")
		ours.wantAtLeast("the engine after helm rollback", second)

		must(ours.helm.UpgradeReusingValues(app, ours.archive(entry.next).Data, object{"message": "by-hand"}))(w.t)
		values := must(ours.helm.Values(app))(w.t)
		want := copied(entry.changed)
		want["message"] = "by-hand"
		if diff := cmp.Diff(want, values); diff != "" {
			w.t.Errorf("helm upgrade --reuse-values: %s", diff)
		}
		ours.deploy(entry.next, entry.changed)
		ours.wantAtLeast("the engine after helm upgrade", second)

		ours.check(ours.helm.Uninstall(app))
		ours.wantHistory()
		ours.wantOnlyKept("helm uninstall", func(o object) bool { return isHook(o) || isDroppedClaim(o) })
		ours.deploy(entry.next, entry.changed)
		ours.wantHistory("deployed")
		ours.volumes = release.DeleteVolumes
		ours.uninstall()
		ours.wantOnlyKept("the engine after helm uninstall", isDroppedClaim)
	})
}

// TestReleasesOfHelmAreAdopted: nothing is made anew, no data is lost, and from then on the release is as any other.
func TestReleasesOfHelmAreAdopted(t *testing.T) {
	each(t, func(w *world, entry corpusEntry) {
		theirs := byHelm{w}
		theirs.helm = theirs.helm.WithoutValidation()
		theirs.deploy(entry.chart, entry.values)
		first := theirs.content()
		theirs.deploy(entry.next, entry.changed)
		before, uids := theirs.content(), theirs.uids()

		ours := newByUs(theirs.world)
		ours.wantBlocked(ours.request(entry.next, entry.changed), release.ReasonForeignRelease)
		ours.policy.Adoption = release.AdoptRelease
		ours.deploy(entry.next, entry.changed)
		for name, uid := range ours.uids() {
			if uids[name] != uid && uids[name] != "" {
				w.t.Errorf("%s was made anew", name)
			}
			delete(uids, name)
		}
		if len(uids) > 0 {
			w.t.Errorf("the adoption removed %v", slices.Collect(maps.Keys(uids)))
		}
		ours.wantAtLeast("the adoption", before)
		ours.wantHistory("superseded", "superseded", "deployed")

		ours.deploy(entry.chart, entry.values)
		ours.wantAtLeast("an upgrade after the adoption", first)
		ours.volumes = release.DeleteVolumes
		ours.uninstall()
		ours.wantOnlyKept("the removal of an adopted release", func(object) bool { return false })
	})
}

func (u *byUs) wantBlocked(request release.Request, reason release.Reason) {
	u.t.Helper()
	outcome := u.settle(request)
	u.want(outcome, release.StateBlocked)
	if outcome.Reason != reason {
		u.t.Errorf("got %s: %s", outcome.Reason, outcome.Message)
	}
}

// isDroppedClaim tells the claim that the second revision does not have and that was kept: no record names it any more.
func isDroppedClaim(of object) bool { return field(of, "metadata")["name"] == "app-archive" }

func isHook(of object) bool { return field(of, "metadata", "annotations")[hookAnnotation] != nil }

// dependsOnRevision tells what a chart of the corpus renders differently for each revision.
var dependsOnRevision = regexp.MustCompile(`"(release|value|templated|random-anew|accounts|empty)":"(\\.|[^"\\])*",?`)

// content are the objects of the release as the engine and Helm agree on them, by name: the listed differences taken out, and
// what is new in each revision.
func (w *world) content() map[string]object {
	w.t.Helper()
	mine, none := w.snapshot(), &snapshot{}
	content := map[string]object{}
	for _, d := range []func(helm, ours *snapshot) bool{hideDefinitionLabels, hideLabels} {
		d(none, mine)
	}
	for name, each := range mine.Objects {
		if isHook(each) || each["kind"] == "PersistentVolumeClaim" || each["kind"] == definition {
			continue
		}
		for _, container := range containers(each) {
			dropHidden(each)
			slices.SortFunc(container["env"].([]any), byName)
		}
		content[name] = w.comparable(each)
	}
	return content
}

// wantAtLeast checks that all these objects are there as they were, and nothing else of the release but what is kept.
func (w *world) wantAtLeast(after string, want map[string]object) {
	w.t.Helper()
	got := w.content()
	for name, each := range got {
		if want[name] == nil && field(each, "metadata", "annotations")["helm.sh/resource-policy"] == "keep" {
			delete(got, name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("after %s, -want +got:\n%s", after, diff)
	}
}

// comparable leaves out what a chart of the corpus renders differently for each revision.
func (w *world) comparable(each object) object {
	w.t.Helper()
	text := dependsOnRevision.ReplaceAllString(string(must(json.Marshal(each))(w.t)), "")
	var plain object
	w.check(json.Unmarshal([]byte(strings.ReplaceAll(text, ",}", "}")), &plain))
	return plain
}

// wantOnlyKept checks that nothing is left but what asks to be kept, definitions, and what is allowed besides.
func (w *world) wantOnlyKept(after string, allowed func(object) bool) {
	w.t.Helper()
	for name, each := range w.snapshot().Objects {
		kept := field(each, "metadata", "annotations")["helm.sh/resource-policy"] == "keep"
		if !kept && each["kind"] != definition && !allowed(each) {
			w.t.Errorf("%s left %s", after, name)
		}
	}
}

func (w *world) wantHistory(statuses ...string) {
	w.t.Helper()
	got := make([]string, 0, len(statuses))
	for _, each := range w.history() {
		got = append(got, each.Status)
	}
	if !slices.Equal(got, statuses) {
		w.t.Errorf("helm history shows %s, want %s", strings.Join(got, ", "), strings.Join(statuses, ", "))
	}
}

// uids of the objects that are no hooks.
func (w *world) uids() map[string]types.UID {
	w.t.Helper()
	uids := map[string]types.UID{}
	for _, item := range w.objects() {
		if item.GetAnnotations()[hookAnnotation] == "" {
			uids[w.key(item)] = item.GetUID()
		}
	}
	return uids
}
