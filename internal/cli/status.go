package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// ErrNotReady is returned when a deployment does not work (yet); the command then exits non-zero.
var ErrNotReady = errors.New("not ready")

type statusOptions struct {
	flags   *genericclioptions.ConfigFlags
	streams genericiooptions.IOStreams
	now     func() time.Time
	name    string
	watch   bool
	all     bool
	output  string
}

func newStatusCommand(flags *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams) *cobra.Command {
	o := &statusOptions{flags: flags, streams: streams, now: time.Now}
	command := &cobra.Command{
		Use:   "status [NAME]",
		Short: "Say whether deployments work and, if not, what they wait for",
		Long: "Prints one line for each deployment and one for each of its components, in the order they start.\n" +
			"✔ works, … is on its way or waits, ✘ waits for a person. Exits 0 when everything is ready and 1 when something is not.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.name = args[0]
			}
			return o.run(command.Context())
		},
	}
	command.Flags().BoolVarP(&o.watch, "watch", "w", false, "keep printing changes until everything is ready")
	command.Flags().BoolVarP(&o.all, "all-namespaces", "A", false, "look in every namespace")
	command.Flags().StringVarP(&o.output, "output", "o", "", "json or yaml for the objects")
	return command
}

func (o *statusOptions) run(ctx context.Context) error {
	cluster, namespace, err := newClient(o.flags)
	if err != nil {
		return err
	}
	if o.all {
		namespace = ""
	}
	if o.watch {
		return o.follow(ctx, cluster, namespace)
	}
	deployments, err := o.list(ctx, cluster, namespace)
	if err != nil {
		return err
	}
	if err := o.print(deployments); err != nil {
		return err
	}
	return o.verdict(deployments)
}

func (o *statusOptions) list(ctx context.Context, cluster client.Reader, namespace string) ([]v1alpha1.DPIDeployment, error) {
	if o.name != "" {
		var one v1alpha1.DPIDeployment
		if err := cluster.Get(ctx, client.ObjectKey{Namespace: namespace, Name: o.name}, &one); err != nil {
			return nil, fmt.Errorf("read DPIDeployment %s: %w", o.name, err)
		}
		return []v1alpha1.DPIDeployment{one}, nil
	}
	var list v1alpha1.DPIDeploymentList
	if err := cluster.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("list DPIDeployments: %w", err)
	}
	return list.Items, nil
}

// follow prints the status again at each change until everything is ready or the context ends, and says then how it stands.
func (o *statusOptions) follow(ctx context.Context, cluster client.WithWatch, namespace string) error {
	var last string
	for {
		changes, err := cluster.Watch(ctx, &v1alpha1.DPIDeploymentList{}, client.InNamespace(namespace))
		if err != nil {
			return fmt.Errorf("watch DPIDeployments: %w", err)
		}
		for open := true; open; {
			deployments, err := o.list(ctx, cluster, namespace)
			if err != nil {
				changes.Stop()
				return err
			}
			if last, err = o.printChanged(deployments, last); err != nil {
				changes.Stop()
				return err
			}
			if o.verdict(deployments) == nil {
				changes.Stop()
				return nil
			}
			select {
			case <-ctx.Done():
				changes.Stop()
				return o.verdict(deployments)
			case _, open = <-changes.ResultChan():
			}
		}
	}
}

// printChanged prints when anything but ages changed, and returns what identifies the printed state.
func (o *statusOptions) printChanged(deployments []v1alpha1.DPIDeployment, last string) (string, error) {
	var state strings.Builder
	for i := range deployments {
		for _, condition := range deployments[i].Status.Conditions {
			fmt.Fprint(&state, deployments[i].Name, condition.Type, condition.Status, condition.Message)
		}
		for _, component := range deployments[i].Status.Components {
			fmt.Fprint(&state, component.Name, component.Ready, component.Message)
		}
	}
	if state.String() == last {
		return last, nil
	}
	if last != "" {
		if _, err := fmt.Fprintln(o.streams.Out); err != nil {
			return "", err
		}
	}
	return state.String(), o.print(deployments)
}

func (o *statusOptions) verdict(deployments []v1alpha1.DPIDeployment) error {
	waiting := 0
	for i := range deployments {
		if !isReady(&deployments[i]) {
			waiting++
		}
	}
	if waiting > 0 {
		return fmt.Errorf("%d of %d deployments %w", waiting, len(deployments), ErrNotReady)
	}
	return nil
}

func isReady(deployment *v1alpha1.DPIDeployment) bool {
	ready := meta.FindStatusCondition(deployment.Status.Conditions, string(v1alpha1.ReadyCondition))
	return ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == deployment.Generation
}

func (o *statusOptions) print(deployments []v1alpha1.DPIDeployment) error {
	switch o.output {
	case "":
		if len(deployments) == 0 {
			_, err := fmt.Fprintln(o.streams.Out, "No DPIDeployments here; `kubectl apply` one, or look in other namespaces with -A.")
			return err
		}
		var text strings.Builder
		for i := range deployments {
			if err := o.printOne(&text, &deployments[i]); err != nil {
				return err
			}
		}
		_, err := io.WriteString(o.streams.Out, text.String())
		return err
	case "yaml", "json":
		return printObjects(o.streams.Out, o.output, deployments)
	default:
		return fmt.Errorf("--output %q is not known; choose json or yaml", o.output)
	}
}

func printObjects(out io.Writer, format string, deployments []v1alpha1.DPIDeployment) error {
	list := v1alpha1.DPIDeploymentList{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "DPIDeploymentList"}, Items: deployments,
	}
	data, err := yaml.Marshal(list)
	if err == nil && format == "json" {
		data, err = yaml.YAMLToJSON(data)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, strings.TrimRight(string(data), "\n"))
	return err
}

func (o *statusOptions) printOne(out io.Writer, deployment *v1alpha1.DPIDeployment) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s/%s  %s  %s  %s\n", deploymentMark(deployment), deployment.Namespace, deployment.Name,
		dash(deployment.Status.Progress), o.age(deployment.CreationTimestamp), sentence(deployment))
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, component := range deployment.Status.Components {
		since := "–"
		if component.Since != nil {
			since = o.age(*component.Since)
		}
		fmt.Fprintf(table, "  %s\t%s\t%s %s\t%s\t%s\n", mark(component.Ready == metav1.ConditionTrue),
			component.Name, component.Good, component.Version, since, cmp.Or(component.Message, "Not looked at yet"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func (o *statusOptions) age(since metav1.Time) string {
	return duration.HumanDuration(o.now().Sub(since.Time))
}

// sentence is what the Ready condition says, unless it says it of an earlier generation that worked.
func sentence(deployment *v1alpha1.DPIDeployment) string {
	ready := meta.FindStatusCondition(deployment.Status.Conditions, string(v1alpha1.ReadyCondition))
	switch {
	case ready == nil:
		return "The operator has not looked at it yet"
	case ready.Status == metav1.ConditionTrue && !isReady(deployment):
		return "The operator has not taken up the last change yet"
	default:
		return ready.Message
	}
}

// deploymentMark tells what waits for a person from what goes on by itself.
func deploymentMark(deployment *v1alpha1.DPIDeployment) string {
	if meta.IsStatusConditionTrue(deployment.Status.Conditions, string(v1alpha1.StalledCondition)) {
		return "✘"
	}
	return mark(isReady(deployment))
}

func mark(ready bool) string {
	if ready {
		return "✔"
	}
	return "…"
}
