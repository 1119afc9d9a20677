package release

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dpi-operator/dpi-operator/internal/helm"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

// HookStep is what to do next with a hook.
type HookStep string

// Steps of DecideHook.
const (
	// HookNote: write down that the hook starts, before anything is made.
	HookNote HookStep = "Note"
	// HookRemove: remove the object of an earlier run.
	HookRemove HookStep = "Remove"
	// HookMake: make the object, or change the one that is there.
	HookMake HookStep = "Make"
	// HookAdopt: the object of this very run exists; note its UID.
	HookAdopt HookStep = "Adopt"
	// HookAwait: it runs.
	HookAwait HookStep = "Await"
	// HookDone: it succeeded.
	HookDone HookStep = "Done"
	// HookGiveUp: it failed, vanished, or took too long.
	HookGiveUp HookStep = "GiveUp"
)

// HookInput is everything DecideHook looks at.
type HookInput struct {
	Now       time.Time
	Hook      helm.Hook
	AttemptID string
	Deadline  time.Duration
	// Progress is nil before the hook was noted.
	Progress *HookProgress
	// Live object of that name; nil if there is none.
	Live *unstructured.Unstructured
}

// HookDecision is the next step and why.
type HookDecision struct {
	Step HookStep
	Why  string
}

// DecideHook returns the next step of one hook. A hook's object is made at most once per attempt: it carries the attempt's
// id, so that one made just before a crash is adopted, and its UID is noted, so that one that vanished is not made again.
func DecideHook(in HookInput) HookDecision {
	if in.Progress == nil {
		return HookDecision{Step: HookNote, Why: "the hook is due"}
	}
	mine := in.Live != nil && in.Live.GetAnnotations()[attemptAnnotation] == in.AttemptID
	if in.Progress.Phase == HookStarting {
		return decideStart(in, mine)
	}
	if !mine || string(in.Live.GetUID()) != in.Progress.UID {
		return HookDecision{Step: HookGiveUp, Why: "its object was removed before its result was seen"}
	}
	finished, failure := hookResult(in.Live)
	switch {
	case failure != "":
		return HookDecision{Step: HookGiveUp, Why: failure}
	case finished:
		return HookDecision{Step: HookDone, Why: "it succeeded"}
	case in.Now.Sub(in.Progress.StartedAt) >= in.Deadline:
		return HookDecision{Step: HookGiveUp, Why: fmt.Sprintf("it did not finish within %s", in.Deadline)}
	}
	return HookDecision{Step: HookAwait, Why: "it runs"}
}

func decideStart(in HookInput, mine bool) HookDecision {
	if in.Live == nil {
		return HookDecision{Step: HookMake, Why: "there is no object of that name"}
	}
	if in.Live.GetDeletionTimestamp() != nil {
		return HookDecision{Step: HookRemove, Why: "the object of an earlier run is still being deleted"}
	}
	if mine {
		return HookDecision{Step: HookAdopt, Why: "it was made before the last write"}
	}
	// Helm deletes before it creates by default. For what runs to completion there is no other way; anything else is
	// changed in place unless the chart asks otherwise, because deleting a Secret or a volume claim destroys what is in it.
	// A definition is never deleted, whatever the chart asks: with it would go all objects of its kind.
	replaced := runsToCompletion(in.Hook.Object) || slices.Contains(in.Hook.DeletePolicies, helm.BeforeHookCreation)
	if replaced && !isDefinition(render.IDOf(in.Hook.Object)) {
		return HookDecision{Step: HookRemove, Why: "an earlier run left its object"}
	}
	return HookDecision{Step: HookMake, Why: "the object of an earlier run is brought up to date"}
}

func runsToCompletion(object *unstructured.Unstructured) bool {
	gvk := object.GroupVersionKind()
	return gvk.Group == "batch" && gvk.Kind == "Job" || gvk.Group == "" && gvk.Kind == "Pod"
}

// hookResult tells whether the object finished, and why if it failed. What does not run to completion is finished at once.
func hookResult(live *unstructured.Unstructured) (finished bool, failure string) {
	if !runsToCompletion(live) {
		return true, ""
	}
	if live.GetKind() == "Pod" {
		return podResult(live)
	}
	conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	for _, item := range conditions {
		condition, _ := item.(map[string]any)
		if condition["status"] != "True" {
			continue
		}
		switch condition["type"] {
		case "Complete":
			return true, ""
		case "Failed":
			return true, failureText(condition["reason"], condition["message"])
		}
	}
	return false, ""
}

func podResult(live *unstructured.Unstructured) (bool, string) {
	phase, _, _ := unstructured.NestedString(live.Object, "status", "phase")
	switch phase {
	case "Succeeded":
		return true, ""
	case "Failed":
		reason, _, _ := unstructured.NestedString(live.Object, "status", "reason")
		message, _, _ := unstructured.NestedString(live.Object, "status", "message")
		return true, failureText(reason, message)
	}
	return false, ""
}

func failureText(reason, message any) string {
	var parts []string
	for _, part := range []any{reason, message} {
		if text, _ := part.(string); text != "" {
			parts = append(parts, text)
		}
	}
	if len(parts) == 0 {
		return "it failed"
	}
	return "it failed: " + strings.Join(parts, ": ")
}
