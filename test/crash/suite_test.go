package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/testenv"
)

var (
	config   *rest.Config
	cluster  client.Client
	manager  string
	archives map[string][]byte
	charts   string
	played   *controllers
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := testenv.Run(m, testenv.Options{CRDs: []string{"../../config/crd"}}, func(ctx context.Context, ready *rest.Config) {
		config = ready
		if err := prepare(ctx, dir); err != nil {
			panic(err)
		}
	})
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func prepare(ctx context.Context, dir string) error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme, apiextensionsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	var err error
	if cluster, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	if played, err = playControllers(ctx, typed); err != nil {
		return err
	}
	if archives, charts, err = serveCharts(ctx, "testdata/charts"); err != nil {
		return err
	}
	manager = filepath.Join(dir, "manager")
	output, err := exec.CommandContext(ctx, "go", "build", "-o", manager, "../../cmd/manager").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build the operator: %w: %s", err, output)
	}
	return nil
}

// chance returns the source of all choices of a test, and says how to repeat them.
func chance(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv("DPI_CRASH_SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("DPI_CRASH_SEED: %v", err)
		}
	}
	t.Logf("repeat with DPI_CRASH_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func numberFrom(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	given := os.Getenv(variable)
	if given == "" {
		return otherwise
	}
	number, err := strconv.Atoi(given)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return number
}

// eventually waits until the check says nothing any more, and returns what it said last otherwise.
func eventually(ctx context.Context, check func() string) string {
	timeout := time.After(patience)
	for {
		said := check()
		if said == "" {
			return ""
		}
		select {
		case <-ctx.Done():
			return said
		case <-timeout:
			return said
		case <-time.After(25 * time.Millisecond):
		}
	}
}
