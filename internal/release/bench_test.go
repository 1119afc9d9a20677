package release_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/helm/oracle"
	"github.com/dpi-operator/dpi-operator/internal/release"
	"github.com/dpi-operator/dpi-operator/internal/testenv"
)

// counter counts requests.
type counter struct {
	next  http.RoundTripper
	count *atomic.Int64
}

func (c counter) RoundTrip(request *http.Request) (*http.Response, error) {
	c.count.Add(1)
	return c.next.RoundTrip(request)
}

func counted(count *atomic.Int64) *rest.Config {
	wrapped := rest.CopyConfig(config)
	wrapped.Wrap(func(next http.RoundTripper) http.RoundTripper { return counter{next: next, count: count} })
	return wrapped
}

// processorTime is what this process used so far; etcd and the API server are other processes.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkRelease compares the engine with Helm's own actions: installs, passes with nothing to do, upgrades, removals of
// a chart with three objects.
func BenchmarkRelease(b *testing.B) {
	b.Run("engine", func(b *testing.B) {
		var count atomic.Int64
		w := newWorld(b)
		engine := must(release.New(release.Options{Cluster: must(apply.NewCluster(counted(&count)))(b), Holder: "bench"}))(b)
		call := func(values map[string]any) func(*testing.B, int) {
			request := w.request("three", values)
			return func(b *testing.B, i int) {
				b.Helper()
				request.Name = fmt.Sprintf("app-%d", i)
				request.Owner.Component = request.Name
				if outcome := must(engine.Reconcile(b.Context(), request))(b); outcome.State != release.StateDeployed {
					b.Fatal(outcome.Message)
				}
			}
		}
		measure(b, "install", &count, call(nil))
		measure(b, "nothing", &count, call(nil))
		measure(b, "upgrade", &count, call(map[string]any{"a": "c"}))
	})
	b.Run("helm", func(b *testing.B) {
		var count atomic.Int64
		namespace := testenv.Namespace(b, config)
		archive := archive(b, "three").Data
		measure(b, "install", &count, func(b *testing.B, i int) {
			b.Helper()
			helm := must(oracle.New(counted(&count), namespace))(b)
			must(helm.Install(fmt.Sprintf("app-%d", i), archive, nil))(b)
		})
		measure(b, "upgrade", &count, func(b *testing.B, i int) {
			b.Helper()
			helm := must(oracle.New(counted(&count), namespace))(b)
			must(helm.Upgrade(fmt.Sprintf("app-%d", i), archive, map[string]any{"a": "c"}))(b)
		})
	})
}

// measure runs one operation on the same hundred releases each time it is called.
func measure(b *testing.B, name string, count *atomic.Int64, operation func(*testing.B, int)) {
	b.Helper()
	const releases = 100
	b.Run(name, func(b *testing.B) {
		if b.N > 1 {
			b.Fatal("run it with -benchtime=1x: an install happens once")
		}
		requests, processor := count.Load(), processorTime(b)
		for i := range releases {
			operation(b, i)
		}
		b.ReportMetric(float64(count.Load()-requests)/releases, "requests/release")
		b.ReportMetric(float64((processorTime(b)-processor).Microseconds())/1000/releases, "cpu-ms/release")
		b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/releases, "ms/release")
	})
}
