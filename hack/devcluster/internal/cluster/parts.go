package cluster

import (
	"context"
	"slices"
	"time"

	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/process"
)

const (
	startLimit   = 30 * time.Second
	slowLimit    = 90 * time.Second
	registryHost = "127.0.0.1:5000"
)

// part is one process of the cluster.
type part struct {
	process.Spec

	// up asks whether it does its work and changes nothing; nil means that to run is enough.
	up func(context.Context) error
	// limit for coming up.
	limit time.Duration
}

// base are the parts that need no other. The files are the rendered configuration, a change of which restarts what
// reads it; nil where nothing is going to be started.
func (c *Cluster) base(files map[string]string) []part {
	return []part{c.registry(files[registryFile]), c.etcd(), c.containerd(files[containerdFile])}
}

// node are the parts that need the API.
func (c *Cluster) node(files map[string]string) []part {
	return []part{
		c.controllerManager(), c.scheduler(), c.kubelet(files[kubeletFile]), c.proxy(files[proxyFile]),
		c.dns(files[dnsFile]), c.storage(),
	}
}

// parts are all, in the order they start.
func (c *Cluster) parts() []part {
	return slices.Concat(c.base(nil), []part{c.apiServer()}, c.node(nil))
}

// registry listens on the host's loopback and for pods, and keeps its content in the cache.
func (c *Cluster) registry(config string) part {
	return part{
		Spec: process.Spec{Name: "registry", Path: c.binaries["registry"], Args: []string{
			"--config=" + c.path(registryFile), "--listen=" + registryHost + "," + NodeAddress + ":5000",
		}, Restart: config},
		up: get("http://" + registryHost + "/v2/"), limit: startLimit,
	}
}

func (c *Cluster) etcd() part {
	keys := c.etcdPKI()
	return part{
		Spec: process.Spec{Name: "etcd", Path: c.binaries["etcd"], Args: []string{
			"--name=" + NodeName,
			"--data-dir=" + c.path("etcd"),
			"--listen-client-urls=" + etcdServer,
			"--advertise-client-urls=" + etcdServer,
			"--listen-peer-urls=https://127.0.0.1:2380",
			"--initial-advertise-peer-urls=https://127.0.0.1:2380",
			"--initial-cluster=" + NodeName + "=https://127.0.0.1:2380",
			"--listen-metrics-urls=http://127.0.0.1:2381",
			"--client-cert-auth", "--trusted-ca-file=" + keys.CertPath("ca"),
			"--cert-file=" + keys.CertPath("server"), "--key-file=" + keys.KeyPath("server"),
			"--peer-client-cert-auth", "--peer-trusted-ca-file=" + keys.CertPath("ca"),
			"--peer-cert-file=" + keys.CertPath("server"), "--peer-key-file=" + keys.KeyPath("server"),
			"--log-level=warn",
			// What a power failure would lose can be made again; what a killed process wrote is kept by the kernel.
			"--unsafe-no-fsync",
		}},
		up: get("http://127.0.0.1:2381/health"), limit: startLimit,
	}
}

func (c *Cluster) containerd(config string) part {
	return part{
		Spec: process.Spec{
			Name: "containerd", Path: containerd, Args: []string{"--config", c.path(containerdFile)}, Restart: config,
		},
		up: c.containerdAnswers, limit: startLimit,
	}
}

func (c *Cluster) apiServer() part {
	keys, etcd := c.pki(), c.etcdPKI()
	return part{
		Spec: process.Spec{Name: "kube-apiserver", Path: c.binaries["kube-apiserver"], Args: []string{
			"--etcd-servers=" + etcdServer, "--etcd-cafile=" + etcd.CertPath("ca"),
			"--etcd-certfile=" + etcd.CertPath("client"), "--etcd-keyfile=" + etcd.KeyPath("client"),
			"--bind-address=" + NodeAddress, "--advertise-address=" + NodeAddress, "--secure-port=6443",
			"--service-cluster-ip-range=" + serviceRange,
			"--client-ca-file=" + keys.CertPath("ca"),
			"--tls-cert-file=" + keys.CertPath("apiserver"), "--tls-private-key-file=" + keys.KeyPath("apiserver"),
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file=" + keys.ServiceAccountPublicKey(),
			"--service-account-signing-key-file=" + keys.KeyPath("sa"),
			"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
			"--kubelet-certificate-authority=" + keys.CertPath("ca"),
			"--kubelet-client-certificate=" + keys.CertPath("admin"), "--kubelet-client-key=" + keys.KeyPath("admin"),
			"--kubelet-preferred-address-types=InternalIP",
			"--allow-privileged=true",
		}},
		up: c.apiReady, limit: slowLimit,
	}
}

func (c *Cluster) controllerManager() part {
	keys := c.pki()
	return part{
		Spec: process.Spec{Name: "kube-controller-manager", Path: c.binaries["kube-controller-manager"], Args: []string{
			"--kubeconfig=" + c.kubeconfig("controller-manager"),
			"--bind-address=127.0.0.1", "--leader-elect=false",
			"--service-account-private-key-file=" + keys.KeyPath("sa"), "--use-service-account-credentials=true",
			"--root-ca-file=" + keys.CertPath("ca"),
			"--cluster-signing-cert-file=" + keys.CertPath("ca"), "--cluster-signing-key-file=" + keys.KeyPath("ca"),
			"--cluster-cidr=" + podRange, "--allocate-node-cidrs=true",
		}},
		up: get("https://127.0.0.1:10257/healthz"), limit: startLimit,
	}
}

func (c *Cluster) scheduler() part {
	return part{
		Spec: process.Spec{Name: "kube-scheduler", Path: c.binaries["kube-scheduler"], Args: []string{
			"--kubeconfig=" + c.kubeconfig("scheduler"), "--bind-address=127.0.0.1", "--leader-elect=false",
		}},
		up: get("https://127.0.0.1:10259/healthz"), limit: startLimit,
	}
}

func (c *Cluster) kubelet(config string) part {
	return part{
		Spec: process.Spec{Name: "kubelet", Path: c.binaries["kubelet"], Args: []string{
			"--config=" + c.path(kubeletFile), "--kubeconfig=" + c.kubeconfig("kubelet"), "--root-dir=" + c.path("kubelet"),
			"--hostname-override=" + NodeName, "--node-ip=" + NodeAddress,
		}, Restart: config},
		up: c.nodeReady, limit: slowLimit,
	}
}

func (c *Cluster) proxy(config string) part {
	return part{
		Spec: process.Spec{Name: "kube-proxy", Path: c.binaries["kube-proxy"], Args: []string{
			"--config=" + c.path(proxyFile), "--hostname-override=" + NodeName,
		}, Restart: config},
		up: get("http://127.0.0.1:10256/healthz"), limit: startLimit,
	}
}

func (c *Cluster) dns(config string) part {
	return part{
		Spec: process.Spec{
			Name: "coredns", Path: c.binaries["coredns"], Args: []string{"-conf", c.path(dnsFile)}, Restart: config,
		},
		up: resolves("kubernetes.default.svc." + domain), limit: startLimit,
	}
}

func (c *Cluster) storage() part {
	return part{Spec: process.Spec{Name: "localpath", Path: c.binaries["localpath"], Args: []string{
		"--kubeconfig=" + c.kubeconfig("storage"), "--dir=" + c.path("volumes"), "--node=" + NodeName,
	}}}
}
