package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/host"
	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/image"
	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/process"
)

const defaultLimit = 30 * time.Second

// Assets builds what tests against a real API server need and returns the folder that holds it.
func (c *Cluster) Assets(ctx context.Context) (string, error) {
	paths, err := c.Builder.All(ctx, controlBinaries())
	if err != nil {
		return "", err
	}
	dir := filepath.Join(c.Builder.Cache, "envtest-"+kubernetesVersion)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for name, path := range paths {
		if err := link(path, filepath.Join(dir, name)); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// link points a name at a file, atomically.
func link(target, name string) error {
	if current, err := os.Readlink(name); err == nil && current == target {
		return nil
	}
	unfinished := fmt.Sprintf("%s.%d", name, os.Getpid())
	if err := os.Symlink(target, unfinished); err != nil {
		return err
	}
	return os.Rename(unfinished, name)
}

// Up brings the cluster up, or repairs it. What runs as it should is left alone.
func (c *Cluster) Up(ctx context.Context) error {
	if err := host.Install(ctx, c.Builder.Log); err != nil {
		return err
	}
	var err error
	if c.binaries, err = c.Builder.All(ctx, append(controlBinaries(), nodeBinaries()...)); err != nil {
		return err
	}
	if err := c.prepare(ctx); err != nil {
		return err
	}
	started := 0
	for _, each := range c.parts() {
		fresh, err := c.processes().Ensure(ctx, each.spec)
		if err != nil {
			return err
		}
		if fresh {
			started++
		}
		if err := c.await(ctx, each); err != nil {
			return err
		}
	}
	if err := c.addons(ctx); err != nil {
		return err
	}
	if started == 0 {
		c.say("up already")
	} else {
		c.say("up: %d processes started", started)
	}
	return nil
}

func (c *Cluster) prepare(ctx context.Context) error {
	for _, dir := range []string{"containerd", "volumes", "run"} {
		if err := os.MkdirAll(c.path(dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(c.Builder.Cache, "registry"), 0o755); err != nil {
		return err
	}
	if err := host.Link(ctx, nodeLink, NodeAddress); err != nil {
		return err
	}
	if err := c.pki().Ensure(identities()); err != nil {
		return err
	}
	if err := c.pki().WriteKubeconfig(c.Kubeconfig(), server, "admin"); err != nil {
		return err
	}
	if err := c.pki().WriteKubeconfig(c.path("kubelet.kubeconfig"), server, "kubelet"); err != nil {
		return err
	}
	return c.writeFiles()
}

func (c *Cluster) await(ctx context.Context, each part) error {
	if each.up == nil {
		return nil
	}
	limit := each.limit
	if limit == 0 {
		limit = defaultLimit
	}
	var last error
	err := process.Await(ctx, limit, func() bool {
		last = each.up(ctx)
		return last == nil
	})
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s is not up within %s: %w\nthe end of %s:\n%s", each.spec.Name, limit, last,
		c.processes().LogPath(each.spec.Name), c.processes().Tail(each.spec.Name, 15))
}

// importPause puts the image of pod sandboxes into containerd. That it can be put there shows that containerd works.
func (c *Cluster) importPause(ctx context.Context) error {
	archive := c.path("pause.tar")
	if err := image.WriteStatic(archive, "docker.io/"+pauseImage, c.binaries["pause"]); err != nil {
		return err
	}
	return host.Run(ctx, "ctr", "--address", c.socket(), "--namespace", "k8s.io", "images", "import", archive)
}

func (c *Cluster) nodeReady(ctx context.Context) error {
	status, err := c.kubectl(ctx, "", "get", "node", NodeName, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
	if err == nil && status != "True" {
		err = errors.New("the node is not Ready")
	}
	return err
}

func (c *Cluster) kubectl(ctx context.Context, input string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, c.binaries["kubectl"], append([]string{"--kubeconfig", c.Kubeconfig()}, args...)...)
	command.Stdin = strings.NewReader(input)
	var complaint strings.Builder
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", args[0], err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// addons are the objects a usable cluster has: the DNS Service and a default storage class.
func (c *Cluster) addons(ctx context.Context) error {
	if _, err := c.kubectl(ctx, addonManifest, "apply", "--server-side", "--force-conflicts", "-f", "-"); err != nil {
		return err
	}
	var last error
	answers := resolves("kubernetes.default.svc.cluster.local")
	if err := process.Await(ctx, defaultLimit, func() bool {
		last = answers(ctx)
		return last == nil
	}); err != nil {
		return fmt.Errorf("DNS does not answer at %s: %w\nthe end of %s:\n%s", DNSService, last,
			c.processes().LogPath("coredns"), c.processes().Tail("coredns", 10))
	}
	return nil
}

const addonManifest = `apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  clusterIP: ` + DNSService + `
  ports:
    - {name: dns, port: 53, protocol: UDP}
    - {name: dns-tcp, port: 53, protocol: TCP}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
endpoints: [{addresses: ["` + NodeAddress + `"], conditions: {ready: true}}]
ports:
  - {name: dns, port: 53, protocol: UDP}
  - {name: dns-tcp, port: 53, protocol: TCP}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local-path, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: dpi-operator.io/local-path
volumeBindingMode: WaitForFirstConsumer
reclaimPolicy: Delete
`

// Down takes the cluster away, however it ended. Caches stay.
func (c *Cluster) Down(ctx context.Context) error {
	parts := c.parts()
	for i := len(parts) - 1; i >= 0; i-- {
		if err := c.processes().Stop(ctx, parts[i].spec.Name); err != nil {
			return err
		}
	}
	if err := (host.Leftovers{Dir: c.Dir, Link: nodeLink}).Clear(ctx); err != nil {
		return err
	}
	c.say("down; built programmes and images stay in %s", c.Builder.Cache)
	return nil
}

// Status lists the cluster's processes and reports whether all of them run.
func (c *Cluster) Status() bool {
	all := true
	for _, each := range c.parts() {
		alive := c.processes().Alive(each.spec.Name)
		all = all && alive
		state := "runs"
		if !alive {
			state = "does not run"
		}
		c.say("%-24s %s", each.spec.Name, state)
	}
	return all
}

func (c *Cluster) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.Builder.Log, "devcluster: "+format+"\n", args...)
}
