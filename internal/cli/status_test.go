package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/conditions"
	"github.com/dpi-operator/dpi-operator/internal/manifest"
)

// clock is the moment at which the status of the test data is looked at.
var clock = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Each folder of testdata/status holds deployments as the API server has them, with what is printed about them.
func TestStatus(t *testing.T) {
	for _, name := range cases(t, "status") {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("testdata", "status", name)
			o, out := statusFor(t)
			deployments, err := o.list(t.Context(), clusterWith(t, filepath.Join(dir, "in.yaml")), "")
			if err != nil {
				t.Fatal(err)
			}
			if err := o.print(deployments); err != nil {
				t.Fatal(err)
			}
			if bad := trailingSpace(out.String()); len(bad) > 0 {
				t.Errorf("lines end in blanks: %q", bad)
			}
			end := "exit 0\n"
			if err := o.verdict(deployments); err != nil {
				end = "error: " + err.Error() + "\nexit 1\n"
			}
			golden(t, filepath.Join(dir, "want"), out.String()+end)
		})
	}
}

func TestStatusOfOneDeployment(t *testing.T) {
	cluster := clusterWith(t, "testdata/status/starting/in.yaml")
	o, _ := statusFor(t)
	o.name = "health-exchange"
	found, err := o.list(t.Context(), cluster, "moh")
	if err != nil || len(found) != 1 || found[0].Name != "health-exchange" {
		t.Errorf("got %d deployments, error %v", len(found), err)
	}
	o.name = "none"
	if _, err := o.list(t.Context(), cluster, "moh"); err == nil || !strings.HasPrefix(err.Error(), "read DPIDeployment none: ") {
		t.Errorf("got error %v", err)
	}
}

func TestStatusAsDataHoldsTheObjects(t *testing.T) {
	for _, format := range []string{"yaml", "json"} {
		o, out := statusFor(t)
		o.output = format
		deployments, err := o.list(t.Context(), clusterWith(t, "testdata/status/starting/in.yaml"), "")
		if err != nil {
			t.Fatal(err)
		}
		if err := o.print(deployments); err != nil {
			t.Fatal(err)
		}
		var list v1alpha1.DPIDeploymentList
		if err := yaml.UnmarshalStrict([]byte(out.String()), &list); err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		if len(list.Items) != 1 || list.Kind != "DPIDeploymentList" || list.Items[0].Status.Progress != "1/3" {
			t.Errorf("%s: got %s", format, out)
		}
	}
}

func TestStatusRefusesAnUnknownFormat(t *testing.T) {
	o, out := statusFor(t)
	o.output = "xml"
	err := o.print(nil)
	if err == nil || err.Error() != `--output "xml" is not known; choose json or yaml` || out.String() != "" {
		t.Errorf("got error %v and output %q", err, out)
	}
}

func TestStatusFollowsUntilEverythingIsReady(t *testing.T) {
	cluster := clusterWith(t, "testdata/status/starting/in.yaml")
	o, out := statusFor(t)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- o.follow(ctx, cluster, "moh") }()

	out.await(t, "Deployment health-exchange-identity: container keycloak is starting")
	change(t, cluster, func(d *v1alpha1.DPIDeployment) {
		conditions.Mark(d, v1alpha1.ReadyCondition, conditions.True(v1alpha1.ReasonReady, "3 components work, 1 binding proved"))
	})
	if err := <-ended; err != nil {
		t.Fatalf("followed to an error: %v\n%s", err, out)
	}
	if !strings.Contains(out.String(), "✔ moh/health-exchange") {
		t.Errorf("the last word is missing:\n%s", out)
	}
}

func TestStatusThatIsInterruptedSaysHowItStands(t *testing.T) {
	cluster := clusterWith(t, "testdata/status/starting/in.yaml")
	o, out := statusFor(t)
	ctx, interrupt := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.follow(ctx, cluster, "moh") }()
	out.await(t, "moh/health-exchange")
	interrupt()
	if err := <-ended; !errors.Is(err, ErrNotReady) {
		t.Errorf("got error %v", err)
	}
}

func TestStatusPrintsAgainOnlyWhatChanged(t *testing.T) {
	o, out := statusFor(t)
	deployments, err := o.list(t.Context(), clusterWith(t, "testdata/status/starting/in.yaml"), "")
	if err != nil {
		t.Fatal(err)
	}
	state, err := o.printChanged(deployments, "")
	if err != nil {
		t.Fatal(err)
	}
	once := out.String()
	o.now = func() time.Time { return clock.Add(time.Hour) }
	if again, err := o.printChanged(deployments, state); err != nil || again != state {
		t.Errorf("got state %q, error %v", again, err)
	}
	if out.String() != once {
		t.Errorf("printed again although only time went by:\n%s", out)
	}
}

// statusFor returns the command with the clock of the test data.
func statusFor(t *testing.T) (*statusOptions, *screen) {
	t.Helper()
	out := &screen{written: make(chan struct{}, 1)}
	return &statusOptions{
		streams: genericiooptions.IOStreams{In: strings.NewReader(""), Out: out, ErrOut: out},
		now:     func() time.Time { return clock },
	}, out
}

func clusterWith(t *testing.T, path string) client.WithWatch {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := manifest.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithRuntimeObjects(objects...).Build()
}

func change(t *testing.T, cluster client.Client, edit func(*v1alpha1.DPIDeployment)) {
	t.Helper()
	var deployment v1alpha1.DPIDeployment
	if err := cluster.Get(t.Context(), client.ObjectKey{Namespace: "moh", Name: "health-exchange"}, &deployment); err != nil {
		t.Fatal(err)
	}
	edit(&deployment)
	if err := cluster.Update(t.Context(), &deployment); err != nil {
		t.Fatal(err)
	}
}

// screen is an output that can be waited for.
type screen struct {
	mu      sync.Mutex
	text    strings.Builder
	written chan struct{}
}

// Write adds to the screen.
func (s *screen) Write(data []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.written <- struct{}{}:
	default:
	}
	return s.text.Write(data)
}

// String returns what was written so far.
func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *screen) await(t *testing.T, text string) {
	t.Helper()
	for !strings.Contains(s.String(), text) {
		select {
		case <-s.written:
		case <-time.After(time.Minute):
			t.Fatalf("%q never came:\n%s", text, s)
		}
	}
}
