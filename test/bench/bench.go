package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/fetch"
	"github.com/dpi-operator/dpi-operator/internal/testenv"
)

const (
	// Paths from the root of the repository, where `make bench` runs.
	definitionsDir = "config/crd"
	chartDir       = "test/bench/chart"
	managerPackage = "./cmd/manager"

	operatorNamespace = "dpi-system"
	chartName         = "three"
	chartVersion      = "1.0.0"
)

// bench is what all scenarios share.
type bench struct {
	options options
	dir     string
	client  client.Client
	// kubeconfig, manager and chart are paths of files.
	kubeconfig, manager, chart string
	repository                 string
	audit                      audit
	observer                   *observer
}

// newBench starts the cluster, the chart repository and the players. stop ends them all.
func newBench(ctx context.Context, o options, dir string) (_ *bench, stop func() error, err error) {
	b := &bench{
		options: o, dir: dir, kubeconfig: filepath.Join(dir, "kubeconfig"), manager: filepath.Join(dir, "manager"),
		chart: filepath.Join(dir, chartName+".tgz"), audit: audit{path: filepath.Join(dir, "audit.log")},
	}
	if err := build(ctx, b.manager); err != nil {
		return nil, nil, err
	}
	flags, err := b.audit.flags(dir)
	if err != nil {
		return nil, nil, err
	}
	// The default range has an address for 254 Services.
	flags["service-cluster-ip-range"] = "10.0.0.0/16"
	config, stopCluster, err := testenv.Start(testenv.Options{CRDs: []string{definitionsDir}, APIServerFlags: flags})
	if err != nil {
		return nil, nil, err
	}
	playing, endPlay := context.WithCancel(ctx)
	server := &http.Server{} //nolint:gosec // It serves this process's children on the loopback interface.
	stop = func() error {
		endPlay()
		return errors.Join(server.Close(), stopCluster())
	}
	if err := b.prepare(playing, config, server); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return b, stop, nil
}

func build(ctx context.Context, target string) error {
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", target, managerPackage) //nolint:gosec // The target is a directory of our own.
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("build the operator: %w", err)
	}
	return nil
}

func (b *bench) prepare(ctx context.Context, config *rest.Config, server *http.Server) error {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	if err := writeKubeconfig(config, b.kubeconfig); err != nil {
		return err
	}
	own := rest.CopyConfig(config)
	own.UserAgent = "dpi-bench"
	var err error
	if b.client, err = client.New(own, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	if err := b.serveChart(ctx, server); err != nil {
		return err
	}
	if err := b.namespace(ctx, operatorNamespace); err != nil {
		return err
	}
	if b.observer, err = startObserver(ctx, own, scheme); err != nil {
		return err
	}
	return playWorkloads(ctx, own)
}

func (b *bench) serveChart(ctx context.Context, server *http.Server) error {
	fetcher, err := fetch.New(fetch.Options{AllowLocal: true})
	if err != nil {
		return err
	}
	archive, err := fetcher.Get(ctx, fetch.Reference{URL: chartDir})
	if err != nil {
		return err
	}
	if err := os.WriteFile(b.chart, archive.Data, 0o600); err != nil {
		return err
	}
	b.repository, err = serveRepository(ctx, server, archive)
	return err
}

func (b *bench) namespace(ctx context.Context, name string) error {
	return b.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
}

// writeKubeconfig lets other processes connect as this one does.
func writeKubeconfig(config *rest.Config, path string) error {
	const name = "bench"
	file := clientcmdapi.NewConfig()
	file.Clusters[name] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	file.AuthInfos[name] = &clientcmdapi.AuthInfo{
		ClientCertificateData: config.CertData, ClientKeyData: config.KeyData, Token: config.BearerToken,
	}
	file.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	file.CurrentContext = name
	return clientcmd.WriteToFile(*file, path)
}
