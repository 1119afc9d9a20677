package plan

import (
	"net"
	"net/url"
	"strconv"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
	"github.com/dpi-operator/dpi-operator/internal/expr"
)

// endpoint is a resolved address.
type endpoint struct {
	name, scheme, host, path string
	port                     int32
}

func (e endpoint) url() string {
	return e.scheme + "://" + net.JoinHostPort(e.host, strconv.Itoa(int(e.port))) + e.path
}

func (e endpoint) api() v1alpha1.Endpoint {
	return v1alpha1.Endpoint{Name: e.name, URL: e.url(), Host: e.host, Port: e.port}
}

// scope is the endpoint as expressions see it.
func (e endpoint) scope() map[string]any {
	return map[string]any{
		"url": e.url(), "host": e.host, "port": strconv.Itoa(int(e.port)), "scheme": e.scheme, "path": e.path,
	}
}

func (m *member) resolveEndpoints(in Input) error {
	if m.external != nil {
		return m.externalEndpoints()
	}
	if !m.installs() {
		return nil
	}
	for _, declared := range m.entry.Spec.Endpoints {
		service := m.release
		if declared.ServiceName != "" {
			name, err := expr.EvaluateString(declared.ServiceName, expr.Scope{"component": m.scope(in)})
			if err != nil {
				return problem(v1alpha1.ReasonMappingFailed, "good %s, endpoint %s: %v", m.good, declared.Name, err)
			}
			service = name
		}
		m.endpoints = append(m.endpoints, endpoint{
			name: declared.Name, scheme: declared.Scheme, path: declared.Path, port: declared.Port,
			host: service + "." + in.Deployment.Namespace + ".svc." + in.ClusterDomain,
		})
	}
	return nil
}

func (m *member) externalEndpoints() error {
	declared := map[string]v1alpha1.GoodEndpoint{}
	for _, each := range m.entry.Spec.Endpoints {
		declared[each.Name] = each
	}
	for _, given := range m.external.Endpoints {
		each, ok := declared[given.Name]
		if !ok {
			return problem(v1alpha1.ReasonInvalid, "component %s: good %s has no endpoint %q; it has %s", m.name, m.good, given.Name, names(declared))
		}
		parsed, err := url.Parse(given.URL)
		if err != nil || parsed.Hostname() == "" {
			return problem(v1alpha1.ReasonInvalid, "component %s: endpoint %s: %q is not an address", m.name, given.Name, given.URL)
		}
		port := defaultPort(parsed.Scheme, each.Port)
		if text := parsed.Port(); text != "" {
			number, err := strconv.ParseUint(text, 10, 16)
			if err != nil {
				return problem(v1alpha1.ReasonInvalid, "component %s: endpoint %s: port %q is not a number", m.name, given.Name, text)
			}
			port = int32(number)
		}
		m.endpoints = append(m.endpoints, endpoint{name: given.Name, scheme: parsed.Scheme, host: parsed.Hostname(), path: parsed.Path, port: port})
	}
	return nil
}

func defaultPort(scheme string, declared int32) int32 {
	switch scheme {
	case "http":
		return 80
	case "https":
		return 443
	default:
		return declared
	}
}

func (m *member) endpoint(name string) (endpoint, bool) {
	for _, each := range m.endpoints {
		if each.name == name {
			return each, true
		}
	}
	return endpoint{}, false
}

// scope is the component as expressions see it.
func (m *member) scope(in Input) map[string]any {
	return map[string]any{
		"name": m.name, "release": m.release, "namespace": m.whose(in).Namespace,
		"deployment": m.whose(in).Name, "version": m.version.Version,
	}
}
