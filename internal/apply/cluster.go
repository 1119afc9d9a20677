package apply

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Capabilities of a cluster, as charts ask for them.
type Capabilities struct {
	// KubeVersion such as `v1.36.3`, and its parts as the cluster tells them: some providers say `36+`.
	KubeVersion, KubeMajor, KubeMinor string
	// APIVersions served: `apps/v1` and `apps/v1/Deployment`.
	APIVersions []string
}

const (
	// lookInterval is how long the list of APIs is taken for granted before it is asked whether it changed.
	lookInterval = time.Second
	// capabilitiesTTL is how long it is kept from a server that does not tell whether it changed.
	capabilitiesTTL = 10 * time.Minute
	// aggregatedDiscovery asks for all groups in one document: only that one is tagged.
	aggregatedDiscovery = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
)

// Cluster is one connection to a cluster with one discovery and one REST mapping, shared by all releases.
// It is safe for concurrent use.
type Cluster struct {
	config     *rest.Config
	httpClient *http.Client
	mapper     meta.RESTMapper
	client     client.Client
	discovery  discovery.DiscoveryInterface

	mu           sync.Mutex
	capabilities *Capabilities
	// tag is the server's for this list of APIs.
	tag             string
	fetched, looked time.Time
}

// NewCluster prepares a connection; it makes no request yet. The configuration's rate limits are used as they are.
func NewCluster(config *rest.Config) (*Cluster, error) {
	config = rest.CopyConfig(config)
	// Warnings are about what charts contain; on each apply they would only fill the log.
	config.WarningHandler = rest.NoWarnings{}
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	mapper, err := apiutil.NewDynamicRESTMapper(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("prepare the REST mapping: %w", err)
	}
	discoveryClient, err := discovery.NewDiscoveryClientForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("prepare discovery: %w", err)
	}
	c := &Cluster{config: config, httpClient: httpClient, mapper: mapper, discovery: discoveryClient}
	if c.client, err = client.New(config, client.Options{HTTPClient: httpClient, Mapper: mapper, Scheme: scheme()}); err != nil {
		return nil, fmt.Errorf("prepare the client: %w", err)
	}
	return c, nil
}

// scheme is built once: registering the types of Kubernetes takes longer than anything else here.
var scheme = sync.OnceValue(func() *runtime.Scheme {
	s := runtime.NewScheme()
	// The types are compiled in: registering them cannot fail at run time.
	_ = clientgoscheme.AddToScheme(s)
	return s
})

// Client returns the client of the operator's own identity. It does not cache.
func (c *Cluster) Client() client.Client { return c.client }

// Mapper returns the shared REST mapping. It finds new kinds by itself.
func (c *Cluster) Mapper() meta.RESTMapper { return c.mapper }

// Impersonate returns a client that acts as a service account and shares the REST mapping.
func (c *Cluster) Impersonate(namespace, serviceAccount string) (client.Client, error) {
	config := rest.CopyConfig(c.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + namespace + ":" + serviceAccount}
	impersonating, err := client.New(config, client.Options{Mapper: c.mapper, Scheme: scheme()})
	if err != nil {
		return nil, fmt.Errorf("act as service account %s/%s: %w", namespace, serviceAccount, err)
	}
	return impersonating, nil
}

// Capabilities returns what the cluster serves, as of a second ago or since Refresh. As long as that stays the same, looking
// costs an empty answer.
func (c *Cluster) Capabilities(ctx context.Context) (Capabilities, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.capabilities != nil && time.Since(c.looked) < lookInterval {
		return *c.capabilities, nil
	}
	tag, err := c.currentTag(ctx)
	if err != nil {
		return Capabilities{}, fmt.Errorf("ask whether the cluster serves other APIs: %w", err)
	}
	c.looked = time.Now()
	isSame := tag == c.tag && (tag != "" || time.Since(c.fetched) < capabilitiesTTL)
	if c.capabilities == nil || !isSame {
		found, err := c.fetchCapabilities()
		if err != nil {
			return Capabilities{}, err
		}
		// The tag is older than the list: what changes in between is noticed at the next look.
		c.capabilities, c.tag, c.fetched = found, tag, c.looked
	}
	return *c.capabilities, nil
}

// currentTag returns the server's tag for the list of APIs it serves; nothing if it gives none.
func (c *Cluster) currentTag(ctx context.Context) (string, error) {
	address := c.discovery.RESTClient().Get().AbsPath("/apis").URL().String()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return "", err
	}
	request.Header.Set("Accept", aggregatedDiscovery)
	if c.tag != "" {
		request.Header.Set("If-None-Match", c.tag)
	}
	response, err := c.httpClient.Do(request)
	if err != nil {
		return "", err
	}
	// What was not read is thrown away with the connection.
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusNotModified {
		return c.tag, nil
	}
	return response.Header.Get("ETag"), nil
}

func (c *Cluster) fetchCapabilities() (*Capabilities, error) {
	version, err := c.discovery.ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("ask the cluster's version: %w", err)
	}
	_, resources, err := c.discovery.ServerGroupsAndResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, fmt.Errorf("ask which APIs the cluster serves: %w", err)
	}
	found := Capabilities{KubeVersion: version.GitVersion, KubeMajor: version.Major, KubeMinor: version.Minor}
	for _, list := range resources {
		found.APIVersions = append(found.APIVersions, list.GroupVersion)
		for _, resource := range list.APIResources {
			found.APIVersions = append(found.APIVersions, list.GroupVersion+"/"+resource.Kind)
		}
	}
	return &found, nil
}

// ClusterScopedKinds lists the kinds outside of namespaces whose objects can be listed and deleted. It asks each time:
// it is for what happens seldom.
func (c *Cluster) ClusterScopedKinds(ctx context.Context) ([]schema.GroupVersionKind, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	lists, err := discovery.ServerPreferredResources(c.discovery)
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, fmt.Errorf("ask which APIs the cluster serves: %w", err)
	}
	var kinds []schema.GroupVersionKind
	for _, list := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "delete"}}, lists) {
		for _, resource := range list.APIResources {
			if !resource.Namespaced {
				kinds = append(kinds, schema.FromAPIVersionAndKind(list.GroupVersion, resource.Kind))
			}
		}
	}
	return kinds, nil
}

// Refresh has the next call of Capabilities look at once: an API was added or removed.
func (c *Cluster) Refresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looked = time.Time{}
}

// Lookup reads objects for templates, with the identity of a client.
type Lookup struct {
	client client.Client
}

// NewLookup returns a reader for the template function `lookup`.
func NewLookup(uncached client.Client) *Lookup { return &Lookup{client: uncached} }

// Get returns one object; nil if it or its kind does not exist.
func (l *Lookup) Get(ctx context.Context, gvk schema.GroupVersionKind, namespace, name string) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(gvk)
	err := l.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil, nil
	}
	return object, err
}

// List returns the objects of a namespace, or all where it is empty; nil if the kind does not exist.
func (l *Lookup) List(ctx context.Context, gvk schema.GroupVersionKind, namespace string) (*unstructured.UnstructuredList, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
	err := l.client.List(ctx, list, client.InNamespace(namespace))
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil, nil
	}
	return list, err
}
