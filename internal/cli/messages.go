package cli

import (
	"errors"
	"strings"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// flattened puts an error on one line: parsers spread theirs over several.
type flattened struct{ error }

// Error returns the message without line breaks.
func (f flattened) Error() string { return strings.Join(strings.Fields(f.error.Error()), " ") }

// Unwrap returns the error as it was.
func (f flattened) Unwrap() error { return f.error }

// checkDeployment refuses what has no plan at all.
func checkDeployment(deployment *v1alpha1.DPIDeployment) error {
	switch {
	case deployment.Name == "":
		return errors.New("the DPIDeployment has no metadata.name")
	case deployment.Spec.Template == nil && len(deployment.Spec.Components) == 0:
		return errors.New("the DPIDeployment asks for nothing: name a template, write out components, or both")
	}
	return nil
}
