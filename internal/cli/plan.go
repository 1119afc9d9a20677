package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/plan"
	"github.com/dpi-operator/dpi-operator/internal/preview"
)

// ErrWouldChange is returned where --exit-code asks whether anything would change, and something would. Everything that is to
// be said was printed by then.
var ErrWouldChange = errors.New("something would change")

type planOptions struct {
	flags            *genericclioptions.ConfigFlags
	streams          genericiooptions.IOStreams
	name             string
	file             string
	revision         int64
	catalogDirs      []string
	catalogNamespace string
	clusterDomain    string
	chartRepository  string
	plainHTTP        bool
	diff             bool
	exitCode         bool
	output           string
}

func newPlanCommand(flags *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams) *cobra.Command {
	o := &planOptions{flags: flags, streams: streams}
	command := &cobra.Command{
		Use:   "plan (-f FILE [--catalog DIR] | NAME [--revision N])",
		Short: "Show what a DPIDeployment would install, change, restart and wire, in which order and why",
		Long: "Resolves a DPIDeployment and prints what would happen to each component. Nothing is changed.\n\n" +
			"With -f the deployment comes from a file. With NAME it is the one in the cluster: the revision that waits for\n" +
			"approval if one does, the older one that --revision names, otherwise what its specification would change.\n\n" +
			"The cluster works out in a dry run how each object would change, so charts are fetched and rendered here; --diff=false\n" +
			"leaves that out. With --catalog the entries are read from a directory and no cluster is asked.",
		Example: "  kubectl dpi plan -f stack.yaml --catalog config/catalog\n" +
			"  kubectl dpi plan -f stack.yaml\n" +
			"  kubectl dpi plan health-exchange -n moh --revision 3",
		Args: cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, args []string) error {
			if err := o.complete(args, command.Flags().Changed("diff")); err != nil {
				return err
			}
			return o.run(command.Context())
		},
	}
	command.Flags().StringVarP(&o.file, "filename", "f", "", "file with the DPIDeployment, - for standard input")
	command.Flags().Int64Var(&o.revision, "revision", 0, "preview going back to the StackRevision of that number")
	command.Flags().StringSliceVar(&o.catalogDirs, "catalog", nil, "directory with catalogue entries, instead of the cluster's catalogue; several where entries of your own come on top")
	command.Flags().StringVar(&o.catalogNamespace, "catalog-namespace", "dpi-system", "namespace of the cluster's catalogue")
	command.Flags().StringVar(&o.clusterDomain, "cluster-domain", "cluster.local", "DNS suffix of the cluster's Services, as the operator has it")
	command.Flags().StringVar(&o.chartRepository, "chart-repository", "",
		"where this machine finds the charts, if not where the catalogue says: oci://…, https://… or a directory")
	command.Flags().BoolVar(&o.plainHTTP, "plain-http", false, "reach --chart-repository without TLS")
	command.Flags().BoolVar(&o.diff, "diff", true, "compare every object with the cluster's")
	command.Flags().BoolVar(&o.exitCode, "exit-code", false, "exit with 2 if anything would change")
	command.Flags().StringVarP(&o.output, "output", "o", "", "json or yaml for the whole plan")
	return command
}

// complete checks the command line, so that nothing is asked for in vain.
func (o *planOptions) complete(args []string, diffAsked bool) error {
	switch {
	case len(args) > 1 || len(args) == 1 && o.file != "":
		return errors.New("plan one DPIDeployment: give either -f FILE or one NAME")
	case len(args) == 1 && len(o.catalogDirs) > 0:
		return errors.New("NAME is looked up in a cluster, and --catalog asks none; leave out one of the two")
	case len(args) == 0 && o.file == "" && len(o.catalogDirs) > 0:
		return errors.New("name the file with the DPIDeployment: -f FILE")
	case len(args) == 0 && o.file == "":
		return errors.New("name a DPIDeployment of the cluster, or the file with one: -f FILE")
	case o.revision != 0 && o.file != "":
		return errors.New("--revision is about a DPIDeployment of the cluster: give its NAME instead of -f")
	case o.revision < 0:
		return errors.New("a revision is a number from 1; see kubectl get stackrevisions")
	case len(o.catalogDirs) > 0 && diffAsked && o.diff:
		return errors.New("--diff asks the cluster, and --catalog asks none; leave out one of the two")
	case o.output != "" && o.output != "json" && o.output != "yaml":
		return fmt.Errorf("--output %q is not known; choose json or yaml", o.output)
	}
	if len(args) == 1 {
		o.name = args[0]
	}
	return nil
}

func (o *planOptions) run(ctx context.Context) error {
	find := o.online
	if len(o.catalogDirs) > 0 {
		find = o.offline
	}
	shown, err := find(ctx)
	if problem, ok := errors.AsType[*plan.Problem](err); ok {
		return fmt.Errorf("%s: %s", problem.Reason, problem.Message)
	}
	if err != nil {
		return err
	}
	if err := o.print(shown); err != nil {
		return err
	}
	if o.exitCode && shown.report.WouldChange {
		return ErrWouldChange
	}
	return nil
}

// planned is what there is to print.
type planned struct {
	key    types.NamespacedName
	plan   plan.Plan
	report preview.Report
	// online is set where a cluster was asked.
	online bool
}

// offline plans without a cluster: everything is new.
func (o *planOptions) offline(context.Context) (planned, error) {
	deployment, err := o.readDeployment()
	if err != nil {
		return planned{}, err
	}
	if deployment.Namespace == "" {
		deployment.Namespace = "default"
	}
	catalog, err := readCatalog(o.catalogDirs)
	if err != nil {
		return planned{}, err
	}
	if references := plan.References(deployment); len(references) > 0 {
		first := references[0]
		return planned{}, fmt.Errorf("component %s of deployment %s/%s is in a cluster, and --catalog asks none; leave it out",
			first.Component, first.Namespace, first.Deployment)
	}
	input := plan.Input{Deployment: deployment, Catalog: catalog, ClusterDomain: o.clusterDomain}
	computed, err := plan.Compute(input)
	if err != nil {
		return planned{}, err
	}
	if problem := plan.Check(input, v1alpha1.StackRevisionSpec{Components: computed.Components, Bindings: computed.Bindings}); problem != nil {
		return planned{}, problem
	}
	return planned{key: keyOf(deployment), plan: computed, report: preview.Fold(preview.Input{Wanted: computed})}, nil
}

func keyOf(deployment *v1alpha1.DPIDeployment) types.NamespacedName {
	return types.NamespacedName{Namespace: deployment.Namespace, Name: deployment.Name}
}
