package component

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/observe"
	"github.com/dpi-operator/dpi-operator/internal/release"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

const (
	// maxCorrections of one object within correctionWindow; who changes it once more is left to it.
	maxCorrections   = 3
	correctionWindow = 10 * time.Minute
	// namedFields bounds how many fields of an object a sentence names.
	namedFields = 4
)

// drifts remembers what is known of each component's drift. Losing it costs a few requests and a few corrections more.
type drifts struct {
	mu          sync.Mutex
	byComponent map[types.NamespacedName]*driftRecord
}

// of returns what is known of a component, nothing at first and whenever the scope changed.
func (d *drifts) of(component types.NamespacedName, scope string) *driftRecord {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.byComponent[component]
	if known == nil || known.scope != scope {
		known = &driftRecord{scope: scope, owned: map[render.ID]string{}, judged: map[render.ID]judgement{}, counts: map[render.ID]count{}}
		if d.byComponent == nil {
			d.byComponent = map[types.NamespacedName]*driftRecord{}
		}
		d.byComponent[component] = known
	}
	return known
}

func (d *drifts) forget(component types.NamespacedName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.byComponent, component)
}

// driftRecord is what is known of the drift of one component, which has one pass at a time.
type driftRecord struct {
	scope string
	// owned are digests found to be as wanted, where the release itself has none or an older one.
	owned  map[render.ID]string
	judged map[render.ID]judgement
	counts map[render.ID]count
	// last is the latest correction, in words.
	last string
	// untold are events of passes that may not have come to their end.
	untold []release.Event
}

func (d *driftRecord) tell(event release.Event) { d.untold = append(d.untold, event) }

// takeEvents returns what nobody was told of yet, once.
func (d *driftRecord) takeEvents() []release.Event {
	if d == nil {
		return nil
	}
	events := d.untold
	d.untold = nil
	return events
}

// judgement is what was found out about an object when it looked like that.
type judgement struct {
	look string
	release.Drift
}

// count is how often an object was corrected.
type count struct {
	at        []time.Time
	contested bool
}

// look is how an object looks without any request.
type look struct {
	// owned is the digest of the fields that are ours.
	owned string
	// version changes with everything but the status, where the cluster tells the two apart.
	version string
}

const absent = "absent"

// looksOf says how the objects of an inventory look. Those that cannot be read are left out.
func looksOf(inventory []render.ID, snapshot observe.Snapshot) map[render.ID]look {
	looks := make(map[render.ID]look, len(inventory))
	for _, id := range inventory {
		if _, unreadable := snapshot.Unreadable[id]; !unreadable {
			looks[id.Unversioned()] = look{version: absent}
		}
	}
	for i := range snapshot.Objects {
		object := &snapshot.Objects[i]
		id := render.IDOf(object).Unversioned()
		if _, expected := looks[id]; expected {
			looks[id] = look{owned: apply.OwnedDigest(object), version: versionOf(object)}
		}
	}
	return looks
}

// versionOf spares a look at every status of a workload: kinds that count their generations count what is specified.
func versionOf(object *unstructured.Unstructured) string {
	if object.GetDeletionTimestamp() != nil {
		return absent
	}
	if object.GetGeneration() == 0 {
		return object.GetResourceVersion()
	}
	digest := fnv.New64a()
	metadata, err := json.Marshal([]any{object.GetLabels(), object.GetAnnotations(), apply.OwnedDigest(object)})
	if err != nil {
		return object.GetResourceVersion()
	}
	_, _ = digest.Write(metadata) // a hash takes everything
	return fmt.Sprintf("%s/%d/%x", object.GetUID(), object.GetGeneration(), digest.Sum64())
}

// suspects lists the objects that have to be looked at, and forgets what was judged of those that are as wanted again.
func (d *driftRecord) suspects(deployed *release.Outcome, looks map[render.ID]look) []render.ID {
	var suspects []render.ID
	for i, id := range deployed.Inventory {
		key := id.Unversioned()
		here, known := looks[key]
		if !known || isDefinition(id) {
			continue
		}
		isWanted := here.owned != "" && (here.owned == deployed.Owned[i] || here.owned == d.owned[key])
		switch {
		case isWanted && here.version != absent:
			delete(d.judged, key)
		case d.judged[key].look != here.version:
			suspects = append(suspects, id)
		}
	}
	return suspects
}

func isDefinition(id render.ID) bool { return id.Kind == "CustomResourceDefinition" }

// judge takes in what was found out about an object, and reports whether that is drift nobody was told of.
func (d *driftRecord) judge(found release.Drift, looks map[render.ID]look) bool {
	key := found.ID.Unversioned()
	before := d.judged[key]
	d.judged[key] = judgement{look: looks[key].version, Drift: found}
	if found.Owned != "" {
		d.owned[key] = found.Owned
	}
	if found.State == release.DriftNone && d.counts[key].contested {
		d.counts[key] = count{at: d.counts[key].at}
	}
	return isDrift(found) && sentenceOf(found) != sentenceOf(before.Drift)
}

func isDrift(found release.Drift) bool {
	return found.State == release.DriftChanged || found.State == release.DriftGone || found.State == release.DriftTaken
}

// drifted returns what is drift, sorted.
func (d *driftRecord) drifted() []release.Drift {
	return d.withState(isDrift)
}

func (d *driftRecord) withState(is func(release.Drift) bool) []release.Drift {
	var found []release.Drift
	for _, each := range d.judged {
		if is(each.Drift) {
			found = append(found, each.Drift)
		}
	}
	slices.SortFunc(found, func(a, b release.Drift) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	return found
}

// mayCorrect reports whether an object may be corrected once more.
func (d *driftRecord) mayCorrect(id render.ID, now time.Time) bool {
	counted := d.counts[id.Unversioned()]
	recent := 0
	for _, at := range counted.at {
		if now.Sub(at) < correctionWindow {
			recent++
		}
	}
	return !counted.contested && recent < maxCorrections
}

// contest gives up an object, and reports whether that is new.
func (d *driftRecord) contest(id render.ID) bool {
	counted := d.counts[id.Unversioned()]
	known := counted.contested
	counted.contested = true
	d.counts[id.Unversioned()] = counted
	return !known
}

// refuse notes that the cluster does not let an object be corrected; it is tried again once it looks another way.
func (d *driftRecord) refuse(id render.ID, cause string) {
	judged := d.judged[id.Unversioned()]
	judged.State, judged.Cause = release.DriftUnknown, "cannot be corrected: "+cause
	d.judged[id.Unversioned()] = judged
}

// corrected counts a correction. The object is looked at anew.
func (d *driftRecord) corrected(found release.Drift, now time.Time) {
	key := found.ID.Unversioned()
	counted := d.counts[key]
	counted.at = append(slices.DeleteFunc(counted.at, func(at time.Time) bool { return now.Sub(at) >= correctionWindow }), now)
	d.counts[key] = counted
	d.last = "Corrected: " + sentenceOf(found)
	delete(d.judged, key)
}

// driftVerdict is what the condition says. One that says what was corrected last stays as long as nothing else is to be said.
func driftVerdict(object *v1alpha1.Component, d *driftRecord, isNewRevision bool) conditions.Verdict {
	verdict := conditions.False(v1alpha1.ReasonNoDrift, "All is as it was applied")
	found := d.drifted()
	unknown := d.withState(func(each release.Drift) bool { return each.State == release.DriftUnknown })
	before := conditions.Get(object, v1alpha1.DriftedCondition)
	switch {
	case len(found) > 0:
		verdict = foundVerdict(d, found)
	case len(unknown) > 0:
		verdict = conditions.Unknown(v1alpha1.ReasonDriftUnknown, describe(unknown[0].ID)+": "+unknown[0].Cause)
	case d.last != "":
		verdict = conditions.False(v1alpha1.ReasonDriftCorrected, d.last)
	case before != nil && before.Reason == string(v1alpha1.ReasonDriftCorrected) && !isNewRevision:
		verdict = conditions.False(v1alpha1.ReasonDriftCorrected, before.Message)
	}
	return verdict
}

func foundVerdict(d *driftRecord, found []release.Drift) conditions.Verdict {
	for _, each := range found {
		if d.counts[each.ID.Unversioned()].contested {
			return conditions.True(v1alpha1.ReasonDriftContested, contestedSentence(each))
		}
	}
	sentences := make([]string, 0, len(found))
	for _, each := range found {
		sentences = append(sentences, sentenceOf(each))
	}
	return conditions.True(v1alpha1.ReasonDriftFound, strings.Join(sentences, "; "))
}

// sentenceOf says what happened to an object, without any value.
func sentenceOf(found release.Drift) string {
	switch found.State {
	case release.DriftGone:
		return describe(found.ID) + " was deleted"
	case release.DriftTaken:
		return fmt.Sprintf("%s belongs to %s", describe(found.ID), found.Cause)
	case release.DriftChanged:
		fields := found.Fields
		if len(fields) > namedFields {
			fields = append(slices.Clone(fields[:namedFields]), fmt.Sprintf("and %d more", len(found.Fields)-namedFields))
		}
		text := fmt.Sprintf("%s was changed: %s", describe(found.ID), strings.Join(fields, ", "))
		if len(found.Writers) > 0 {
			text += " by " + strings.Join(found.Writers, ", ")
		}
		return text
	case release.DriftNone, release.DriftUnknown:
	}
	return ""
}

func describe(id render.ID) string { return id.Kind + " " + id.Name }

func contestedSentence(found release.Drift) string {
	return fmt.Sprintf("%s, again after %d corrections within %s; it is left so", sentenceOf(found), maxCorrections, correctionWindow)
}
