package cluster

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/process"
)

// part is one process of the cluster.
type part struct {
	spec process.Spec
	// up reports whether it does its work; nil means that running is enough.
	up func(context.Context) error
	// limit for coming up.
	limit time.Duration
}

// parts in the order they start.
func (c *Cluster) parts() []part {
	files := c.files()
	keys := c.pki()
	flags := func(list ...string) []string { return list }
	return []part{
		{spec: process.Spec{Name: "registry-host", Path: c.binaries["registry"], Args: flags("serve", c.path("registry-host.yaml")), Restart: files["registry-host.yaml"]}, up: get("http://127.0.0.1:5000/v2/")},
		{spec: process.Spec{Name: "registry-node", Path: c.binaries["registry"], Args: flags("serve", c.path("registry-node.yaml")), Restart: files["registry-node.yaml"]}, up: get("http://" + NodeAddress + ":5000/v2/")},
		{spec: process.Spec{Name: "etcd", Path: c.binaries["etcd"], Args: flags(
			"--data-dir", c.path("etcd"), "--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379",
			"--listen-peer-urls", "http://127.0.0.1:2380", "--log-level", "warn", "--unsafe-no-fsync")}, up: get("http://127.0.0.1:2379/health")},
		{spec: process.Spec{Name: "kube-apiserver", Path: c.binaries["kube-apiserver"], Args: flags(
			"--etcd-servers=http://127.0.0.1:2379", "--bind-address="+NodeAddress, "--advertise-address="+NodeAddress, "--secure-port=6443",
			"--service-cluster-ip-range="+serviceRange, "--client-ca-file="+keys.CertPath("ca"),
			"--tls-cert-file="+keys.CertPath("apiserver"), "--tls-private-key-file="+keys.KeyPath("apiserver"),
			"--service-account-key-file="+c.path("pki", "sa.pub"), "--service-account-signing-key-file="+keys.KeyPath("sa"),
			"--service-account-issuer=https://kubernetes.default.svc", "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
			"--kubelet-client-certificate="+keys.CertPath("admin"), "--kubelet-client-key="+keys.KeyPath("admin"),
			"--kubelet-preferred-address-types=InternalIP", "--allow-privileged=true")}, up: get(server + "/readyz"), limit: 90 * time.Second},
		{spec: process.Spec{Name: "kube-controller-manager", Path: c.binaries["kube-controller-manager"], Args: flags(
			"--kubeconfig="+c.Kubeconfig(), "--bind-address=127.0.0.1", "--service-account-private-key-file="+keys.KeyPath("sa"),
			"--root-ca-file="+keys.CertPath("ca"), "--cluster-cidr="+podRange, "--allocate-node-cidrs=true",
			"--cluster-signing-cert-file="+keys.CertPath("ca"), "--cluster-signing-key-file="+keys.KeyPath("ca"),
			"--leader-elect=false", "--use-service-account-credentials=true")}},
		{spec: process.Spec{Name: "kube-scheduler", Path: c.binaries["kube-scheduler"], Args: flags(
			"--kubeconfig="+c.Kubeconfig(), "--bind-address=127.0.0.1", "--leader-elect=false")}},
		{spec: process.Spec{Name: "containerd", Path: "/usr/bin/containerd", Args: flags("-c", c.path("containerd.toml")), Restart: files["containerd.toml"]}, up: c.importPause},
		{spec: process.Spec{Name: "kubelet", Path: c.binaries["kubelet"], Args: flags(
			"--config", c.path("kubelet.yaml"), "--kubeconfig", c.path("kubelet.kubeconfig"), "--hostname-override="+NodeName,
			"--root-dir="+c.path("kubelet"), "--node-ip="+NodeAddress), Restart: files["kubelet.yaml"]}, up: c.nodeReady, limit: 2 * time.Minute},
		{spec: process.Spec{Name: "kube-proxy", Path: c.binaries["kube-proxy"], Args: flags(
			"--config", c.path("proxy.yaml"), "--hostname-override="+NodeName), Restart: files["proxy.yaml"]}, up: get("http://127.0.0.1:10256/healthz")},
		{spec: process.Spec{Name: "coredns", Path: c.binaries["coredns"], Args: flags("-conf", c.path("Corefile")), Restart: files["Corefile"]}, up: get("http://127.0.0.1:8181/ready")},
		{spec: process.Spec{Name: "localpath", Path: c.binaries["localpath"], Args: flags(
			"--kubeconfig", c.Kubeconfig(), "--dir", c.path("volumes"), "--node", NodeName)}},
	}
}

// get asks an address until it answers 200. The certificate is not checked: whether the server is up is all that is asked.
func get(address string) func(context.Context) error {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true} //nolint:gosec // see above
	client := &http.Client{Transport: transport, Timeout: 2 * time.Second}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		// An API server that wants credentials for its health still serves.
		if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusUnauthorized && response.StatusCode != http.StatusForbidden {
			return fmt.Errorf("%s answers %d", address, response.StatusCode)
		}
		return nil
	}
}

// resolves reports whether the cluster's DNS answers for a name.
func resolves(name string) func(context.Context) error {
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, net.JoinHostPort(DNSService, "53"))
	}}
	return func(ctx context.Context) error {
		addresses, err := resolver.LookupHost(ctx, strings.TrimSuffix(name, ".")+".")
		if err == nil && len(addresses) == 0 {
			err = fmt.Errorf("no address for %s", name)
		}
		return err
	}
}
