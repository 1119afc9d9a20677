package trigger_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/trigger"
)

func TestChangedByPeople(t *testing.T) {
	now := metav1.Now()
	for name, tc := range map[string]struct {
		change func(*v1alpha1.Component)
		want   bool
	}{
		"a status write":      {func(c *v1alpha1.Component) { c.Status.Objects = "1/1" }, false},
		"a new specification": {func(c *v1alpha1.Component) { c.Generation++ }, true},
		"an annotation":       {func(c *v1alpha1.Component) { c.Annotations = map[string]string{v1alpha1.ReconcileAtAnnotation: "now"} }, true},
		"a deletion":          {func(c *v1alpha1.Component) { c.DeletionTimestamp = &now }, true},
	} {
		t.Run(name, func(t *testing.T) {
			before := &v1alpha1.Component{}
			after := before.DeepCopy()
			tc.change(after)
			if got := (trigger.ChangedByPeople{}).Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
