package parity_test

import (
	"fmt"
	"slices"
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/apply"
)

// markerPrefix begins the names of objects that end a trace.
const markerPrefix = "parity-marker"

// event is one thing that the API server did.
type event struct {
	at   int
	what string
}

// position is how far the API server is; a trace begins there.
func (w *world) position() string {
	w.t.Helper()
	var list corev1.ConfigMapList
	w.check(people.List(w.t.Context(), &list, client.InNamespace(w.namespace)))
	return list.ResourceVersion
}

// trace tells what happened since a position, as the API server itself ordered it: `+` made, `~` changed, `-` deleted, for
// each hook; the objects of the release in one word, because Helm makes those of a kind all at once.
func (w *world) trace(since string) []string {
	w.t.Helper()
	suspended := true
	markers := []client.Object{
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: markerPrefix}},
		&batchv1.Job{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: markerPrefix},
			Spec: batchv1.JobSpec{Suspend: &suspended, Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "none", Image: "none"}},
			}}},
		},
	}
	var events []event
	for i, list := range []client.ObjectList{&corev1.ConfigMapList{}, &batchv1.JobList{}} {
		w.check(people.Create(w.t.Context(), markers[i]))
		events = append(events, w.eventsUntilMarker(list, since)...)
		w.check(people.Delete(w.t.Context(), markers[i], client.PropagationPolicy(metav1.DeletePropagationBackground)))
	}
	slices.SortFunc(events, func(a, b event) int { return a.at - b.at })
	var lines []string
	for _, e := range events {
		if len(lines) == 0 || lines[len(lines)-1] != e.what || e.what != objects {
			lines = append(lines, e.what)
		}
	}
	return lines
}

// objects stands for all that is no hook.
const objects = "objects"

func (w *world) eventsUntilMarker(list client.ObjectList, since string) []event {
	w.t.Helper()
	watcher := must(people.Watch(w.t.Context(), list, client.InNamespace(w.namespace), &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: since}}))(w.t)
	defer watcher.Stop()
	var events []event
	for change := range watcher.ResultChan() {
		object, ok := change.Object.(client.Object)
		if !ok {
			w.t.Fatalf("the trace broke off: %v", change.Object)
		}
		if object.GetName() == markerPrefix {
			if change.Type == watch.Added {
				return events
			}
			continue
		}
		what := objects
		if object.GetAnnotations()[apply.HookAnnotation] != "" {
			kind := "ConfigMap"
			if _, isJob := object.(*batchv1.Job); isJob {
				kind = "Job"
			}
			if kind == "Job" && change.Type == watch.Modified {
				// Its own progress.
				continue
			}
			sign := map[watch.EventType]string{watch.Added: "+", watch.Modified: "~", watch.Deleted: "-"}[change.Type]
			what = fmt.Sprintf("%s%s %s", sign, kind, object.GetName())
		}
		events = append(events, event{at: must(strconv.Atoi(object.GetResourceVersion()))(w.t), what: what})
	}
	w.t.Fatal("the trace ended before its marker")
	return nil
}
