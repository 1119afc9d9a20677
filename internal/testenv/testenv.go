package testenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// assetsVariable says where kube-apiserver and etcd are.
const assetsVariable = "KUBEBUILDER_ASSETS"

// Options of the test cluster.
type Options struct {
	// CRDs are directories of definitions to install.
	CRDs []string
	// APIServerFlags are given to kube-apiserver besides its own, without the leading dashes.
	APIServerFlags map[string]string
}

// Start starts the cluster and returns its configuration, without a rate limit, and what stops it. Without the programs it
// fails and says how to get them.
func Start(options Options) (config *rest.Config, stop func() error, err error) {
	if err := checkAssets(); err != nil {
		return nil, nil, err
	}
	environment := &envtest.Environment{CRDDirectoryPaths: options.CRDs, ErrorIfCRDPathMissing: true}
	arguments := environment.ControlPlane.GetAPIServer().Configure()
	for flag, value := range options.APIServerFlags {
		arguments.Set(flag, value)
	}
	if config, err = environment.Start(); err != nil {
		return nil, nil, fmt.Errorf("start the test cluster: %w", err)
	}
	// The tests measure the code, not client-go's rate limit.
	config.QPS, config.Burst = -1, 0
	return config, environment.Stop, nil
}

// Run starts the cluster, hands its configuration to ready, runs the tests and stops the cluster; the context ends before
// the cluster does. Its result is for os.Exit. Tests are never skipped: without a cluster it fails.
func Run(m *testing.M, options Options, ready func(context.Context, *rest.Config)) int {
	log.SetLogger(logr.Discard())
	config, stopCluster, err := Start(options)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, stop := context.WithCancel(context.Background())
	ready(ctx, config)
	code := m.Run()
	stop()
	if err := stopCluster(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the test cluster:", err)
		return 1
	}
	return code
}

func checkAssets() error {
	dir := os.Getenv(assetsVariable)
	if dir == "" {
		return fmt.Errorf("%s is not set: run `make test`, or set it to the directory with kube-apiserver and etcd", assetsVariable)
	}
	for _, program := range []string{"kube-apiserver", "etcd"} {
		if _, err := os.Stat(filepath.Join(dir, program)); err != nil { //nolint:gosec // The person who runs the tests names it.
			return fmt.Errorf("%s has no %s: run `make test`, which builds it", assetsVariable, program)
		}
	}
	return nil
}

// Namespace makes a namespace of the test's own. It is left behind with the whole cluster.
func Namespace(tb testing.TB, config *rest.Config) string {
	tb.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		tb.Fatal(err)
	}
	namespace, err := client.CoreV1().Namespaces().Create(context.Background(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	return namespace.Name
}
