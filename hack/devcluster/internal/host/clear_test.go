package host

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const dir = "/var/lib/dpi-devcluster"

func TestMountsBelow_newestFirstAndOnlyOurs(t *testing.T) {
	const mountinfo = `22 1 8:1 / / rw - ext4 /dev/sda rw
23 22 0:5 / /var/lib/dpi-devcluster/kubelet/pods/a/volumes/secret rw - tmpfs tmpfs rw
24 22 0:5 / /var/lib/dpi-devcluster-other/x rw - tmpfs tmpfs rw
25 22 0:5 / /var/lib/dpi-devcluster/with\040space\011tab rw - tmpfs tmpfs rw
`
	got, err := mountsBelow(strings.NewReader(mountinfo), dir)
	want := []string{"/var/lib/dpi-devcluster/with space\ttab", "/var/lib/dpi-devcluster/kubelet/pods/a/volumes/secret"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestOwns_leavesOthersAlone(t *testing.T) {
	leftovers := Leftovers{Dir: dir, Programs: []string{"etcd", "kubelet", "containerd-shim-runc-v2"}}
	for line, want := range map[string]bool{
		"/usr/bin/containerd-shim-runc-v2 -namespace k8s.io -address /var/lib/dpi-devcluster/containerd/c.sock": true,
		"/cache/kubelet --root-dir=/var/lib/dpi-devcluster/kubelet":                                             true,
		"/cache/kubelet --root-dir=/var/lib/dpi-devcluster-other/kubelet":                                       false,
		"/usr/bin/containerd-shim-runc-v2 -address /run/containerd/containerd.sock":                             false,
		"/usr/bin/vi /var/lib/dpi-devcluster/containerd.toml":                                                   false,
		"kubectl --kubeconfig=/var/lib/dpi-devcluster/admin.kubeconfig logs -f pod":                             false,
		"": false,
	} {
		if got := leftovers.owns(strings.Fields(line)); got != want {
			t.Errorf("%q: got %v", line, got)
		}
	}
}

func TestParse_findsContainersBelowTheirShim(t *testing.T) {
	shim, ok := parse("10 (containerd-shim (x) R 5) S 1 10 10 0", "shim\x00-id\x00a\x00")
	if !ok || shim.parent != 1 || shim.zombie || !slices.Equal(shim.arguments, []string{"shim", "-id", "a"}) {
		t.Errorf("got %+v, %v", shim, ok)
	}
	if dead, ok := parse("11 (pause) Z 10 11", ""); !ok || !dead.zombie {
		t.Errorf("a zombie is not seen as one: %+v, %v", dead, ok)
	}
	if _, ok := parse("garbage", ""); ok {
		t.Error("garbage was read as a process")
	}
	all := map[int]running{10: {parent: 1}, 11: {parent: 10}, 12: {parent: 11}, 13: {parent: 1}}
	got := descendants(all, 10)
	slices.Sort(got)
	if !slices.Equal(got, []int{11, 12}) {
		t.Errorf("descendants of the shim: got %v", got)
	}
}

func TestCgroup_onlyTheClustersOwn(t *testing.T) {
	mount := t.TempDir()
	for path, content := range map[string]string{
		"pids/kubepods/pod1/cgroup.procs":                "7\n",
		"pids/dpi-devcluster/kubepods/pod2/cgroup.procs": "8\n9\n",
		"cpu/dpi-devcluster/kubepods/pod2/cgroup.procs":  "8\n9\n",
		"dpi-devcluster/kubepods/pod2/cgroup.procs":      "0\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(mount, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(mount, path), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := cgroupProcesses(mount, "dpi-devcluster")
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, []int{8, 9}) {
		t.Errorf("got %v", got)
	}
}

func TestClaim_refusesWhatIsNotACluster(t *testing.T) {
	foreign := t.TempDir()
	precious := filepath.Join(foreign, "thesis.txt")
	if err := os.WriteFile(precious, []byte("ten years"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Claim(foreign); err == nil {
		t.Error("a directory with somebody's files was claimed")
	}
	if err := (Leftovers{Dir: foreign}).removeState(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Errorf("a directory that is no cluster's was removed: %v", err)
	}
}

func TestClaim_thenRemoveState_leavesNothing(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	if err := os.MkdirAll(filepath.Join(removing(state), "half"), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Claim(state); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := (Leftovers{Dir: state}).removeState(); err != nil {
			t.Fatal(err)
		}
	}
	left, err := os.ReadDir(filepath.Dir(state))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestKernel_remembersTheFirstSettings(t *testing.T) {
	kernel := Kernel{Record: filepath.Join(t.TempDir(), "kernel.json")}
	if err := kernel.Restore(); err != nil {
		t.Errorf("without a record: %v", err)
	}
	if err := kernel.Remember(); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(kernel.Record)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(kernel.Record, append(first, ' '), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := kernel.Remember(); err != nil {
		t.Fatal(err)
	}
	if second, err := os.ReadFile(kernel.Record); err != nil || string(second) != string(first)+" " {
		t.Errorf("the settings from before the cluster were overwritten: %v", err)
	}
	if _, err := os.Stat(kernel.Record + ".unfinished"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an unfinished record is left: %v", err)
	}
}
