package crash

import (
	"bytes"
	"io"
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
	// writes that came.
	writes int
}

// fate of the write that springs a trap.
type fate string

const (
	// before: the API server never sees it.
	before fate = "before"
	// after: it is carried out, and only its answer is lost.
	after fate = "after"
	// around: it is carried out and answered, after the strike.
	around fate = "around"
)

// trap is sprung by the nth write.
type trap struct {
	left int
	fate fate
	// from is a status of releases: writes count from the one that gives it to a record. Empty means all count.
	from   string
	counts bool
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
func (g *gateway) next(request *http.Request) (*trap, error) {
	if request.Method == http.MethodGet || strings.Contains(request.URL.Path, "/events") || strings.Contains(request.URL.Path, "/leases") {
		return nil, nil
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	g.mu.Lock()
	defer g.mu.Unlock()
	g.writes++
	// Whatever the encoding, the labels of a record are in it as they are.
	if g.trap == nil || !g.trap.counts && !bytes.Contains(body, []byte(g.trap.from)) {
		return nil, nil
	}
	g.trap.counts = true
	if g.trap.left--; g.trap.left > 0 {
		return nil, nil
	}
	sprung := g.trap
	sprung.struckAt = request.Method + " " + request.URL.Path
	g.trap = nil
	return sprung, nil
}

// ServeHTTP passes a request on.
func (g *gateway) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	sprung, err := g.next(request)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	if sprung == nil {
		g.proxy.ServeHTTP(w, request)
		return
	}
	defer close(sprung.sprung)
	if sprung.fate == after {
		// The answer goes nowhere: by the time it could, there is nobody to read it.
		g.proxy.ServeHTTP(httptest.NewRecorder(), request)
	}
	sprung.strike()
	if sprung.fate == around {
		g.proxy.ServeHTTP(w, request)
		return
	}
	w.WriteHeader(http.StatusBadGateway)
}

// written counts the writes that came so far.
func (g *gateway) written() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.writes
}
