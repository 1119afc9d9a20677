package apply

import (
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dpi-operator/dpi-operator/internal/render"
)

func TestOwnership_foreignOwner(t *testing.T) {
	owner := Ownership{Release: "web", Namespace: "shop", Component: "web"}
	helm := func(name, namespace string) map[string]string {
		return map[string]string{releaseNameAnnotation: name, releaseNamespaceAnnotation: namespace}
	}
	for name, tc := range map[string]struct {
		annotations, labels map[string]string
		managers            []metav1.ManagedFieldsEntry
		want                string
	}{
		"ours":                           {annotations: helm("web", "shop"), labels: map[string]string{ComponentLabel: "web"}},
		"of our release, made by Helm":   {annotations: helm("web", "shop")},
		"of our component only":          {labels: map[string]string{ComponentLabel: "web"}},
		"another release":                {annotations: helm("db", "shop"), want: "Helm release shop/db"},
		"same name in another namespace": {annotations: helm("web", "other"), want: "Helm release other/web"},
		"another component":              {labels: map[string]string{ComponentLabel: "db"}, want: "component db"},
		"another component's release":    {annotations: helm("web", "shop"), labels: map[string]string{ComponentLabel: "db"}, want: "component db"},
		"nobody's":                       {want: "no Helm release or component"},
		"nobody's, with a writer": {
			managers: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}, {Manager: "controller", Subresource: "status"}},
			want:     "no Helm release or component (written by kubectl)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			object := &unstructured.Unstructured{Object: map[string]any{}}
			object.SetAnnotations(tc.annotations)
			object.SetLabels(tc.labels)
			object.SetManagedFields(tc.managers)
			if got := owner.foreignOwner(object); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			owner.mark(object)
			if tc.labels[ComponentLabel] == "db" {
				return
			}
			if got := owner.foreignOwner(object); got != "" {
				t.Errorf("once marked it still belongs to %q", got)
			}
		})
	}
}

func TestContested_onlyWhatAnAutoscalerWrites(t *testing.T) {
	conflict := func(field, message string) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonConflict, Details: &metav1.StatusDetails{
			Causes: []metav1.StatusCause{{Type: metav1.CauseTypeFieldManagerConflict, Field: field, Message: message}},
		}}}
	}
	for name, tc := range map[string]struct {
		err  error
		want int
	}{
		"an autoscaler":      {conflict(".spec.replicas", `conflict with "kube-controller-manager" with subresource "scale" using apps/v1`), 1},
		"a person":           {conflict(".spec.replicas", `conflict with "kubectl" with subresource "scale" using apps/v1`), 0},
		"helm":               {conflict(".spec.replicas", `conflict with "helm" using apps/v1`), 0},
		"another field":      {conflict(".spec.paused", `conflict with "x" with subresource "scale" using apps/v1`), 0},
		"no conflict":        {errors.New("connection refused"), 0},
		"nothing went wrong": {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := contested(tc.err); len(got) != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestErrors_areMatchedAndSayWhatToDo(t *testing.T) {
	missing := &KindMissingError{}
	missing.GVK.Group, missing.GVK.Version, missing.GVK.Kind = "example.org", "v1", "Widget"
	if !errors.Is(missing, ErrKindMissing) ||
		missing.Error() != "the cluster does not serve example.org/v1 Widget: install what brings its CustomResourceDefinition first" {
		t.Error(missing)
	}
	finding := &ObjectError{ID: render.ID{Kind: "Job", Namespace: "a", Name: "b"}, Kind: ErrImmutable, Detail: "no"}
	if !errors.Is(finding, ErrImmutable) || errors.Is(finding, ErrForeign) || finding.Error() != "Job a/b: no" {
		t.Error(finding)
	}
}
