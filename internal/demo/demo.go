package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// Names of what the demo makes.
const (
	OperatorNamespace   = "dpi-system"
	RegistryNamespace   = "dpi-registry"
	DeploymentNamespace = "moh"
	DeploymentName      = "health-exchange"

	reporterID = "demo"
)

// Demo is one run with its connections.
type Demo struct {
	Settings
	Config *rest.Config
	Client client.WithWatch

	started time.Time
	images  map[string]image
}

// image is what the image builder says of one image.
type image struct {
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
	Digest     string `json:"digest"`
}

type step struct {
	title string
	run   func(context.Context) error
}

// Up runs every step and returns nil only if the proof held.
func Up(ctx context.Context, settings Settings) error {
	d := &Demo{Settings: settings, started: time.Now()}
	if err := d.steps(ctx, append(d.preparation(), d.deployment()...)); err != nil {
		return err
	}
	d.farewell(ctx)
	return nil
}

// Prepare runs the steps up to and including the catalogue: everything but a deployment.
func Prepare(ctx context.Context, settings Settings) (*Demo, error) {
	d := &Demo{Settings: settings, started: time.Now()}
	return d, d.steps(ctx, d.preparation())
}

func (d *Demo) preparation() []step {
	return []step{
		{"Cluster", d.cluster},
		{"Images", d.buildImages},
		{"Charts", d.pushCharts},
		{"Operator", d.installOperator},
		{"Coordination registry", d.installRegistry},
		{"Catalogue", d.loadCatalogue},
	}
}

func (d *Demo) deployment() []step {
	return []step{
		{"Deployment", d.deploy},
		{"Proof", d.Prove},
	}
}

func (d *Demo) steps(ctx context.Context, steps []step) error {
	for i, each := range steps {
		d.say("\n[%d/%d] %s (%s)", i+1, len(steps), each.title, d.elapsed())
		if err := each.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", strings.ToLower(each.title), err)
		}
	}
	return nil
}

// Down takes the demo away. On the demo's own cluster that is the cluster itself.
func Down(ctx context.Context, settings Settings) error {
	d := &Demo{Settings: settings, started: time.Now()}
	if !settings.Existing {
		return d.goCommand(ctx, "-C", filepath.Join(d.Root, "hack", "devcluster"), "run", ".", "down")
	}
	if err := d.connect(); err != nil {
		return err
	}
	return d.uninstall(ctx)
}

func (d *Demo) say(format string, args ...any) {
	_, _ = fmt.Fprintf(d.Out, format+"\n", args...)
}

func (d *Demo) elapsed() string { return time.Since(d.started).Round(time.Second).String() }

// goCommand runs the Go command and shows what it says.
func (d *Demo) goCommand(ctx context.Context, args ...string) error {
	command := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the programmes are the project's own
	command.Dir = d.Root
	command.Stdout, command.Stderr = d.Out, d.Out
	command.Env = d.environment()
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(append([]string{"go"}, args[:min(len(args), 5)]...), " "), err)
	}
	return nil
}

// output runs a programme and returns the last line it prints.
func (d *Demo) output(ctx context.Context, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...) //nolint:gosec // the programmes are the project's own
	command.Dir = d.Root
	command.Env = d.environment()
	var complaint strings.Builder
	command.Stderr = io.MultiWriter(&complaint)
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", filepath.Base(name), err, strings.TrimSpace(complaint.String()))
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1], nil
}

func (d *Demo) environment() []string {
	return append(os.Environ(), "KUBECONFIG="+d.Kubeconfig, "DPI_CACHE="+d.Cache)
}

// cluster brings up the development cluster, or finds the existing one.
func (d *Demo) cluster(ctx context.Context) error {
	if !d.Existing {
		module := filepath.Join(d.Root, "hack", "devcluster")
		if err := d.goCommand(ctx, "-C", module, "run", ".", "up"); err != nil {
			return err
		}
		kubeconfig, err := d.output(ctx, "go", "-C", module, "run", ".", "kubeconfig")
		if err != nil {
			return err
		}
		d.Kubeconfig = kubeconfig
	}
	if err := d.connect(); err != nil {
		return err
	}
	var nodes corev1.NodeList
	if err := d.Client.List(ctx, &nodes); err != nil {
		return fmt.Errorf("the cluster of %s does not answer: %w", d.Kubeconfig, err)
	}
	if len(nodes.Items) == 0 {
		return errors.New("the cluster has no nodes")
	}
	d.say("      %d node, Kubernetes %s, kubeconfig %s", len(nodes.Items), nodes.Items[0].Status.NodeInfo.KubeletVersion, d.Kubeconfig)
	return nil
}

func (d *Demo) connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", d.Kubeconfig)
	if err != nil {
		return fmt.Errorf("read %s: %w", d.Kubeconfig, err)
	}
	config.QPS, config.Burst = 50, 100
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	d.Config = config
	d.Client, err = client.NewWithWatch(config, client.Options{Scheme: scheme})
	return err
}

// Kubectl returns a kubectl that fits the cluster: the development cluster's own, or the one on the PATH.
func (d *Demo) Kubectl() (string, error) {
	if d.Existing {
		return exec.LookPath("kubectl")
	}
	found, err := filepath.Glob(filepath.Join(d.Cache, "envtest-*", "kubectl"))
	if err != nil || len(found) == 0 {
		return "", errors.New("the development cluster's kubectl is not built; run `make demo`")
	}
	return found[len(found)-1], nil
}
