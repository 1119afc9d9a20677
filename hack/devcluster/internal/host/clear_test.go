package host

import (
	"slices"
	"testing"
)

func TestMountsBelow_newestFirstAndOnlyOurs(t *testing.T) {
	const mountinfo = `22 1 8:1 / / rw - ext4 /dev/sda rw
23 22 0:5 / /var/lib/dpi-devcluster/kubelet/pods/a/volumes/secret rw - tmpfs tmpfs rw
24 22 0:5 / /var/lib/dpi-devcluster-other/x rw - tmpfs tmpfs rw
25 22 0:5 / /var/lib/dpi-devcluster/with\040space rw - tmpfs tmpfs rw
`
	got := mountsBelow(mountinfo, "/var/lib/dpi-devcluster")
	want := []string{"/var/lib/dpi-devcluster/with space", "/var/lib/dpi-devcluster/kubelet/pods/a/volumes/secret"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestIsShimOf_leavesOthersAlone(t *testing.T) {
	const dir = "/var/lib/dpi-devcluster"
	for line, want := range map[string]bool{
		"/usr/bin/containerd-shim-runc-v2\x00-namespace\x00k8s.io\x00-address\x00/var/lib/dpi-devcluster/containerd/c.sock": true,
		"/usr/bin/containerd-shim-runc-v2\x00-address\x00/run/containerd/containerd.sock":                                    false,
		"/usr/bin/vi\x00/var/lib/dpi-devcluster/containerd/c.sock":                                                           false,
	} {
		if got := isShimOf(line, dir); got != want {
			t.Errorf("%q: got %v", line, got)
		}
	}
}
