package catalog

import (
	"fmt"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/expr"
	"github.com/dpi-operator/dpi-operator/internal/provision/httpupsert"
)

// checkPreparations type-checks how a good is prepared over HTTP, and by which images.
func checkPreparations(steps []v1alpha1.PrepareStep) error {
	for _, step := range steps {
		if step.ImageExpr != "" {
			if err := expr.Check(step.ImageExpr, "facts", "component"); err != nil {
				return fmt.Errorf("prepare %s, imageExpr: %w", step.Name, err)
			}
		}
		if step.HTTP == nil {
			continue
		}
		if err := httpupsert.Check(*step.HTTP); err != nil {
			return fmt.Errorf("prepare %s, http: %w", step.Name, err)
		}
	}
	return nil
}
