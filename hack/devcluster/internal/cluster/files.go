package cluster

import (
	"fmt"
	"os"
	"path/filepath"
)

// files are the configuration files of the cluster's parts by their path below the cluster's folder.
func (c *Cluster) files() map[string]string {
	return map[string]string{
		"containerd.toml":                         c.containerdConfig(),
		"cni/10-devcluster.conflist":              c.networkConfig(),
		"certs.d/" + RegistryName + "/hosts.toml": registryHosts,
		"kubelet.yaml":                            c.kubeletConfig(),
		"proxy.yaml":                              c.proxyConfig(),
		"Corefile":                                c.dnsConfig(),
		"registry-host.yaml":                      c.registryConfig("127.0.0.1:5000"),
		"registry-node.yaml":                      c.registryConfig(NodeAddress + ":5000"),
	}
}

func (c *Cluster) writeFiles() error {
	for name, text := range c.files() {
		path := c.path(name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// containerdConfig lets sandboxes start without the right to lower an OOM score, and keeps network namespaces below the
// cluster's folder, so that they can be told from those of others.
func (c *Cluster) containerdConfig() string {
	return fmt.Sprintf(`version = 2
root = %q
state = %q
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = %q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = %q
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = %q
`, c.path("containerd", "root"), c.path("containerd", "state"), c.socket(), "docker.io/"+pauseImage, c.path("cni"), c.path("certs.d"))
}

// networkConfig routes every packet of a pod through the host, so that Services work between pods of the one node
// without a bridge filter.
func (c *Cluster) networkConfig() string {
	return fmt.Sprintf(`{"cniVersion": "0.4.0", "name": "devcluster", "plugins": [
  {"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local", "dataDir": %q,
   "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
`, c.path("leases"), nodePodRange)
}

const registryHosts = `server = "http://` + RegistryName + `"
[host."http://127.0.0.1:5000"]
  capabilities = ["pull", "resolve"]
`

func (c *Cluster) kubeletConfig() string {
	return fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %s
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: %s}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
makeIPTablesUtilChains: false
clusterDNS: [%s]
clusterDomain: cluster.local
containerRuntimeEndpoint: unix://%s
tlsCertFile: %s
tlsPrivateKeyFile: %s
resolvConf: %s
readOnlyPort: 0
healthzBindAddress: 127.0.0.1
imageGCHighThresholdPercent: 100
evictionHard: {}
maxPods: 200
serializeImagePulls: false
`, NodeAddress, c.pki().CertPath("ca"), DNSService, c.socket(), c.pki().CertPath("kubelet"), c.pki().KeyPath("kubelet"), os.DevNull)
}

func (c *Cluster) proxyConfig() string {
	return fmt.Sprintf(`apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: %s
clientConnection: {kubeconfig: %s}
conntrack: {maxPerCore: 0}
metricsBindAddress: 127.0.0.1:10249
healthzBindAddress: 127.0.0.1:10256
`, podRange, c.Kubeconfig())
}

// dnsConfig answers for the cluster and for the registry's name; any other name is refused at once.
func (c *Cluster) dnsConfig() string {
	return fmt.Sprintf(`.:53 {
  bind %s
  ready 127.0.0.1:8181
  errors
  cache 5
  hosts {
    %s registry.devcluster
    fallthrough
  }
  kubernetes cluster.local {
    kubeconfig %s
  }
}
`, NodeAddress, NodeAddress, c.Kubeconfig())
}

// registryConfig serves the store below the cache, so that images and charts survive the cluster.
func (c *Cluster) registryConfig(address string) string {
	return fmt.Sprintf(`version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %s}
  delete: {enabled: true}
http: {addr: %q, secret: devcluster}
`, filepath.Join(c.Builder.Cache, "registry"), address)
}
