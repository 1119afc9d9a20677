package cluster

import (
	"net"
	"path/filepath"

	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/build"
	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/pki"
	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/process"
)

// Addresses of the cluster. They are fixed, so that kubeconfigs and certificates stay valid.
const (
	NodeName     = "devcluster"
	NodeAddress  = "10.244.255.1"
	nodeLink     = "devcluster0"
	podRange     = "10.244.0.0/16"
	nodePodRange = "10.244.0.0/24"
	serviceRange = "10.96.0.0/16"
	apiService   = "10.96.0.1"
	DNSService   = "10.96.0.10"
	RegistryName = "registry.devcluster:5000"
	server       = "https://" + NodeAddress + ":6443"

	kubernetesVersion = "v1.36.3"
	pauseImage        = "devcluster/pause:1"
)

// Cluster is one cluster on this machine.
type Cluster struct {
	// Dir holds all state; it goes with the cluster.
	Dir string
	// Builder makes the programmes.
	Builder build.Builder

	binaries map[string]string
}

// Kubeconfig is the path of the administrator's kubeconfig.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.Dir, "admin.kubeconfig") }

func (c *Cluster) path(parts ...string) string { return filepath.Join(append([]string{c.Dir}, parts...)...) }

func (c *Cluster) pki() pki.Store { return pki.Store{Dir: c.path("pki")} }

func (c *Cluster) processes() process.Table { return process.Table{Dir: c.path("run")} }

func (c *Cluster) socket() string { return c.path("containerd", "containerd.sock") }

// identities are the certificates of the cluster.
func identities() []pki.Identity {
	addresses := []net.IP{net.ParseIP(NodeAddress), net.ParseIP(apiService), net.IPv4(127, 0, 0, 1)}
	return []pki.Identity{
		{
			Name: "apiserver", CommonName: "kube-apiserver", IPs: addresses,
			DNSNames: []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"},
		},
		{Name: "admin", CommonName: "admin", Organizations: []string{"system:masters"}},
		{Name: "kubelet", CommonName: "system:node:" + NodeName, Organizations: []string{"system:nodes"}, IPs: addresses[:1], DNSNames: []string{NodeName}},
	}
}

// controlBinaries are what tests against a real API server need.
func controlBinaries() []build.Binary {
	return []build.Binary{
		{Name: "etcd", Module: "tools/etcd", Package: "go.etcd.io/etcd/server/v3"},
		kubernetes("kube-apiserver"),
		kubernetes("kubectl"),
	}
}

// nodeBinaries are the rest of a cluster.
func nodeBinaries() []build.Binary {
	return []build.Binary{
		kubernetes("kube-controller-manager"), kubernetes("kube-scheduler"), kubernetes("kubelet"), kubernetes("kube-proxy"),
		{Name: "coredns", Module: "tools/coredns", Package: ".", Sources: []string{"."}},
		{Name: "registry", Module: "tools/registry", Package: "github.com/distribution/distribution/v3/cmd/registry"},
		{Name: "localpath", Module: ".", Package: "./cmd/localpath", Sources: []string{"cmd/localpath"}},
		{Name: "pause", Module: ".", Package: "./cmd/pause", Sources: []string{"cmd/pause"}},
	}
}

func kubernetes(name string) build.Binary {
	const pkg = "k8s.io/component-base/version."
	return build.Binary{
		Name: name, Module: "tools/kubernetes", Package: "k8s.io/kubernetes/cmd/" + name,
		LinkerFlags: "-X " + pkg + "gitVersion=" + kubernetesVersion + " -X " + pkg + "gitMajor=1 -X " + pkg + "gitMinor=36",
	}
}
