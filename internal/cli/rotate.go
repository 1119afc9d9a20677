package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

func newRotateCommand(v verb) *cobra.Command {
	var binding string
	command := &cobra.Command{
		Use: "rotate NAME", Short: "Exchange the credentials between its components for new ones, without a failed request where the provider allows", Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			cluster, namespace, err := newClient(v.flags)
			if err != nil {
				return err
			}
			key := client.ObjectKey{Namespace: namespace, Name: args[0]}
			rotating, err := rotatingBindings(command.Context(), cluster, key)
			if err != nil {
				return err
			}
			return carryOut(command.Context(), cluster, key, func(d *v1alpha1.DPIDeployment) (string, error) {
				return rotate(d, rotating, binding)
			}, v.streams.Out)
		},
	}
	command.Flags().StringVar(&binding, "binding", "", "only those of this Binding, as `kubectl get dpib` names it")
	return command
}

// rotatingBindings are the names of the deployment's Bindings with something to rotate.
func rotatingBindings(ctx context.Context, cluster client.Reader, key client.ObjectKey) ([]string, error) {
	var bindings v1alpha1.BindingList
	if err := cluster.List(ctx, &bindings, client.InNamespace(key.Namespace), client.MatchingLabels{v1alpha1.DeploymentLabel: key.Name}); err != nil {
		return nil, fmt.Errorf("list the Bindings of %s: %w", key.Name, err)
	}
	var names []string
	for i := range bindings.Items {
		if bindings.Items[i].Spec.Rotates() {
			names = append(names, bindings.Items[i].Name)
		}
	}
	return names, nil
}

// rotate asks the deployment, which asks its Bindings: whoever may declare a stack need not be allowed to change those.
func rotate(d *v1alpha1.DPIDeployment, rotating []string, binding string) (string, error) {
	value, asked := time.Now().UTC().Format(time.RFC3339Nano), []string{}
	for _, name := range rotating {
		if binding == "" || name == binding {
			asked = append(asked, name)
		}
	}
	switch {
	case len(rotating) == 0:
		return "", fmt.Errorf("no binding of %s has credentials that the operator makes", d.Name)
	case len(asked) == 0:
		return "", fmt.Errorf("%s has no binding %q to rotate; it has %s", d.Name, binding, strings.Join(rotating, ", "))
	case binding != "":
		value += "/" + binding
	}
	metav1.SetMetaDataAnnotation(&d.ObjectMeta, v1alpha1.RotateAtAnnotation, value)
	return fmt.Sprintf("Asked for new credentials of %s; follow it with: kubectl get dpib -n %s -w", strings.Join(asked, ", "), d.Namespace), nil
}
