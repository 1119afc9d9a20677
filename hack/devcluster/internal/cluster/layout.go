package cluster

import (
	"net"
	"path/filepath"
	"strings"

	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/build"
	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/host"
	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/pki"
	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/process"
)

// Addresses of the cluster. They are fixed, so that kubeconfigs and certificates stay valid.
const (
	NodeName     = "devcluster"
	NodeAddress  = "10.244.255.1"
	DNSService   = "10.96.0.10"
	RegistryName = "registry.devcluster:5000"

	nodeLink     = "devcluster0"
	network      = "devcluster"
	podRange     = "10.244.0.0/16"
	nodePodRange = "10.244.0.0/24"
	serviceRange = "10.96.0.0/16"
	apiService   = "10.96.0.1"
	domain       = "cluster.local"
	server       = "https://" + NodeAddress + ":6443"
	etcdServer   = "https://127.0.0.1:2379"
)

// Cluster is one cluster on this machine.
type Cluster struct {
	// Dir holds all state; it goes with the cluster. It is an absolute path.
	Dir string
	// Builder makes the programs.
	Builder build.Builder

	binaries map[string]string
}

// Kubeconfig is the path of the administrator's kubeconfig.
func (c *Cluster) Kubeconfig() string { return c.kubeconfig("admin") }

func (c *Cluster) kubeconfig(identity string) string { return c.path(identity + ".kubeconfig") }

func (c *Cluster) path(parts ...string) string {
	return filepath.Join(append([]string{c.Dir}, parts...)...)
}

func (c *Cluster) pki() pki.Store { return pki.Store{Dir: c.path("pki")} }

// etcdPKI has an authority of its own: whoever it signs for may read and write everything.
func (c *Cluster) etcdPKI() pki.Store { return pki.Store{Dir: c.path("pki", "etcd")} }

func (c *Cluster) processes() process.Table { return process.Table{Dir: c.path("run")} }

func (c *Cluster) socket() string { return c.path("containerd", "containerd.sock") }

// cgroup is below which the pods run.
func (c *Cluster) cgroup() string { return filepath.Base(c.Dir) }

func (c *Cluster) kernel() host.Kernel { return host.Kernel{Record: c.path("kernel.json")} }

// pauseImage is named after what it is built from, so that a changed program is a changed image.
func (c *Cluster) pauseImage() string {
	_, version, _ := strings.Cut(filepath.Base(filepath.Dir(c.binaries["pause"])), "-")
	return "docker.io/devcluster/pause:" + version
}

// clients are the identities that have a kubeconfig.
func clients() []pki.Identity {
	return []pki.Identity{
		{Name: "admin", CommonName: "admin", Organizations: []string{"system:masters"}},
		{
			Name: "kubelet", CommonName: "system:node:" + NodeName, Organizations: []string{"system:nodes"},
			DNSNames: []string{NodeName}, IPs: []net.IP{net.ParseIP(NodeAddress)},
		},
		{Name: "controller-manager", CommonName: "system:kube-controller-manager"},
		{Name: "scheduler", CommonName: "system:kube-scheduler"},
		{Name: "proxy", CommonName: "system:kube-proxy"},
		{Name: "dns", CommonName: "devcluster:dns"},
		{Name: "storage", CommonName: "devcluster:storage"},
	}
}

// identities are the certificates of the cluster.
func identities() []pki.Identity {
	return append(clients(), pki.Identity{
		Name: "apiserver", CommonName: "kube-apiserver",
		DNSNames: []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + domain, "localhost"},
		IPs:      []net.IP{net.ParseIP(NodeAddress), net.ParseIP(apiService), net.IPv4(127, 0, 0, 1)},
	})
}

// etcdIdentities are those of etcd, which is its own peer, and of its one client.
func etcdIdentities() []pki.Identity {
	return []pki.Identity{
		{Name: "server", CommonName: "etcd", DNSNames: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}},
		{Name: "client", CommonName: "kube-apiserver"},
	}
}
