package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// act is one change of a DPIDeployment that a person asks for. It returns what to tell.
type act func(deployment *v1alpha1.DPIDeployment) (string, error)

// verb is a command that makes one change.
type verb struct {
	flags   *genericclioptions.ConfigFlags
	streams genericiooptions.IOStreams
}

func (v verb) command(use, short string, change act) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			cluster, namespace, err := newClient(v.flags)
			if err != nil {
				return err
			}
			return carryOut(command.Context(), cluster, client.ObjectKey{Namespace: namespace, Name: args[0]}, change, v.streams.Out)
		},
	}
}

// carryOut makes the change unless the deployment changed under it.
func carryOut(ctx context.Context, cluster client.Client, key client.ObjectKey, change act, out io.Writer) error {
	var deployment v1alpha1.DPIDeployment
	if err := cluster.Get(ctx, key, &deployment); err != nil {
		return fmt.Errorf("read DPIDeployment %s: %w", key.Name, err)
	}
	base := deployment.DeepCopy()
	told, err := change(&deployment)
	if err != nil {
		return err
	}
	patch := client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{})
	if err := cluster.Patch(ctx, &deployment, patch); err != nil {
		return fmt.Errorf("change DPIDeployment %s: %w", key.Name, err)
	}
	_, err = fmt.Fprintln(out, told)
	return err
}

func newApproveCommand(v verb) *cobra.Command {
	var revision int64
	command := v.command("approve NAME", "Put the revision that waits for approval in force", func(d *v1alpha1.DPIDeployment) (string, error) {
		return approve(d, revision)
	})
	command.Flags().Int64Var(&revision, "revision", 0, "the revision that you looked at; refused if another one waits by now")
	return command
}

func approve(d *v1alpha1.DPIDeployment, revision int64) (string, error) {
	pending := d.Status.Pending
	switch {
	case pending == nil:
		return "", fmt.Errorf("no revision of %s waits for approval", d.Name)
	case revision != 0 && revision != pending.Number:
		return "", fmt.Errorf("revision %d waits for approval, not %d; look at it before you approve it", pending.Number, revision)
	}
	metav1.SetMetaDataAnnotation(&d.ObjectMeta, v1alpha1.ApproveAnnotation, pending.Name)
	return fmt.Sprintf("Approved revision %d of %s", pending.Number, d.Name), nil
}

func newRollbackCommand(v verb) *cobra.Command {
	var revision int64
	command := v.command("rollback NAME", "Hold the whole stack at an older revision", func(d *v1alpha1.DPIDeployment) (string, error) {
		return rollback(d, revision)
	})
	command.Flags().Int64Var(&revision, "to", 0, "number of the revision; 0 lets go of it and goes forward again")
	return command
}

func rollback(d *v1alpha1.DPIDeployment, revision int64) (string, error) {
	if revision < 0 {
		return "", errors.New("a revision is a number from 1; see kubectl get stackrevisions")
	}
	d.Spec.Revision = revision
	if revision == 0 {
		return d.Name + " follows its specification again", nil
	}
	return fmt.Sprintf("%s is held at revision %d; let go of it with: kubectl dpi rollback %s -n %s --to 0", d.Name, revision, d.Name, d.Namespace), nil
}

func newRetryCommand(v verb) *cobra.Command {
	return v.command("retry NAME", "Try again now what failed, counting anew", func(d *v1alpha1.DPIDeployment) (string, error) {
		metav1.SetMetaDataAnnotation(&d.ObjectMeta, v1alpha1.ResetAtAnnotation, time.Now().UTC().Format(time.RFC3339Nano))
		return "Asked every component of " + d.Name + " to try again", nil
	})
}

func newSuspendCommand(v verb) *cobra.Command {
	return v.command("suspend NAME", "Change nothing until it is resumed; what runs keeps running", func(d *v1alpha1.DPIDeployment) (string, error) {
		d.Spec.Suspend = true
		return "Suspended " + d.Name, nil
	})
}

func newResumeCommand(v verb) *cobra.Command {
	return v.command("resume NAME", "Take up changes again", func(d *v1alpha1.DPIDeployment) (string, error) {
		d.Spec.Suspend = false
		return "Resumed " + d.Name, nil
	})
}
