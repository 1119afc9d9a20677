package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Tunnel reaches Services of the cluster by their names in the cluster, from a machine outside of it, as
// `kubectl port-forward` does. The addresses in a binding's Secret can so be used as they are.
type Tunnel struct {
	demo *Demo

	mu    sync.Mutex
	local map[string]string
	stop  chan struct{}
}

// NewTunnel returns a tunnel; close it after use.
func (d *Demo) NewTunnel() *Tunnel {
	return &Tunnel{demo: d, local: map[string]string{}, stop: make(chan struct{})}
}

// Close ends every forwarding.
func (t *Tunnel) Close() { close(t.stop) }

// HTTPClient returns a client that reaches Services by name.
func (t *Tunnel) HTTPClient() *http.Client {
	transport := &http.Transport{DialContext: t.dial, DisableKeepAlives: true}
	return &http.Client{Transport: transport, Timeout: 60 * time.Second}
}

func (t *Tunnel) dial(ctx context.Context, network, address string) (net.Conn, error) {
	local, err := t.forward(ctx, address)
	if err != nil {
		return nil, err
	}
	connection, err := (&net.Dialer{}).DialContext(ctx, network, local)
	if err != nil {
		t.forget(address)
	}
	return connection, err
}

func (t *Tunnel) forget(address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.local, address)
}

func (t *Tunnel) forward(ctx context.Context, address string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if local, ok := t.local[address]; ok {
		return local, nil
	}
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return "", err
	}
	parts := strings.Split(host, ".")
	if len(parts) < 3 || parts[2] != "svc" {
		return "", fmt.Errorf("%s is not the name of a Service", host)
	}
	pod, target, err := t.podBehind(ctx, client.ObjectKey{Namespace: parts[1], Name: parts[0]}, port)
	if err != nil {
		return "", err
	}
	local, err := t.open(ctx, pod, target)
	if err == nil {
		t.local[address] = local
	}
	return local, err
}

// podBehind returns a ready pod of the Service and the port it listens on.
func (t *Tunnel) podBehind(ctx context.Context, key client.ObjectKey, port int) (*corev1.Pod, int, error) {
	var service corev1.Service
	if err := t.demo.Client.Get(ctx, key, &service); err != nil {
		return nil, 0, fmt.Errorf("find Service %s: %w", key, err)
	}
	var pods corev1.PodList
	if err := t.demo.Client.List(ctx, &pods, client.InNamespace(key.Namespace), client.MatchingLabels(service.Spec.Selector)); err != nil {
		return nil, 0, err
	}
	for i := range pods.Items {
		if !isPodReady(&pods.Items[i]) {
			continue
		}
		for _, each := range service.Spec.Ports {
			if int(each.Port) == port {
				return &pods.Items[i], containerPort(&pods.Items[i], each), nil
			}
		}
		return nil, 0, fmt.Errorf("service %s has no port %d", key, port)
	}
	return nil, 0, fmt.Errorf("service %s has no ready pod", key)
}

func isPodReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue && pod.DeletionTimestamp.IsZero()
		}
	}
	return false
}

func containerPort(pod *corev1.Pod, port corev1.ServicePort) int {
	if port.TargetPort.Type == intstr.Int {
		if port.TargetPort.IntValue() == 0 {
			return int(port.Port)
		}
		return port.TargetPort.IntValue()
	}
	for _, container := range pod.Spec.Containers {
		for _, each := range container.Ports {
			if each.Name == port.TargetPort.StrVal {
				return int(each.ContainerPort)
			}
		}
	}
	return int(port.Port)
}

func (t *Tunnel) open(ctx context.Context, pod *corev1.Pod, port int) (string, error) {
	clients, err := kubernetes.NewForConfig(t.demo.Config)
	if err != nil {
		return "", err
	}
	roundTripper, upgrader, err := spdy.RoundTripperFor(t.demo.Config)
	if err != nil {
		return "", err
	}
	url := clients.CoreV1().RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("portforward").URL()
	ready := make(chan struct{})
	forwarder, err := portforward.New(spdy.NewDialer(upgrader, &http.Client{Transport: roundTripper}, http.MethodPost, url),
		[]string{"0:" + strconv.Itoa(port)}, t.stop, ready, io.Discard, io.Discard)
	if err != nil {
		return "", err
	}
	failed := make(chan error, 1)
	go func() { failed <- forwarder.ForwardPorts() }()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case err := <-failed:
		return "", fmt.Errorf("forward to pod %s: %w", pod.Name, err)
	case <-ready:
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		return "", err
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(ports[0].Local))), nil
}
