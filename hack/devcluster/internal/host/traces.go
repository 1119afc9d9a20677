package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Places outside the cluster's directory that containerd, the CNI plugins and the kubelet cannot be talked out of.
const (
	shimSockets   = "/run/containerd/s"
	networkCache  = "/var/lib/cni/results"
	containerLogs = "/var/log/containers"
	devicePlugins = "/var/lib/kubelet/device-plugins"
)

// removeTraces removes the cluster's files outside its directory, and directories that are empty without them. It must
// run before the directory itself goes, which tells whose files they are.
func (l Leftovers) removeTraces() error {
	files := append(l.shimSockets(), l.logLinks()...)
	files = append(files, l.networkResults()...)
	files = append(files, pluginFiles()...)
	for _, file := range files {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", file, err)
		}
	}
	for _, dir := range []string{
		shimSockets, "/run/containerd", networkCache, "/var/lib/cni", containerLogs, devicePlugins, "/var/lib/kubelet",
	} {
		// One that is not empty is somebody's.
		_ = os.Remove(dir)
	}
	return nil
}

// shimSockets are the sockets that the bundles of containers name.
func (l Leftovers) shimSockets() []string {
	addresses, _ := filepath.Glob(filepath.Join(l.Dir, "containerd", "state", "io.containerd.runtime.v2.task", "*", "*", "address"))
	var sockets []string
	for _, address := range addresses {
		data, err := os.ReadFile(filepath.Clean(address))
		if err != nil {
			continue
		}
		socket := strings.TrimPrefix(strings.TrimSpace(string(data)), "unix://")
		if filepath.Dir(socket) == shimSockets {
			sockets = append(sockets, socket)
		}
	}
	return sockets
}

// logLinks are the links to logs of the cluster's pods.
func (l Leftovers) logLinks() []string {
	all, _ := filepath.Glob(filepath.Join(containerLogs, "*.log"))
	var links []string
	for _, link := range all {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, l.Dir+"/") {
			links = append(links, link)
		}
	}
	return links
}

// networkResults are what the CNI library remembers of each sandbox: of the cluster's network, and of the loopback that
// every sandbox of the cluster has beside it.
func (l Leftovers) networkResults() []string {
	all, _ := filepath.Glob(filepath.Join(networkCache, "*"))
	sandboxes := map[string]bool{}
	byFile := map[string]string{}
	for _, file := range all {
		var result struct {
			Network string `json:"networkName"`
			Sandbox string `json:"containerId"`
		}
		data, err := os.ReadFile(filepath.Clean(file))
		if err != nil || json.Unmarshal(data, &result) != nil {
			continue
		}
		byFile[file] = result.Sandbox
		if result.Network == l.Network {
			sandboxes[result.Sandbox] = true
		}
	}
	var files []string
	for file, sandbox := range byFile {
		if sandboxes[sandbox] {
			files = append(files, file)
		}
	}
	return files
}

// pluginFiles are what the cluster's kubelet keeps for device plugins. Where another kubelet has its state, or listens,
// they are not the cluster's.
func pluginFiles() []string {
	socket := filepath.Join(devicePlugins, "kubelet.sock")
	listening, err := os.ReadFile("/proc/net/unix")
	if err != nil || strings.Contains(string(listening), socket) {
		return nil
	}
	if state, err := os.ReadDir(filepath.Dir(devicePlugins)); err != nil || len(state) > 1 {
		return nil
	}
	return []string{socket, filepath.Join(devicePlugins, "kubelet_internal_checkpoint")}
}
