package component

import "github.com/dpi-operator/dpi-operator/api/v1alpha1"

// waitsForPreparation reports whether a preparation of this component has something to take back that would outlive it: at a good
// outside the cluster, where data is not to be kept. Otherwise a preparation is no reason to stay: it goes with what it prepared,
// and one that nobody deletes would hold its own component for ever.
func (p *pass) waitsForPreparation(preparation *v1alpha1.Binding) bool {
	return p.object.Spec.Chart == nil && preparation.Spec.DeletionPolicy == v1alpha1.DeleteData && !preparation.DeletionTimestamp.IsZero()
}
