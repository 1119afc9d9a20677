package health_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dpi-operator/dpi-operator/internal/health"
)

func TestSatisfies(t *testing.T) {
	object := func(metadata, status map[string]any) *unstructured.Unstructured {
		metadata["name"] = "gate"
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "example.org/v1", "kind": "Gate", "metadata": metadata, "status": status,
		}}
	}
	open := map[string]any{"phase": "Open"}
	for name, tc := range map[string]struct {
		object     *unstructured.Unstructured
		expression string
		ready      bool
		why        string
	}{
		"the expression holds":       {object: object(map[string]any{}, open), expression: "self.status.phase == 'Open'", ready: true},
		"it does not hold":           {object: object(map[string]any{}, open), expression: "self.status.phase == 'Shut'", why: "does not hold"},
		"a field is missing":         {object: object(map[string]any{}, nil), expression: "self.status.phase == 'Open'", why: "does not hold"},
		"no yes-or-no question":      {object: object(map[string]any{}, open), expression: "self.status.phase", why: "want true or false"},
		"being deleted":              {object: object(map[string]any{"deletionTimestamp": "2026-01-01T00:00:00Z"}, open), expression: "true", why: "being deleted"},
		"generally known to be fine": {object: object(map[string]any{}, open), ready: true},
		"generally known not to be": {
			object: object(map[string]any{}, map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "False", "message": "no key"}}}),
			why:    "no key",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ready, why := health.Satisfies(tc.object, tc.expression)
			if ready != tc.ready || !strings.Contains(why, tc.why) {
				t.Errorf("got %t, %q", ready, why)
			}
		})
	}
}
