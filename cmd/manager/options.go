package main

import (
	"errors"
	"flag"
	"os"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

const (
	defaultLeaseDuration = 15 * time.Second
	// minLeaseDuration leaves time for a slow answer: the API counts leases in seconds.
	minLeaseDuration = 2 * time.Second
)

// options are the flags of the operator.
type options struct {
	flags            *flag.FlagSet
	log              zap.Options
	namespace        string
	catalogNamespace string
	watchNamespaces  string
	provisionerImage string
	clusterDomain    string
	cacheDir         string
	metricsAddress   string
	probeAddress     string
	pprofAddress     string
	leaderElect      bool
	leaseDuration    time.Duration
}

func newOptions() *options {
	o := &options{flags: flag.NewFlagSet("manager", flag.ContinueOnError)}
	o.flags.StringVar(&o.namespace, "namespace", os.Getenv("POD_NAMESPACE"), "namespace of the operator; default $POD_NAMESPACE")
	o.flags.StringVar(&o.catalogNamespace, "catalog-namespace", "", "namespace of the catalogue; default the operator's")
	o.flags.StringVar(&o.watchNamespaces, "watch-namespaces", "", "comma-separated namespaces to work in, besides the operator's; default all")
	o.flags.StringVar(&o.provisionerImage, "provisioner-image", "", "image of the built-in provisioners: the operator's own")
	o.flags.StringVar(&o.clusterDomain, "cluster-domain", "cluster.local", "DNS suffix of the cluster's Services")
	o.flags.StringVar(&o.cacheDir, "cache-dir", os.TempDir(), "directory for chart archives")
	o.flags.StringVar(&o.metricsAddress, "metrics-bind-address", ":8080", "address of the metrics endpoint; 0 switches it off")
	o.flags.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; 0 switches them off")
	o.flags.StringVar(&o.pprofAddress, "pprof-bind-address", "0", "loopback address of the Go profiles; 0 switches them off")
	o.flags.BoolVar(&o.leaderElect, "leader-elect", true, "work only while holding the lease, so that more than one replica may run")
	o.flags.DurationVar(&o.leaseDuration, "lease-duration", defaultLeaseDuration, "how long the lease of a leader that vanished is respected; whole seconds")
	o.log.BindFlags(o.flags)
	return o
}

func (o *options) parse(arguments []string) error {
	if err := o.flags.Parse(arguments); err != nil {
		return err
	}
	if o.namespace == "" {
		return o.refuse("name the operator's namespace: --namespace or $POD_NAMESPACE")
	}
	if o.provisionerImage == "" {
		return o.refuse("name the image of the provisioners: --provisioner-image")
	}
	if o.leaseDuration < minLeaseDuration {
		return o.refuse("--lease-duration must be at least " + minLeaseDuration.String())
	}
	if o.catalogNamespace == "" {
		o.catalogNamespace = o.namespace
	}
	return nil
}

func (o *options) refuse(message string) error {
	_, _ = o.flags.Output().Write([]byte(message + "\n"))
	return errors.New(message)
}

// renewDeadline is how long a leader tries to renew its lease before it gives up: sooner than others take over.
func (o *options) renewDeadline() time.Duration { return o.leaseDuration * 2 / 3 }

// retryPeriod is how often the lease is renewed, or tried for.
func (o *options) retryPeriod() time.Duration { return o.leaseDuration * 2 / 15 }

// namespaces lists where the operator works; nothing means everywhere.
func (o *options) namespaces() []string {
	if o.watchNamespaces == "" {
		return nil
	}
	seen := map[string]bool{}
	var out []string
	for _, name := range append(strings.Split(o.watchNamespaces, ","), o.namespace, o.catalogNamespace) {
		if name = strings.TrimSpace(name); name != "" && !seen[name] {
			seen[name] = true
			out = append(out, name)
		}
	}
	return out
}
