package parity_test

import (
	"maps"
	"slices"
	"strings"
)

// difference is one way in which the engine's releases are not what Helm would make, on purpose.
type difference struct {
	// about names it.
	about string
	// helm and ours say what each of the two does; why is the reason for it.
	helm, ours, why string
	// hide takes the difference, and nothing else, out of a pair of snapshots and tells whether it was there. Where it is nil,
	// a test of its own shows the difference.
	hide func(helm, ours *snapshot) bool
}

// differences are all there are. docs/helm-compatibility.md has the same list.
var differences = []difference{
	{
		about: "labels on definitions", helm: "definitions of `crds/` are made as they are",
		ours: "with the labels of the component that brought them", why: "two components must not take turns changing a definition",
		hide: hideDefinitionLabels,
	},
	{
		about: "labels on objects", helm: "none of its own besides `app.kubernetes.io/managed-by`",
		ours: "`dpi-operator.io/component` and `deployment` on objects, `component` on pod templates, `component-namespace` on cluster-scoped objects",
		why:  "the operator watches by these labels, and they say whose a cluster-scoped object is",
		hide: hideLabels,
	},
	{
		about: "labels on records", helm: "only its own and those of `--labels`",
		ours: "`dpi-operator.io/…`: component, deployment, revision, attempt, digest of the inputs, inputs rolled back from, number and digest of the parts",
		why:  "what is deployed is known from one list without opening a record",
		hide: hideRecordLabels,
	},
	{
		about: "marks on hooks", helm: "hooks say nothing about their release",
		ours: "Helm's `meta.helm.sh/release-*` and `managed-by`, and `dpi-operator.io/attempt-id`",
		why:  "after a crash the operator finds the hook of this very attempt and does not run it twice",
		hide: hideHookMarks,
	},
	{
		about: "keys without a value", helm: "in a ConfigMap or Secret made empty by an install, and removed by the next upgrade",
		ours: "always empty", why: "containers that take such a key into their environment do not start without it",
		hide: hideEmptied,
	},
	{
		about: "manifest as applied", helm: "the text that the templates rendered, comments and all",
		ours: "what was applied: with labels and namespaces, `stringData` in `data`, empty fields and hidden variables of an environment left out",
		why:  "records are compared with the cluster, to find drift and what to prune; server-side apply refuses the rest",
		hide: hideTransforms,
	},
	{
		about: "lists", helm: "a `List` is one entry of the manifest",
		ours: "each of its items is an entry, in the order of their kinds",
		why:  "items are labelled, checked and pruned one by one",
		hide: hideLists,
	},
	{
		about: "notes", helm: "`helm get notes` shows what `NOTES.txt` rendered",
		ours: "empty", why: "charts print passwords into their notes, and records may be read by more people than Secrets",
		hide: func(helm, ours *snapshot) bool {
			if helm.Record == nil || helm.Record.Notes == ours.Record.Notes || ours.Record.Notes != "" {
				return false
			}
			helm.Record.Notes = ""
			return true
		},
	},
	{
		about: "templates and files in records", helm: "the whole chart",
		ours: "its metadata and default values, and one file `dpi-operator.json` with the operator's progress",
		why:  "no command of Helm needs them on a release, and nearly all records stay below the limit of a Secret",
		hide: hideChartFiles,
	},
	{
		about: "default policy of hooks in records", helm: "a hook without a delete policy has `before-hook-creation` written in once it ran",
		ours: "the record has what the chart says", why: "it changes nothing",
		hide: hideDefaultPolicy,
	},
	{
		about: "runs of hooks after a rollback", helm: "`helm status` shows the runs of the revision that is restored",
		ours: "only those of the rollback itself", why: "a hook that did not run now did not run now",
		hide: hideOldRuns,
	},
	{
		about: "description of failures", helm: "`Upgrade \"app\" failed: …`", ours: "`Upgrade failed: …`, with the object first",
		why: "the sentence is the one of the status, and is the same for each attempt", hide: hideDescriptions,
	},
	{
		about: "duplicate variables", helm: "two environment variables of one name are sent as they are; an update may keep either",
		ours: "only the last one, which is the one that counts, and an event says so", why: "server-side apply refuses the object otherwise",
		hide: hideDuplicates,
	},
	{
		about: "hooks that do not run to completion", helm: "deleted and made anew at each event",
		ours: "changed in place, unless the chart itself asks for `before-hook-creation`",
		why:  "deleting a Secret or a volume claim destroys what is in it", hide: hideHooksInPlace,
	},
	{
		about: "time to live of hooks", helm: "`ttlSecondsAfterFinished` as the chart has it",
		ours: "at least 15 minutes on the Job of a hook", why: "a Job that removed itself before its result was seen looks like one that somebody deleted",
		hide: hideTimeToLive,
	},
	{
		about: "hooks after an uninstall", helm: "objects of hooks without `hook-succeeded` stay for ever",
		ours: "removed, unless they say `helm.sh/resource-policy: keep`", why: "an uninstall leaves nothing that nobody knows of",
		hide: hideLeftHooks,
	},
	{
		about: "volume claims", helm: "deleted with the release, or when the chart drops them",
		ours: "kept and reported; `deletionPolicy: DeleteData` deletes them with the release", why: "dropping a claim from a chart is no order to destroy data",
		hide: hideKeptClaims,
	},
	{
		about: "updates of definitions", helm: "definitions of `crds/` are made once and never changed",
		ours: "updated unless stored objects would be harmed; `policy.crds: Create` is Helm's way", why: "a new version of a chart needs the definitions it came with",
		hide: hideDefinitionUpdates,
	},
	{
		about: "leftovers of hooks", helm: "a hook whose policies lack `before-hook-creation` fails the release when its object still exists",
		ours: "the object is replaced or changed", why: "the second upgrade would fail for ever",
	},
	{
		about: "rollback after half an upgrade", helm: "may fail on objects of the restored revision that the failed one had no more, and stays `failed`",
		ours: "applied like any other revision", why: "a rollback must succeed where the revision it restores did",
	},
	{
		about: "second attempt at an install", helm: "`helm upgrade` after a failed install counts as an upgrade, with `pre-upgrade` hooks",
		ours: "an install again, with `pre-install` hooks, until something was deployed", why: "what the install hooks were to prepare is not there",
	},
	{
		about: "an object rendered twice", helm: "the install fails half done", ours: "refused before anything is written", why: "the cluster can keep only one of them",
	},
	{
		about: "schemas from elsewhere", helm: "a `$ref` to a URL in `values.schema.json` is fetched while rendering",
		ours: "the chart is refused", why: "what is installed must not depend on the network, and must be the same in an air gap",
	},
	{
		about: "replicas of a scaled workload", helm: "set to the chart's number when that changes", ours: "left to the autoscaler that wrote them",
		why: "an upgrade must not shrink what is under load",
	},
	{
		about: "records beyond a Secret", helm: "the install fails: the record is too long", ours: "the manifest is kept in further Secrets, see below",
		why: "charts with large definitions or dashboards exist",
	},
}

const (
	componentLabel  = "dpi-operator.io/component"
	deploymentLabel = "dpi-operator.io/deployment"
	namespaceLabel  = "dpi-operator.io/component-namespace"
	hookAnnotation  = "helm.sh/hook"
	definition      = "CustomResourceDefinition"
)

// everywhere are the objects of a snapshot: in the cluster and in the record.
func (s *snapshot) everywhere() []object {
	all := slices.Collect(maps.Values(s.Objects))
	if s.Record != nil {
		all = append(all, slices.Collect(maps.Values(s.Record.Manifest))...)
		for _, hook := range s.Record.Hooks {
			all = append(all, hook.Object)
		}
	}
	return all
}

// field returns a map inside of an object; nil if there is none.
func field(from object, path ...string) object {
	for _, name := range path {
		from, _ = from[name].(object)
	}
	return from
}

// take out removes entries with these very values from a map inside of an object, and the map with its last one.
func takeOut(from object, entries map[string]string, path ...string) bool {
	at := field(from, path...)
	taken := false
	for key, value := range entries {
		if at[key] == value {
			delete(at, key)
			taken = true
		}
	}
	if taken && len(at) == 0 {
		delete(field(from, path[:len(path)-1]...), path[len(path)-1])
	}
	return taken
}

func hideLabels(_, ours *snapshot) bool {
	found := false
	for _, each := range ours.everywhere() {
		if isShared(each) {
			continue
		}
		found = takeOut(each, map[string]string{componentLabel: "component", deploymentLabel: "deployment"}, "metadata", "labels") || found
		if field(each, "metadata")["namespace"] == nil {
			takeOut(each, map[string]string{namespaceLabel: "NAMESPACE"}, "metadata", "labels")
		}
		for _, path := range [][]string{{"spec", "template"}, {"spec", "jobTemplate"}, {"spec", "jobTemplate", "spec", "template"}} {
			takeOut(each, map[string]string{componentLabel: "component"}, append(path, "metadata", "labels")...)
		}
	}
	return found
}

// isShared tells definitions of crds/ from those among the templates.
func isShared(each object) bool {
	return each["kind"] == definition && field(each, "metadata", "labels")[deploymentLabel] == nil
}

func hideRecordLabels(_, ours *snapshot) bool {
	if ours.Record == nil {
		return false
	}
	before := len(ours.Record.Labels)
	maps.DeleteFunc(ours.Record.Labels, func(key, _ string) bool { return strings.HasPrefix(key, "dpi-operator.io/") })
	return len(ours.Record.Labels) < before
}

func hideHookMarks(helm, ours *snapshot) bool {
	found := false
	for name, each := range ours.Objects {
		annotations := field(each, "metadata", "annotations")
		if annotations[hookAnnotation] == nil {
			continue
		}
		found = takeOut(each, map[string]string{"meta.helm.sh/release-name": "app", "meta.helm.sh/release-namespace": "NAMESPACE"}, "metadata", "annotations") || found
		takeOut(each, map[string]string{"app.kubernetes.io/managed-by": "Helm"}, "metadata", "labels")
		delete(annotations, "dpi-operator.io/attempt-id")
		if theirs := helm.Objects[name]; each["kind"] == "Job" && field(each, "metadata", "labels") == nil && theirs != nil {
			// A Job without any label gets those of its pods from the API server.
			job := theirs["metadata"].(object)["name"].(string)
			takeOut(theirs, map[string]string{"job-name": job, "batch.kubernetes.io/job-name": job}, "metadata", "labels")
		}
	}
	return found
}

func hideLists(helm, ours *snapshot) bool {
	if helm.Record == nil || !slices.ContainsFunc(helm.Record.Documents, func(d string) bool { return strings.Contains(d, ", ") }) {
		return false
	}
	var items []string
	for _, document := range helm.Record.Documents {
		source, names, _ := strings.Cut(document, ": ")
		for name := range strings.SplitSeq(names, ", ") {
			items = append(items, source+": "+name)
		}
	}
	helm.Record.Documents = items
	return true
}

func hideChartFiles(helm, ours *snapshot) bool {
	if helm.Record == nil || ours.Record.Templates != 0 || ours.Record.Files != 1 || helm.Record.Templates == 0 {
		return false
	}
	helm.Record.Templates, helm.Record.Files = 0, 1
	return true
}

func hideDefaultPolicy(helm, ours *snapshot) bool {
	found := false
	if helm.Record == nil {
		return false
	}
	for i, each := range helm.Record.Hooks {
		if i < len(ours.Record.Hooks) && len(ours.Record.Hooks[i].DeletePolicies) == 0 && slices.Equal(each.DeletePolicies, []string{"before-hook-creation"}) {
			helm.Record.Hooks[i].DeletePolicies = nil
			found = true
		}
	}
	return found
}

func hideOldRuns(helm, ours *snapshot) bool {
	found := false
	if helm.Record == nil || !strings.HasPrefix(helm.History[len(helm.History)-1].Description, "Rollback to") {
		return false
	}
	for i, each := range helm.Record.Hooks {
		ranNow := slices.Contains(each.Events, "pre-rollback") || slices.Contains(each.Events, "post-rollback")
		if i < len(ours.Record.Hooks) && ours.Record.Hooks[i].Phase == "" && each.Phase != "" && !ranNow {
			helm.Record.Hooks[i].Phase = ""
			found = true
		}
	}
	return found
}

func hideDescriptions(helm, ours *snapshot) bool {
	found := false
	for i := range min(len(helm.History), len(ours.History)) {
		if helm.History[i].Status == "failed" && strings.HasPrefix(helm.History[i].Description, `Upgrade "app" failed: `) &&
			strings.HasPrefix(ours.History[i].Description, "Upgrade failed: ") {
			helm.History[i].Description, ours.History[i].Description = "", ""
			found = true
		}
	}
	return found
}

func hideHooksInPlace(helm, ours *snapshot) bool {
	found := false
	for _, line := range ours.Trace {
		name, changed := strings.CutPrefix(line, "~")
		at := slices.Index(helm.Trace, "-"+name)
		if changed && at >= 0 && at+1 < len(helm.Trace) && helm.Trace[at+1] == "+"+name {
			helm.Trace = slices.Replace(helm.Trace, at, at+2, line)
			found = true
		}
	}
	return found
}

func hideTimeToLive(helm, ours *snapshot) bool {
	found := false
	for name, each := range ours.Objects {
		theirs := helm.Objects[name]
		if field(each, "metadata", "annotations")[hookAnnotation] == nil || theirs == nil || field(each, "spec")["ttlSecondsAfterFinished"] != 900.0 {
			continue
		}
		if before, set := field(theirs, "spec")["ttlSecondsAfterFinished"].(float64); set && before < 900 {
			field(theirs, "spec")["ttlSecondsAfterFinished"] = 900.0
			found = true
		}
	}
	return found
}

func hideLeftHooks(helm, ours *snapshot) bool {
	found := false
	if len(ours.History) > 0 {
		return false
	}
	for name, each := range helm.Objects {
		annotations := field(each, "metadata", "annotations")
		if annotations[hookAnnotation] != nil && annotations["helm.sh/resource-policy"] == nil && ours.Objects[name] == nil {
			delete(helm.Objects, name)
			line := "-" + name
			ours.Trace = slices.DeleteFunc(ours.Trace, func(l string) bool { return l == line })
			found = true
		}
	}
	return found
}

func hideKeptClaims(helm, ours *snapshot) bool {
	found := false
	for name := range ours.Objects {
		if strings.HasPrefix(name, "PersistentVolumeClaim ") && helm.Objects[name] == nil {
			delete(ours.Objects, name)
			found = true
		}
	}
	return found
}

func hideDefinitionLabels(_, ours *snapshot) bool {
	found := false
	for _, each := range ours.Objects {
		if isShared(each) {
			found = takeOut(each, map[string]string{componentLabel: "component", namespaceLabel: "NAMESPACE"}, "metadata", "labels") || found
		}
	}
	return found
}
