package crash

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
)

// gateway stands between an operator and the API server, and strikes at a write.
type gateway struct {
	server *httptest.Server
	proxy  *httputil.ReverseProxy

	mu   sync.Mutex
	trap *trap
}

// trap is sprung by the nth write, before the API server sees it, or after, so that only the answer is lost.
type trap struct {
	left         int
	answerIsLost bool
	// only counts writes whose path contains it.
	only   string
	strike func()
	sprung chan struct{}
	// struckAt is the write that sprung it, for reports.
	struckAt string
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{}
	g.proxy = &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1,
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	g.server = httptest.NewServer(g)
	t.Cleanup(func() {
		g.server.CloseClientConnections()
		g.server.Close()
	})
	return g
}

// set arms a trap in place of the one before; nil disarms.
func (g *gateway) set(armed *trap) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if armed != nil {
		armed.sprung = make(chan struct{})
	}
	g.trap = armed
}

// next returns the trap that this request springs, or nil.
func (g *gateway) next(request *http.Request) *trap {
	if request.Method == http.MethodGet || strings.Contains(request.URL.Path, "/events") || strings.Contains(request.URL.Path, "/leases/") {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.trap == nil || !strings.Contains(request.URL.Path, g.trap.only) {
		return nil
	}
	if g.trap.left--; g.trap.left > 0 {
		return nil
	}
	sprung := g.trap
	sprung.struckAt = fmt.Sprintf("%s %s", request.Method, request.URL.Path)
	g.trap = nil
	return sprung
}

// ServeHTTP passes a request on.
func (g *gateway) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	sprung := g.next(request)
	if sprung == nil {
		g.proxy.ServeHTTP(w, request)
		return
	}
	defer close(sprung.sprung)
	if sprung.answerIsLost {
		// The answer goes nowhere: by the time it could, there is nobody to read it.
		g.proxy.ServeHTTP(httptest.NewRecorder(), request)
	}
	sprung.strike()
	w.WriteHeader(http.StatusBadGateway)
}
