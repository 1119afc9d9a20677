package preview_test

import (
	"errors"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/cli"
	"github.com/dpi-operator/dpi-operator/internal/plan"
	"github.com/dpi-operator/dpi-operator/internal/preview"
)

const (
	database = "  environment: demo\n  components:\n    - {name: db, good: postgresql, version: '15'}\n"
	fhir     = "    - {name: fhir, good: hapi-fhir, values: {jvm: {maxHeap: 512m}}}\n"
	moreHeap = "    - {name: fhir, good: hapi-fhir, values: {jvm: {maxHeap: 768m}}}\n"
	manual   = "  approval: Manual\n"
)

// wantLines fails for each line that the text does not have.
func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line) {
			t.Errorf("%q is missing in:\n%s", line, text)
		}
	}
}

func TestThePlanIsTheRevisionThatApplyingMakes(t *testing.T) {
	w := newWorld(t)
	first := w.file(database + fhir)
	said := w.planned("-f", first)
	if said.Preview.Revision != 1 || said.Preview.Stored || !said.Preview.WouldChange {
		t.Errorf("got %+v", said.Preview)
	}
	w.apply(first)
	if digest := w.revision("he-1").Spec.Digest; digest != said.Digest || digest == "" {
		t.Errorf("the plan said %s, the revision has %s", said.Digest, digest)
	}

	for name, args := range map[string][]string{"file": {"-f", first}, "deployment": {"he"}} {
		text, err := w.dpi(append([]string{"plan", "--chart-repository", charts, "--exit-code"}, args...)...)
		if err != nil || !strings.Contains(text, "nothing would change") {
			t.Errorf("%s: what runs is as wanted, yet: %v\n%s", name, err, text)
		}
		wantLines(t, text, "revision 1, which is in force", "plan "+said.Digest)
	}

	second := w.file(manual + database + moreHeap)
	said = w.planned("-f", second)
	text, err := w.dpi("plan", "--chart-repository", charts, "--exit-code", "-f", second)
	if !errors.Is(err, cli.ErrWouldChange) {
		t.Errorf("got %v", err)
	}
	wantLines(t, text, "would be revision 2; revision 1 is in force", "approval is Manual: it will wait for kubectl dpi approve he -n "+w.namespace+" --revision 2",
		"upgrade release he-fhir from revision 1", "~ Deployment "+w.namespace+"/he-fhir", "restarts: Deployment he-fhir", "- -Xmx512m", "+ -Xmx768m")
	if strings.Contains(text, "\ndb:") {
		t.Errorf("the database does not change:\n%s", text)
	}

	w.apply(second)
	if digest := w.revision("he-2").Spec.Digest; digest != said.Digest {
		t.Errorf("the plan said %s, the revision has %s", said.Digest, digest)
	}
	text = w.plan("he")
	wantLines(t, text, "revision 2; revision 1 is in force", "it waits for approval: kubectl dpi approve he -n "+w.namespace+" --revision 2", "+ -Xmx768m", "plan "+said.Digest)
}

func TestGoingBackIsPreviewed(t *testing.T) {
	w := newWorld(t)
	w.apply(w.file(database + fhir))
	w.apply(w.file(database + "    - {name: web, good: hapi-fhir}\n" + moreHeap))
	if w.deployment().Status.Revision.Number != 2 {
		t.Fatalf("got %+v", w.deployment().Status.Revision)
	}
	back := w.planned("he", "--revision", "1")
	actions := map[string]plan.Action{}
	for _, step := range back.Steps {
		actions[step.Component] = step.Action
	}
	if actions["db"] != plan.ActionKeep || actions["fhir"] != plan.ActionUpgrade || actions["web"] != plan.ActionRemove {
		t.Errorf("got %v", actions)
	}
	if back.Digest != w.revision("he-1").Spec.Digest {
		t.Errorf("got digest %s", back.Digest)
	}
	text := w.plan("he", "--revision", "1")
	wantLines(t, text, "to hold the stack at it: kubectl dpi rollback he -n "+w.namespace+" --to 1", "web: release he-web is uninstalled",
		"- Deployment "+w.namespace+"/he-web", "- -Xmx768m", "+ -Xmx512m", "- web uses db for database (postgresql-v1)")

	_, err := w.dpi("plan", "he", "--revision", "9")
	if err == nil || err.Error() != "RevisionNotFound: revision 9 is asked for, and the revisions kept are 1, 2; choose one of them" {
		t.Errorf("got %v", err)
	}
}

func TestAChartThatCannotBeFetchedHoldsNothingElseUp(t *testing.T) {
	w := newWorld(t)
	text, err := w.dpi("plan", "-f", w.file(database+fhir))
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, text, "1     install  db", "db: release he-db", "not compared: cannot get chart postgresql 0.1.0", "registry.cluster.invalid", "--chart-repository",
		"+ fhir uses db for database (postgresql-v1)", "plan sha256:")
}

func TestSomebodyWhoMayNotReadReleasesSeesTheRest(t *testing.T) {
	w := newWorld(t)
	w.apply(w.file(database + fhir))
	w.allow("looker", rbacv1.PolicyRule{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"*"}, Verbs: []string{"get", "list"}})
	text := w.plan("-f", w.file(database+moreHeap), "--as", "looker")
	wantLines(t, text, "would be revision 2; revision 1 is in force", "upgrade  fhir", "not compared: list the records of release", "is forbidden")
}

func TestWhatTheNamespaceIsMissingForIsSaid(t *testing.T) {
	w := newWorld(t)
	w.namespace = "still-to-be-made"
	said := w.planned("-f", w.file(database))
	if len(said.Preview.Components) != 1 || len(said.Preview.Components[0].Objects) == 0 {
		t.Fatalf("got %+v", said.Preview)
	}
	for _, object := range said.Preview.Components[0].Objects {
		if object.State != preview.Create || object.Note != "not tried: namespace still-to-be-made does not exist" {
			t.Errorf("got %+v", object)
		}
	}
}

func TestADeploymentTheClusterRefusesIsRefused(t *testing.T) {
	w := newWorld(t)
	_, err := w.dpi("plan", "-f", w.file(strings.Replace(database, "demo", "moon", 1)))
	if err == nil || !strings.Contains(err.Error(), "the cluster refuses the DPIDeployment: ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	_, err = w.dpi("plan", "nobody")
	if err == nil || !strings.HasPrefix(err.Error(), "there is no DPIDeployment nobody in namespace "+w.namespace) {
		t.Errorf("got %v", err)
	}
}
