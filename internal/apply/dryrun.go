package apply

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/render"
)

// DryRun has the cluster work out what Apply would leave, defaults and admission included, and returns the object as it is,
// nil if it is not there, and as it would be. It writes nothing and asks no fence. Errors are those of Apply; what is there
// now is returned beside them where it could be read.
func (a *Applier) DryRun(ctx context.Context, object *unstructured.Unstructured, owner Ownership) (live, after *unstructured.Unstructured, err error) {
	desired := object.DeepCopy()
	owner.mark(desired)
	return a.DryRunUnowned(ctx, desired)
}

// DryRunUnowned is to ApplyUnowned what DryRun is to Apply.
func (a *Applier) DryRunUnowned(ctx context.Context, object *unstructured.Unstructured) (live, after *unstructured.Unstructured, err error) {
	if live, err = a.Read(ctx, render.IDOf(object)); err != nil {
		return nil, nil, err
	}
	desired := object.DeepCopy()
	if after, err = a.insist(ctx, desired, client.DryRunAll); err != nil {
		return live, nil, a.classify(ctx, desired, err)
	}
	return live, after, nil
}
