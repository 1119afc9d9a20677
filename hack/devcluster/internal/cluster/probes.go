package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/host"
)

const probeLimit = 2 * time.Second

// get asks an address for 200. The certificate is not checked: whether the server is up is all that is asked.
func get(address string) func(context.Context) error {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: probeLimit}
	return func(ctx context.Context) error {
		_, err := fetch(ctx, client, address)
		return err
	}
}

func fetch(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %d", address, response.StatusCode)
	}
	return io.ReadAll(response.Body)
}

// resolves asks the cluster's DNS, through its Service, for a name. That takes the name server and kube-proxy.
func resolves(name string) func(context.Context) error {
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, transport, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, transport, net.JoinHostPort(DNSService, "53"))
	}}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, probeLimit)
		defer cancel()
		addresses, err := resolver.LookupHost(ctx, strings.TrimSuffix(name, ".")+".")
		if err == nil && len(addresses) == 0 {
			err = fmt.Errorf("no address for %s", name)
		}
		return err
	}
}

// ask gets a path of the API as the administrator.
func (c *Cluster) ask(ctx context.Context, path string) ([]byte, error) {
	keys := c.pki()
	pair, err := tls.LoadX509KeyPair(keys.CertPath("admin"), keys.KeyPath("admin"))
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(keys.CertPath("ca"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{pair}},
		DisableKeepAlives: true,
	}
	return fetch(ctx, &http.Client{Transport: transport, Timeout: probeLimit}, server+path)
}

func (c *Cluster) apiReady(ctx context.Context) error {
	_, err := c.ask(ctx, "/readyz")
	return err
}

func (c *Cluster) nodeReady(ctx context.Context) error {
	data, err := c.ask(ctx, "/api/v1/nodes/"+NodeName)
	if err != nil {
		return err
	}
	if err := readyIn(data); err != nil {
		return err
	}
	// A kubelet that ended a moment ago leaves its node Ready.
	return get("http://127.0.0.1:10248/healthz")(ctx)
}

// readyIn looks for the condition Ready in a node.
func readyIn(data []byte) error {
	var node corev1.Node
	if err := json.Unmarshal(data, &node); err != nil {
		return fmt.Errorf("read the node: %w", err)
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			if condition.Status == corev1.ConditionTrue {
				return nil
			}
			return fmt.Errorf("the node is not Ready: %s", condition.Message)
		}
	}
	return errors.New("the node does not say whether it is Ready")
}

func (c *Cluster) containerdAnswers(ctx context.Context) error { return c.ctr(ctx, "version") }

func (c *Cluster) ctr(ctx context.Context, args ...string) error {
	return host.Run(ctx, "ctr", append([]string{"--address", c.socket(), "--namespace", "k8s.io"}, args...)...)
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
