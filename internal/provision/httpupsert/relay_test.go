package httpupsert_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// relay stands between a run and the real server and plays the kill: the server works off the last request, the run never
// hears of it, and nothing gets through afterwards.
type relay struct {
	*httptest.Server

	mu   sync.Mutex
	left int
	seen []string
}

func newRelay(t *testing.T, to, ca string, requests int) *relay {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if ca != "" {
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		transport.TLSClientConfig.RootCAs.AppendCertsFromPEM([]byte(ca))
	}
	through := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	r := &relay{left: requests}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.left <= 0 {
			panic(http.ErrAbortHandler)
		}
		r.left--
		r.seen = append(r.seen, request.Method+" "+request.URL.Path)
		if r.left == 0 {
			// The server answers to no one.
			through.ServeHTTP(httptest.NewRecorder(), request)
			panic(http.ErrAbortHandler)
		}
		through.ServeHTTP(w, request)
	}))
	t.Cleanup(func() { r.Close(); transport.CloseIdleConnections() })
	return r
}

func (r *relay) last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[len(r.seen)-1]
}
