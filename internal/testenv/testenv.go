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
}

// Run starts the cluster, hands its configuration to ready, runs the tests and stops the cluster; the context ends before
// the cluster does. Its result is for os.Exit. Without the programs it fails and says how to get them; tests are never skipped.
func Run(m *testing.M, options Options, ready func(context.Context, *rest.Config)) int {
	if err := checkAssets(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	environment := &envtest.Environment{CRDDirectoryPaths: options.CRDs, ErrorIfCRDPathMissing: true}
	config, err := environment.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the test cluster:", err)
		return 1
	}
	// The tests measure the code, not client-go's rate limit.
	config.QPS, config.Burst = -1, 0
	log.SetLogger(logr.Discard())
	ctx, stop := context.WithCancel(context.Background())
	ready(ctx, config)
	code := m.Run()
	stop()
	if err := environment.Stop(); err != nil {
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
