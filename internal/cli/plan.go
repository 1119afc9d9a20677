package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/manifest"
	"github.com/dpi-operator/dpi-operator/internal/phrase"
	"github.com/dpi-operator/dpi-operator/internal/plan"
)

type planOptions struct {
	flags            *genericclioptions.ConfigFlags
	streams          genericiooptions.IOStreams
	file             string
	catalogDir       string
	catalogNamespace string
	clusterDomain    string
	output           string
}

func newPlanCommand(flags *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams) *cobra.Command {
	o := &planOptions{flags: flags, streams: streams}
	command := &cobra.Command{
		Use:   "plan -f FILE [--catalog DIR]",
		Short: "Show what a DPIDeployment would install and wire, in which order and why",
		Long: "Resolves a DPIDeployment against the catalogue and prints the steps. Nothing is changed.\n\n" +
			"With --catalog the entries are read from a directory and no cluster is needed. Without it they come from the\n" +
			"cluster's catalogue namespace, and what is deployed already is taken into account.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return o.run(command.Context()) },
	}
	command.Flags().StringVarP(&o.file, "filename", "f", "", "file with the DPIDeployment, - for standard input")
	command.Flags().StringVar(&o.catalogDir, "catalog", "", "directory with catalogue entries, instead of the cluster's catalogue")
	command.Flags().StringVar(&o.catalogNamespace, "catalog-namespace", "dpi-system", "namespace of the cluster's catalogue")
	command.Flags().StringVar(&o.clusterDomain, "cluster-domain", "cluster.local", "DNS suffix of the cluster's Services")
	command.Flags().StringVarP(&o.output, "output", "o", "", "json or yaml for the whole plan")
	return command
}

func (o *planOptions) run(ctx context.Context) error {
	if o.file == "" {
		return errors.New("name the file with the DPIDeployment: -f FILE")
	}
	deployment, err := o.readDeployment()
	if err != nil {
		return err
	}
	input, err := o.input(ctx, deployment)
	if err != nil {
		return err
	}
	computed, err := plan.Compute(input)
	if err != nil {
		if problem, ok := errors.AsType[*plan.Problem](err); ok {
			return fmt.Errorf("%s: %s", problem.Reason, problem.Message)
		}
		return err
	}
	return o.print(deployment, computed)
}

func (o *planOptions) readDeployment() (*v1alpha1.DPIDeployment, error) {
	data, err := o.readFile()
	if err != nil {
		return nil, err
	}
	objects, err := manifest.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.file, flattened{err})
	}
	var found *v1alpha1.DPIDeployment
	for _, object := range objects {
		deployment, ok := object.(*v1alpha1.DPIDeployment)
		if !ok {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%s: holds more than one DPIDeployment; plan them one by one", o.file)
		}
		found = deployment
	}
	if found == nil {
		return nil, fmt.Errorf("%s: holds no DPIDeployment", o.file)
	}
	if err := checkDeployment(found); err != nil {
		return nil, fmt.Errorf("%s: %w", o.file, err)
	}
	return found, nil
}

func (o *planOptions) readFile() ([]byte, error) {
	if o.file == "-" {
		return io.ReadAll(o.streams.In)
	}
	data, err := os.ReadFile(o.file)
	if err != nil {
		return nil, fmt.Errorf("read the DPIDeployment: %w", err)
	}
	return data, nil
}

func (o *planOptions) input(ctx context.Context, deployment *v1alpha1.DPIDeployment) (plan.Input, error) {
	input := plan.Input{Deployment: deployment, ClusterDomain: o.clusterDomain}
	if o.catalogDir != "" {
		if deployment.Namespace == "" {
			deployment.Namespace = "default"
		}
		catalog, err := readCatalog(o.catalogDir)
		input.Catalog = catalog
		return input, err
	}
	cluster, namespace, err := newClient(o.flags)
	if err != nil {
		return input, err
	}
	if deployment.Namespace == "" {
		deployment.Namespace = namespace
	}
	if input.Catalog, err = listCatalog(ctx, cluster, o.catalogNamespace); err != nil {
		return input, err
	}
	input.Current, err = currentRevision(ctx, cluster, client.ObjectKeyFromObject(deployment))
	return input, err
}

// readCatalog reads every YAML file below the directory; kustomizations are passed over.
func readCatalog(dir string) (plan.Catalog, error) {
	var objects []runtime.Object
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".yaml") || entry.Name() == "kustomization.yaml" {
			return err
		}
		data, err := os.ReadFile(filepath.Clean(path)) //nolint:gosec // the person's own catalogue on their own machine
		if err != nil {
			return err
		}
		found, err := manifest.Decode(data)
		if err != nil {
			return fmt.Errorf("%s: %w", path, flattened{err})
		}
		objects = append(objects, found...)
		return nil
	})
	if err != nil {
		return plan.Catalog{}, fmt.Errorf("read the catalogue: %w", err)
	}
	catalog := plan.OfflineCatalog(objects)
	if catalog.IsEmpty() {
		return plan.Catalog{}, fmt.Errorf("%s holds no catalogue entries; name the directory of a catalogue, such as config/catalog", dir)
	}
	return catalog, nil
}

func listCatalog(ctx context.Context, cluster client.Reader, namespace string) (plan.Catalog, error) {
	var goods v1alpha1.DigitalPublicGoodList
	var contracts v1alpha1.InterfaceContractList
	var templates v1alpha1.StackTemplateList
	var sources v1alpha1.CatalogList
	for _, list := range []client.ObjectList{&goods, &contracts, &templates, &sources} {
		if err := cluster.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return plan.Catalog{}, fmt.Errorf("read the catalogue in namespace %s: %w", namespace, err)
		}
	}
	return plan.NewCatalog(goods.Items, contracts.Items, templates.Items, sources.Items), nil
}

// currentRevision returns the revision in force, or nothing where there is none yet.
func currentRevision(ctx context.Context, cluster client.Reader, key client.ObjectKey) (*v1alpha1.StackRevisionSpec, error) {
	var deployment v1alpha1.DPIDeployment
	err := cluster.Get(ctx, key, &deployment)
	if apierrors.IsNotFound(err) || (err == nil && deployment.Status.Revision == nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read DPIDeployment %s: %w", key, err)
	}
	var revision v1alpha1.StackRevision
	err = cluster.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: deployment.Status.Revision.Name}, &revision)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the revision in force: %w", err)
	}
	return &revision.Spec, nil
}

func (o *planOptions) print(deployment *v1alpha1.DPIDeployment, computed plan.Plan) error {
	switch o.output {
	case "json":
		encoder := json.NewEncoder(o.streams.Out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(computed)
	case "yaml":
		data, err := yaml.Marshal(computed)
		if err == nil {
			_, err = o.streams.Out.Write(data)
		}
		return err
	case "":
		return printPlan(o.streams.Out, deployment, computed)
	default:
		return fmt.Errorf("--output %q is not known; choose json or yaml", o.output)
	}
}

func printPlan(out io.Writer, deployment *v1alpha1.DPIDeployment, computed plan.Plan) error {
	source := "components written out"
	if computed.Template != "" {
		source = "template " + computed.Template
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s/%s: %s, %s, from %s\n\n",
		deployment.Namespace, deployment.Name, phrase.Count(len(computed.Components), "component"), phrase.Count(len(computed.Bindings), "binding"), source)
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "STEP\tACTION\tCOMPONENT\tGOOD\tAFTER\tREASON")
	for i, step := range computed.Steps {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s %s\t%s\t%s\n", i+1, step.Action, step.Component, step.Good, versionChange(step), dash(strings.Join(step.After, ", ")), step.Reason)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(&text, "\nplan %s\n", computed.Digest)
	_, err := io.WriteString(out, text.String())
	return err
}

func versionChange(step plan.Step) string {
	if step.From == "" {
		return step.Version
	}
	return step.From + " → " + step.Version
}

func dash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}
