package cluster

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

//go:embed templates
var templates embed.FS

// Configuration files by their path below the cluster's folder.
const (
	containerdFile = "containerd.toml"
	networkFile    = "cni/10-devcluster.conflist"
	pullFile       = "certs.d/" + RegistryName + "/hosts.toml"
	kubeletFile    = "kubelet.yaml"
	proxyFile      = "proxy.yaml"
	dnsFile        = "Corefile"
	namesFile      = "names"
	registryFile   = "registry.yaml"
)

// settings are what the templates refer to.
type settings struct {
	Dir, Socket, Cgroup, PauseImage           string
	NodeAddress, NodePodRange, PodRange       string
	DNSService, Domain, Network, RegistryName string
	RegistryHost, RegistryStore               string
	AuthorityCert, KubeletCert, KubeletKey    string
}

func (c *Cluster) settings() settings {
	return settings{
		Dir: c.Dir, Socket: c.socket(), Cgroup: c.cgroup(), PauseImage: c.pauseImage(),
		NodeAddress: NodeAddress, NodePodRange: nodePodRange, PodRange: podRange,
		DNSService: DNSService, Domain: domain, Network: network,
		RegistryName: RegistryName, RegistryHost: registryHost,
		RegistryStore: filepath.Join(c.Builder.Cache, "registry"),
		AuthorityCert: c.pki().CertPath("ca"), KubeletCert: c.pki().CertPath("kubelet"), KubeletKey: c.pki().KeyPath("kubelet"),
	}
}

// files renders the configuration files. The result depends on nothing but the cluster's folder and its binaries.
func (c *Cluster) files() (map[string]string, error) {
	values := c.settings()
	rendered := map[string]string{}
	for _, name := range []string{containerdFile, networkFile, pullFile, kubeletFile, proxyFile, dnsFile, namesFile, registryFile} {
		source := "templates/" + filepath.Base(name) + ".tmpl"
		parsed, err := template.New(filepath.Base(source)).Option("missingkey=error").ParseFS(templates, source)
		if err != nil {
			return nil, fmt.Errorf("read the template of %s: %w", name, err)
		}
		var out bytes.Buffer
		if err := parsed.Execute(&out, values); err != nil {
			return nil, fmt.Errorf("render %s: %w", name, err)
		}
		rendered[name] = out.String()
	}
	return rendered, nil
}

// writeFiles writes what differs from what is there.
func (c *Cluster) writeFiles(files map[string]string) error {
	for name, text := range files {
		path := c.path(name)
		if current, err := os.ReadFile(filepath.Clean(path)); err == nil && string(current) == text {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("make a place for %s: %w", name, err)
		}
		unfinished := path + ".unfinished"
		if err := os.WriteFile(unfinished, []byte(text), 0o600); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		if err := os.Rename(unfinished, path); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}
