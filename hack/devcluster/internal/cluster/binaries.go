package cluster

import (
	"strings"

	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/build"
)

const (
	kubernetesModule  = "tools/kubernetes"
	kubernetesLibrary = "k8s.io/kubernetes"
	containerd        = "/usr/bin/containerd"
	containerdShim    = "containerd-shim-runc-v2"
)

// controlBinaries are what tests against a real API server need.
func controlBinaries() []build.Binary {
	const etcd = "go.etcd.io/etcd/server/v3"
	return []build.Binary{
		{Name: "etcd", Module: "tools/etcd", Package: etcd, Library: etcd},
		kubernetes("kube-apiserver"),
		kubernetes("kubectl"),
	}
}

// nodeBinaries are the rest of a cluster.
func nodeBinaries() []build.Binary {
	return []build.Binary{
		kubernetes("kube-controller-manager"), kubernetes("kube-scheduler"), kubernetes("kubelet"), kubernetes("kube-proxy"),
		ours("coredns", "tools/coredns", ".", "github.com/coredns/coredns"),
		ours("registry", "tools/registry", ".", "github.com/distribution/distribution/v3"),
		ours("localpath", ".", "./cmd/localpath", "sigs.k8s.io/sig-storage-lib-external-provisioner/v13"),
		ours("pause", ".", "./cmd/pause", ""),
	}
}

func allBinaries() []build.Binary { return append(controlBinaries(), nodeBinaries()...) }

// programs are the names of all that runs for a cluster, by which leftovers are known.
func programs() []string {
	names := []string{"containerd", containerdShim}
	for _, binary := range allBinaries() {
		// A kubectl is its user's.
		if binary.Name != "kubectl" {
			names = append(names, binary.Name)
		}
	}
	return names
}

func kubernetes(name string) build.Binary {
	return build.Binary{
		Name: name, Module: kubernetesModule, Package: kubernetesLibrary + "/cmd/" + name, Library: kubernetesLibrary,
		Variables: kubernetesVersion,
	}
}

// kubernetesVersion is what a server says of itself: clients cannot read a version that was not set.
func kubernetesVersion(version string) map[string]string {
	const variables = "k8s.io/component-base/version."
	numbers := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(numbers) < 3 {
		return map[string]string{variables + "gitVersion": version}
	}
	return map[string]string{
		variables + "gitVersion": version, variables + "gitMajor": numbers[0], variables + "gitMinor": numbers[1],
		variables + "gitTreeState": "clean",
	}
}

func ours(name, module, pkg, library string) build.Binary {
	return build.Binary{Name: name, Module: module, Package: pkg, Library: library, Sources: []string{pkg}}
}
