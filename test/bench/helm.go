package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/prometheus/procfs"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/dpi-operator/dpi-operator/internal/helm/oracle"
)

// helmCommand is the first argument with which this program runs Helm, in a process of its own.
const helmCommand = "helm"

// helmOrder says what Helm is to install.
type helmOrder struct {
	namespace string
	releases  int
	wait      bool
	// fail makes every second release fail.
	fail bool
}

// helmReport is what the process tells about itself.
type helmReport struct {
	Wall   time.Duration `json:"wall"`
	CPU    time.Duration `json:"cpu"`
	Peak   uint64        `json:"peak"`
	Failed int           `json:"failed"`
}

// runHelm has another process install releases one after the other.
func (b *bench) runHelm(ctx context.Context, order helmOrder) (helmReport, error) {
	command := exec.CommandContext(ctx, "/proc/self/exe", helmCommand, //nolint:gosec // It is this program.
		"-kubeconfig", b.kubeconfig, "-chart", b.chart, "-namespace", order.namespace, "-releases", strconv.Itoa(order.releases),
		"-wait="+strconv.FormatBool(order.wait), "-fail="+strconv.FormatBool(order.fail))
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return helmReport{}, fmt.Errorf("run Helm: %w", err)
	}
	var report helmReport
	return report, json.Unmarshal(output, &report)
}

// helmMain is the other process. As the command does, it connects anew for each release.
func helmMain(_ context.Context, arguments []string, out io.Writer) error {
	var order helmOrder
	var kubeconfig, chart string
	flags := flag.NewFlagSet(helmCommand, flag.ContinueOnError)
	flags.StringVar(&kubeconfig, "kubeconfig", "", "how to connect")
	flags.StringVar(&chart, "chart", "", "archive of the chart")
	flags.StringVar(&order.namespace, "namespace", "", "where to install")
	flags.IntVar(&order.releases, "releases", 0, "how many to install")
	flags.BoolVar(&order.wait, "wait", false, "wait for each")
	flags.BoolVar(&order.fail, "fail", false, "make every second one fail")
	if err := flags.Parse(arguments[1:]); err != nil {
		return err
	}
	archive, err := os.ReadFile(chart) //nolint:gosec // The parent process names it.
	if err != nil {
		return err
	}
	report := helmReport{}
	began := time.Now()
	for i := range order.releases {
		err := installByHelm(kubeconfig, archive, order, i)
		if err != nil && !order.fail {
			return err
		}
		if err != nil {
			report.Failed++
		}
	}
	report.Wall = time.Since(began)
	self, err := procfs.Self()
	if err != nil {
		return err
	}
	used, err := useOf(self)
	if err != nil {
		return err
	}
	report.CPU, report.Peak = used.cpu, used.peak
	return json.NewEncoder(out).Encode(report)
}

func installByHelm(kubeconfig string, archive []byte, order helmOrder, index int) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.UserAgent = helmAgent
	helm, err := oracle.New(config, order.namespace)
	if err != nil {
		return err
	}
	values := map[string]any{}
	if order.fail {
		values = failure(index)
	}
	name := componentName(index)
	if order.wait {
		_, err = helm.InstallAndWait(name, archive, values, patience)
		return err
	}
	_, err = helm.Install(name, archive, values)
	return err
}
