// Package oracle runs Helm's own actions, so that tests can compare: what Helm itself does, and what it makes of our
// records. It is for tests only, and lives below package helm because nothing else imports Helm.
package oracle

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Helm runs Helm's actions in one namespace, with Helm's own storage.
type Helm struct {
	configuration *action.Configuration
	namespace     string
	// unchecked leaves out the check of manifests against the cluster's schemas.
	unchecked bool
}

// asTheCommand makes the library write as the command does: it tells by that name which fields are its own.
var asTheCommand = sync.OnceFunc(func() { kube.ManagedFieldsManager = "helm" })

// Release is what Helm says of a revision.
type Release struct {
	Name, Status, Chart, Version, Description, Manifest string
	Revision                                            int
	Hooks                                               []string
}

// New connects Helm to a cluster.
func New(config *rest.Config, namespace string) (*Helm, error) {
	asTheCommand()
	configuration := &action.Configuration{}
	quiet := func(string, ...any) {}
	if err := configuration.Init(getter{config: config, namespace: namespace}, namespace, "secret", quiet); err != nil {
		return nil, fmt.Errorf("connect Helm: %w", err)
	}
	return &Helm{configuration: configuration, namespace: namespace}, nil
}

// WithoutValidation is the same Helm with `--disable-openapi-validation`, which saves most of the time of an action.
func (h *Helm) WithoutValidation() *Helm {
	return &Helm{configuration: h.configuration, namespace: h.namespace, unchecked: true}
}

// Install is `helm install` without waiting.
func (h *Helm) Install(name string, archive []byte, values map[string]any) (*Release, error) {
	return h.install(name, archive, values, func(*action.Install) {})
}

// InstallAndWait is `helm install --wait`, for at most so long.
func (h *Helm) InstallAndWait(name string, archive []byte, values map[string]any, timeout time.Duration) (*Release, error) {
	return h.install(name, archive, values, func(install *action.Install) { install.Wait, install.Timeout = true, timeout })
}

func (h *Helm) install(name string, archive []byte, values map[string]any, change func(*action.Install)) (*Release, error) {
	chart, err := loader.LoadArchive(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	install := action.NewInstall(h.configuration)
	install.ReleaseName, install.Namespace, install.Timeout = name, h.namespace, hookTimeout
	install.DisableOpenAPIValidation = h.unchecked
	change(install)
	rel, err := install.Run(chart, values)
	return from(rel), err
}

// Upgrade is `helm upgrade` without waiting. It keeps the labels of the release, as the command does.
func (h *Helm) Upgrade(name string, archive []byte, values map[string]any) (*Release, error) {
	return h.upgrade(name, archive, values, func(*action.Upgrade) {})
}

// UpgradeReusingValues is `helm upgrade --reuse-values`.
func (h *Helm) UpgradeReusingValues(name string, archive []byte, values map[string]any) (*Release, error) {
	return h.upgrade(name, archive, values, func(upgrade *action.Upgrade) { upgrade.ReuseValues = true })
}

func (h *Helm) upgrade(name string, archive []byte, values map[string]any, change func(*action.Upgrade)) (*Release, error) {
	chart, err := loader.LoadArchive(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	upgrade := action.NewUpgrade(h.configuration)
	upgrade.Namespace, upgrade.Timeout = h.namespace, hookTimeout
	upgrade.DisableOpenAPIValidation = h.unchecked
	change(upgrade)
	rel, err := upgrade.Run(name, chart, values)
	return from(rel), err
}

// Rollback is `helm rollback`; revision 0 means the one before.
func (h *Helm) Rollback(name string, revision int) error {
	rollback := action.NewRollback(h.configuration)
	rollback.Version, rollback.Timeout = revision, hookTimeout
	return rollback.Run(name)
}

// Uninstall is `helm uninstall`.
func (h *Helm) Uninstall(name string) error {
	uninstall := action.NewUninstall(h.configuration)
	uninstall.Timeout = hookTimeout
	_, err := uninstall.Run(name)
	return err
}

// List is `helm list --all`.
func (h *Helm) List() ([]Release, error) {
	list := action.NewList(h.configuration)
	list.All, list.StateMask = true, action.ListAll
	found, err := list.Run()
	return all(found), err
}

// History is `helm history`, oldest first.
func (h *Helm) History(name string) ([]Release, error) {
	found, err := action.NewHistory(h.configuration).Run(name)
	releaseutil.SortByRevision(found)
	return all(found), err
}

// Values is `helm get values`.
func (h *Helm) Values(name string) (map[string]any, error) {
	return action.NewGetValues(h.configuration).Run(name)
}

// AllValues is `helm get values --all`.
func (h *Helm) AllValues(name string) (map[string]any, error) {
	get := action.NewGetValues(h.configuration)
	get.AllValues = true
	return get.Run(name)
}

// Get is `helm get all` of the latest revision.
func (h *Helm) Get(name string) (*Release, error) {
	rel, err := action.NewGet(h.configuration).Run(name)
	return from(rel), err
}

// Interrupt leaves a release as a helm command leaves it that was killed: pending.
func (h *Helm) Interrupt(name string) error {
	rel, err := h.configuration.Releases.Last(name)
	if err != nil {
		return err
	}
	next := *rel
	info := *rel.Info
	info.Status = release.StatusPendingUpgrade
	next.Info, next.Version = &info, rel.Version+1
	return h.configuration.Releases.Create(&next)
}

// InterruptUninstall leaves what a `helm uninstall` leaves that was killed before it removed anything.
func (h *Helm) InterruptUninstall(name string) error {
	rel, err := h.configuration.Releases.Last(name)
	if err != nil {
		return err
	}
	rel.Info.Status = release.StatusUninstalling
	return h.configuration.Releases.Update(rel)
}

func all(found []*release.Release) []Release {
	releases := make([]Release, 0, len(found))
	for _, rel := range found {
		releases = append(releases, *from(rel))
	}
	return releases
}

func from(rel *release.Release) *Release {
	if rel == nil {
		return nil
	}
	converted := &Release{
		Name: rel.Name, Status: rel.Info.Status.String(), Description: rel.Info.Description,
		Chart: rel.Chart.Name(), Version: rel.Chart.Metadata.Version, Manifest: rel.Manifest, Revision: rel.Version,
	}
	for _, hook := range rel.Hooks {
		converted.Hooks = append(converted.Hooks, hook.Name)
	}
	return converted
}

// getter is what Helm wants to know of a cluster.
type getter struct {
	config    *rest.Config
	namespace string
}

func (g getter) ToRESTConfig() (*rest.Config, error) { return rest.CopyConfig(g.config), nil }

func (g getter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	client, err := discovery.NewDiscoveryClientForConfig(g.config)
	if err != nil {
		return nil, err
	}
	return memory.NewMemCacheClient(client), nil
}

func (g getter) ToRESTMapper() (meta.RESTMapper, error) {
	client, err := g.ToDiscoveryClient()
	if err != nil {
		return nil, err
	}
	return restmapper.NewDeferredDiscoveryRESTMapper(client), nil
}

func (g getter) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	overrides := &clientcmd.ConfigOverrides{}
	overrides.Context.Namespace = g.namespace
	return clientcmd.NewDefaultClientConfig(*clientcmdapi.NewConfig(), overrides)
}
