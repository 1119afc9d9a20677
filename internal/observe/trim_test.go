package observe

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden file anew")

func samplePod(t *testing.T) *corev1.Pod {
	t.Helper()
	raw, err := os.ReadFile("testdata/pod.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var pod corev1.Pod
	if err := yaml.UnmarshalStrict(raw, &pod); err != nil {
		t.Fatal(err)
	}
	return &pod
}

// heapOf returns the bytes that a thousand pods take.
func heapOf(t *testing.T, keep func(*corev1.Pod) any) uint64 {
	t.Helper()
	raw, err := samplePod(t).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	kept := make([]any, 1000)
	for i := range kept {
		var pod corev1.Pod
		if err := pod.Unmarshal(raw); err != nil {
			t.Fatal(err)
		}
		kept[i] = keep(&pod)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(kept)
	return after.HeapAlloc - before.HeapAlloc
}

func TestTrimmingSavesMemory(t *testing.T) {
	whole := heapOf(t, func(p *corev1.Pod) any { return p })
	trimmed := heapOf(t, func(p *corev1.Pod) any {
		out, err := trim(p)
		if err != nil {
			t.Fatal(err)
		}
		return out
	})
	t.Logf("a pod takes %d bytes, trimmed %d", whole/1000, trimmed/1000)
	if trimmed*2 > whole {
		t.Errorf("a pod takes %d bytes, trimmed %d: want at most half", whole/1000, trimmed/1000)
	}
}

func TestTrimKeepsWhatHealthLooksAt(t *testing.T) {
	pod := samplePod(t)
	if _, err := trim(pod); err != nil {
		t.Fatal(err)
	}
	got, err := yaml.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/pod.trimmed.yaml"
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestAlike(t *testing.T) {
	pod := func(version string, change func(*corev1.Pod)) client.Object {
		p := samplePod(t)
		p.ResourceVersion = version
		if change != nil {
			change(p)
		}
		_, _ = trim(p) // a Pod is trimmed without an error
		return p
	}
	deployment := func(version, generation int) client.Object {
		return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{ResourceVersion: strconv.Itoa(version), Generation: int64(generation)}}
	}
	long := func(text string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Annotations = map[string]string{"long": fmt.Sprintf("%0300s", text)}
		}
	}
	for name, c := range map[string]struct {
		before, after client.Object
		want          bool
	}{
		"only the version":           {pod("1", nil), pod("2", nil), true},
		"an address":                 {pod("1", nil), pod("2", func(p *corev1.Pod) { p.Status.PodIP = "10.0.0.9" }), true},
		"readiness":                  {pod("1", nil), pod("2", func(p *corev1.Pod) { p.Status.ContainerStatuses[0].Ready = false }), false},
		"a long annotation":          {pod("1", long("a")), pod("2", long("b")), false},
		"a generation":               {deployment(1, 1), deployment(2, 2), false},
		"a Deployment's version":     {deployment(1, 1), deployment(2, 1), true},
		"a Service":                  {&corev1.Service{}, &corev1.Service{}, false},
		"metadata of any other kind": {&metav1.PartialObjectMetadata{}, &metav1.PartialObjectMetadata{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := alike(c.before, c.after); got != c.want {
				t.Errorf("alike: %t", got)
			}
		})
	}
}
