package neighbours_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/neighbours"
	"github.com/dpi-operator/dpi-operator/internal/plan"
)

func deployment(namespace string, from ...v1alpha1.ProviderReference) *v1alpha1.DPIDeployment {
	object := &v1alpha1.DPIDeployment{ObjectMeta: metav1.ObjectMeta{Name: "he", Namespace: namespace}}
	for i := range from {
		object.Spec.Components = append(object.Spec.Components, v1alpha1.StackComponent{Bindings: []v1alpha1.StackBinding{{From: &from[i]}}})
	}
	return object
}

func reference(namespace, component string) v1alpha1.ProviderReference {
	return v1alpha1.ProviderReference{Namespace: namespace, Deployment: "he", Component: component}
}

// inForce is a component of a namespace's deployment, and the edge by which it waits for one of another namespace.
func inForce(key, provider types.NamespacedName) []client.Object {
	component := &v1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Name: key.Name, Namespace: key.Namespace, Labels: map[string]string{v1alpha1.DeploymentLabel: "he"}}}
	component.Spec.Bindings = []v1alpha1.ComponentBinding{{Name: key.Name + "-edge"}}
	edge := &v1alpha1.Binding{ObjectMeta: metav1.ObjectMeta{Name: key.Name + "-edge", Namespace: key.Namespace}}
	edge.Spec.Provider = v1alpha1.BindingProvider{Namespace: provider.Namespace, Component: provider.Name}
	return []client.Object{component, edge}
}

func TestWaits_withAStandInForTheAPIServer(t *testing.T) {
	home, b, c := types.NamespacedName{Namespace: "a", Name: "he-x"}, types.NamespacedName{Namespace: "b", Name: "he-y"}, types.NamespacedName{Namespace: "c", Name: "he-z"}
	own := deployment("a", reference("b", "y"))
	through := append(append(inForce(b, c), inForce(c, home)...), deployment("b"), deployment("c"))
	for name, each := range map[string]struct {
		objects    []client.Object
		namespaces []string
		forbidden  string
		want       plan.Waits
	}{
		"in force, back to itself":  {objects: append(through, inForce(home, b)...), want: plan.Waits{b: {c}, c: {home}}},
		"in force, out of sight":    {objects: through, namespaces: []string{"a", "b"}, want: plan.Waits{b: {c}}},
		"in force, not to be read":  {objects: through, forbidden: "c", want: plan.Waits{b: {c}}},
		"none of it to be read":     {objects: through, forbidden: "b", want: plan.Waits{}},
		"not in force, and waiting": {objects: []client.Object{deployment("b", reference("c", "z"), reference("a", "x")), deployment("c")}, want: plan.Waits{b: {c, home}, c: nil}},
		"waits for what is in force": {
			objects: append(inForce(home, b), deployment("b", reference("a", "x")), own), want: plan.Waits{b: nil},
		},
		"no such deployment": {want: plan.Waits{}},
	} {
		t.Run(name, func(t *testing.T) {
			scheme := runtime.NewScheme()
			if err := v1alpha1.AddToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			store := fake.NewClientBuilder().WithScheme(scheme).WithObjects(each.objects...).WithInterceptorFuncs(interceptor.Funcs{
				Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
					if key.Namespace == each.forbidden {
						return apierrors.NewForbidden(schema.GroupResource{}, key.Name, nil)
					}
					return c.Get(ctx, key, object, options...)
				},
			}).Build()
			got, err := neighbours.Reader{Client: store, Namespaces: each.namespaces}.Waits(t.Context(), own)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(each.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
