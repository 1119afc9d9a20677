package main

import (
	"context"
	"fmt"
	"os"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/uuid"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/controllers/binding"
	"github.com/dpi-operator/dpi-operator/controllers/catalog"
	"github.com/dpi-operator/dpi-operator/controllers/component"
	"github.com/dpi-operator/dpi-operator/controllers/deployment"
	"github.com/dpi-operator/dpi-operator/controllers/report"
	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/fetch"
	"github.com/dpi-operator/dpi-operator/internal/observe"
	"github.com/dpi-operator/dpi-operator/internal/podlogs"
	"github.com/dpi-operator/dpi-operator/internal/release"
)

// noRateLimit of the operator's own: the API server's priority and fairness knows better what it can bear.
const noRateLimit = -1

// chartPatience is how long a worker waits for a chart before it turns to other components.
const chartPatience = 2 * time.Second

// run starts every controller and returns when the context ends or one of them cannot go on.
func run(ctx context.Context, o *options) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	config.QPS = noRateLimit
	config.UserAgent = "dpi-operator/" + version
	identity := holder()
	var lock resourcelock.Interface
	if o.leaderElect {
		lease, err := newLease(config, o, identity)
		if err != nil {
			return err
		}
		lock = lease
		config = rest.CopyConfig(config)
		config.Wrap(lease.fence)
	}
	manager, err := newManager(config, o, lock)
	if err != nil {
		return err
	}
	if err := setup(ctx, manager, connection{config: config, identity: identity}, o); err != nil {
		return err
	}
	ctrl.Log.WithName("setup").Info("Starting", "version", version, "catalogNamespace", o.catalogNamespace, "namespaces", o.namespaces())
	return manager.Start(ctx)
}

// connection is how this process reaches the cluster, and its name there.
type connection struct {
	config   *rest.Config
	identity string
}

func newManager(config *rest.Config, o *options, lock resourcelock.Interface) (ctrl.Manager, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	provisionerJobs, err := labels.NewRequirement(v1alpha1.BindingLabel, selection.Exists, nil)
	if err != nil {
		return nil, err
	}
	options := ctrl.Options{
		Scheme:                        scheme,
		Metrics:                       metricsserver.Options{BindAddress: o.metricsAddress},
		HealthProbeBindAddress:        o.probeAddress,
		PprofBindAddress:              o.pprofAddress,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              leaseName,
		LeaderElectionReleaseOnCancel: true,

		LeaderElectionResourceLockInterface: lock,

		LeaseDuration: new(o.leaseDuration),
		RenewDeadline: new(o.renewDeadline()),
		RetryPeriod:   new(o.retryPeriod()),
		Cache: cache.Options{
			// Jobs are cached only where they are ours: those of bindings. Live objects of releases have a cache of their own.
			ByObject: map[client.Object]cache.ByObject{
				&batchv1.Job{}: {Label: labels.NewSelector().Add(*provisionerJobs)},
			},
		},
		// Read live: no Secret of the cluster belongs in the operator's memory, and the others are read seldom.
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{
			&corev1.Secret{}, &corev1.ConfigMap{}, &corev1.Namespace{}, &corev1.ServiceAccount{}, &rbacv1.Role{}, &rbacv1.RoleBinding{},
		}}},
	}
	if namespaces := o.namespaces(); len(namespaces) > 0 {
		options.Cache.DefaultNamespaces = map[string]cache.Config{}
		for _, name := range namespaces {
			options.Cache.DefaultNamespaces[name] = cache.Config{}
		}
	}
	manager, err := ctrl.NewManager(config, options)
	if err != nil {
		return nil, fmt.Errorf("prepare the operator: %w", err)
	}
	if err := manager.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, err
	}
	return manager, manager.AddReadyzCheck("ping", healthz.Ping)
}

// setup hands every controller what it needs.
func setup(ctx context.Context, manager ctrl.Manager, to connection, o *options) error {
	catalogs := &catalog.Reconciler{Client: manager.GetClient(), Events: manager.GetEventRecorder("catalog")}
	if err := catalogs.SetupWithManager(manager); err != nil {
		return fmt.Errorf("set up catalogues: %w", err)
	}
	deployments := &deployment.Reconciler{
		Client: manager.GetClient(), Events: manager.GetEventRecorder("dpideployment"),
		CatalogNamespace: o.catalogNamespace, ClusterDomain: o.clusterDomain, Namespaces: o.namespaces(), Now: time.Now,
	}
	if err := deployments.SetupWithManager(ctx, manager); err != nil {
		return fmt.Errorf("set up deployments: %w", err)
	}
	bindings := &binding.Reconciler{
		Client: manager.GetClient(), Events: manager.GetEventRecorder("binding"), Image: o.provisionerImage, Now: time.Now,
	}
	if err := bindings.SetupWithManager(ctx, manager); err != nil {
		return fmt.Errorf("set up bindings: %w", err)
	}
	if err := setupComponents(ctx, manager, to, o); err != nil {
		return fmt.Errorf("set up components: %w", err)
	}
	return setupReports(manager, o)
}

func setupComponents(ctx context.Context, manager ctrl.Manager, to connection, o *options) error {
	cluster, err := apply.NewCluster(to.config)
	if err != nil {
		return err
	}
	logs, err := podlogs.New(to.config)
	if err != nil {
		return err
	}
	live, err := observe.New(to.config, observe.Options{Namespaces: o.namespaces(), Mapper: cluster.Mapper(), Client: cluster.Client()})
	if err != nil {
		return err
	}
	if err := manager.Add(live); err != nil {
		return err
	}
	engine, err := release.New(release.Options{
		Cluster: cluster, Objects: live.Noting(cluster.Client()), Holder: to.identity, Now: time.Now, Logs: logs,
	})
	if err != nil {
		return err
	}
	charts, err := fetch.New(fetch.Options{CacheDir: o.cacheDir, Patience: chartPatience})
	if err != nil {
		return err
	}
	components := &component.Reconciler{
		Client: manager.GetClient(), Events: manager.GetEventRecorder("component"), Releases: engine, Charts: charts,
		Live: live, Logs: logs, Now: time.Now,
	}
	return components.SetupWithManager(ctx, manager, live.Source())
}

// holder identifies this process in the lease and in release records.
func holder() string {
	name, err := os.Hostname()
	if err != nil {
		name = "operator"
	}
	return name + "/" + string(uuid.NewUUID())
}

func setupReports(manager ctrl.Manager, o *options) error {
	reporter := &report.Reconciler{
		Client: manager.GetClient(), Namespace: o.namespace, CatalogNamespace: o.catalogNamespace, Now: time.Now,
	}
	if err := reporter.SetupWithManager(manager); err != nil {
		return fmt.Errorf("set up reports: %w", err)
	}
	return nil
}
