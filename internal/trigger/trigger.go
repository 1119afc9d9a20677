package trigger

import (
	"maps"

	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

// ChangedByPeople lets through what a person or another controller asks for: a new generation, changed annotations (one
// of them asks for a look) and deletion. The status writes of an object's own controller do not wake it.
type ChangedByPeople struct{ predicate.Funcs }

// Update compares what people change.
func (ChangedByPeople) Update(e event.UpdateEvent) bool {
	return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() ||
		!maps.Equal(e.ObjectOld.GetAnnotations(), e.ObjectNew.GetAnnotations()) ||
		e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero()
}
